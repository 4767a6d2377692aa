"""The step for workloads with a group column: every other column is measured within the groups, before anything else.

Within each group even a single column is a pair, and none of them can be left to chance: a column that is never
measured with the group looks the same in all groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from dpsynth.curator.queries import MarginalSession, NoisyMarginal
from dpsynth.generators.multi_resolution import MultiResolution
from dpsynth.generators.noisy_columns import in_proportion
from dpsynth.models import GraphicalModel, Measurement
from dpsynth.models.shrinkage import shrunk
from dpsynth.progress import phase

SHARE_WITHIN_GROUPS = Fraction(4, 5)
"""Part of what remains that this step spends."""

COLUMNS_BESIDE_GROUPS = Fraction(1, 3)
"""Part of their share that single columns get where each of them is measured within groups as well."""

_MOST_CODES = 16
"""A column has at most so many codes when it is measured within groups."""


def measure_within_groups(
    session: MarginalSession, hub: str, resolutions: MultiResolution, model: GraphicalModel
) -> Iterator[tuple[NoisyMarginal, Measurement]]:
    """Yield every other column joined with `hub`: the noisy answer, and what the fit should make of it.

    Columns stand at their finest version of few enough codes; those that the rules leave no choice within a group are
    passed over. The fit gets each table shrunk toward what `model`, which knows single columns only, expects: many
    columns are spread over the groups nearly as they are over the whole table.

    Args:
        session: what may be spent.
        hub: the column that the workload groups by.
        resolutions: the columns with their coarser versions.
        model: fitted to the single columns.

    Privacy: a fixed part of what remains, in shares that follow from public sizes (see `measure_working_domain`).
    """
    domain = resolutions.domain
    versions: dict[str, list[str]] = {}
    for name in domain.names:
        versions.setdefault(resolutions.column(name), []).append(name)
    pairs = [
        domain.canonical((hub, next((name for name in chain if domain.size(name) <= _MOST_CODES), chain[-1])))
        for column, chain in versions.items()
        if column != hub and not _is_decided(resolutions, hub, column)
    ]
    if not pairs:
        return
    expected = model.marginals(pairs)
    parts = in_proportion([domain.cells(pair) ** (2 / 3) for pair in pairs])
    spend = SHARE_WITHIN_GROUPS * session.remaining_mu_squared
    with phase("measure columns within groups", len(pairs)) as advance:
        for pair, part in zip(pairs, parts, strict=True):
            answer = session.measure(pair, spend * part, groupings=resolutions.groupings)
            counts = shrunk(answer.counts.astype(np.float64), expected[pair], answer.stddev)
            yield answer, Measurement(clique=pair, counts=counts, stddev=answer.stddev)
            advance(1)


def _is_decided(resolutions: MultiResolution, hub: str, column: str) -> bool:
    """Return whether the schema's rules leave `column` a single value for most values of `hub`."""
    pair = resolutions.domain.canonical((hub, column))
    zeros = resolutions.impossible.get(pair)
    return zeros is not None and bool(np.median((~zeros).sum(axis=1 - pair.index(hub))) <= 1)
