"""Mixture of products: every pair measured once, at the resolution that the noise allows; no clique is too large."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator.queries import Grouping, MarginalQueries, MarginalSession, NoisyMarginal
from dpsynth.errors import InvalidInput
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.multi_resolution import FINE, multi_resolution
from dpsynth.generators.noisy_columns import as_measurements, expected_noise, in_proportion
from dpsynth.generators.working_domain import WorkingDomain, measure_working_domain
from dpsynth.models import JunctionTree, estimated_total
from dpsynth.models.code_groups import within_atoms
from dpsynth.models.merged_column import MergedColumn, shares_within
from dpsynth.models.mixture_fit import ColumnCounts, fit_mixture
from dpsynth.models.mixture_of_products import MixtureOfProducts
from dpsynth.progress import phase
from dpsynth.schema.domain import Clique, Domain
from dpsynth.schema.schema import Schema

_MOST_COLUMNS = 200
"""Measuring every pair of more columns costs more questions than it is worth."""

_FINEST = 64
"""Most groups of a column, however large the budget."""

_LARGEST_MODEL = 20_000_000
"""Most cells of the fitted model, which the rules of a schema make larger."""

_ENOUGH_COMPONENTS = 64
"""With fewer, columns are held more coarsely, so that there can be more."""

_PAIR_POWER, _WEIGHT_POWER = 1 / 3, 2 / 3
"""Powers of size and weight in the split of the budget; docs/design/mixture_of_products.md has the measurement."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """A mixture of products of columns, fitted to noisy columns and to all noisy pairs.

    Attributes:
        components: number of products.
        iterations: steps of the fit.
        column_share: part of the budget that measures the single columns; the rest measures all pairs.
        noise_in_a_pair: total-variation distance that noise alone may add to a pair; sets the resolution of columns.
        information_price: what a nat of information costs in the fit, see `MixtureLoss`, divided by the square root of
            (rows / expected noise of a cell).

    Source: Fu et al. 2025, MargNet (pairs of a neural mixture of products); Liu, Vietri and Wu 2021 (relaxed table).
    """

    components: int = 512
    iterations: int = 600
    column_share: float = 0.3
    noise_in_a_pair: float = 0.15
    information_price: float = 13.0

    def __post_init__(self) -> None:
        """Refuse parameters that cannot work.

        Raises:
            InvalidInput: naming the parameter and what it may be.
        """
        if self.components < 1 or self.iterations < 1:
            raise InvalidInput("components and iterations must be at least 1")
        if not 0 < self.column_share < 1:
            raise InvalidInput(f"column_share must be between 0 and 1, not {self.column_share}")
        if not self.noise_in_a_pair > 0 or not self.information_price >= 0:
            raise InvalidInput("noise_in_a_pair must be positive, and information_price not negative")

    @property
    def name(self) -> str:
        """The name in the registry."""
        return "mixture"

    def fit(self, curator: MarginalQueries, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedGraphicalModel:
        """Return the fitted generator; see `Synthesizer.fit`.

        Privacy: at most `budget`. How many questions there are follows from the schema; their sizes and the split
        follow from the noisy answers to the first ones.

        Raises:
            InvalidInput: there are too many columns to measure every pair, or rules tie too many columns together.
        """
        schema = curator.schema
        refusal = refusal_of(schema)
        if refusal is not None:
            raise InvalidInput(refusal)
        pairs: list[Clique] = list(combinations(schema.domain.names, 2))
        with curator.within(budget, purpose="fit mixture") as session:
            share = Fraction(str(self.column_share)) if pairs else Fraction(1)
            working = measure_working_domain(session, schema, share * session.mu_squared)
            rows = max(1.0, estimated_total(as_measurements(schema, working.columns)))
            noise = expected_noise(session.remaining_mu_squared / max(1, len(pairs)), schema.unit.max_rows_per_unit)
            groups = _groups(schema, working, _finest_resolution(rows, noise, self.noise_in_a_pair))
            answers = _measure_pairs(session, schema, groups, pairs)
        measured = as_measurements(schema, answers)
        total = max(1.0, estimated_total([*as_measurements(schema, working.columns), *measured]))
        domain = _domain(schema, groups)
        impossible = schema.constraints.merged(groups)
        model = fit_mixture(
            domain,
            _column_counts(working, groups),
            measured,
            total=total,
            rng=rng,
            components=max(1, min(self.components, _LARGEST_MODEL // _cells(schema, groups))),
            iterations=self.iterations,
            information_price=self.information_price * math.sqrt(total / noise),
            impossible=impossible,
        )
        return FittedGraphicalModel(
            schema=schema,
            model=model.as_graphical_model(total, impossible),
            measurements=(*working.columns, *answers, *working.groundwork),
            merged=_merged(schema, working, groups, model, total),
            provenance={
                "generator": self.name,
                "components": str(self.components),
                "iterations": str(self.iterations),
                "column_share": str(self.column_share),
                "noise_in_a_pair": str(self.noise_in_a_pair),
                "information_price": str(self.information_price),
            },
        )


def refusal_of(schema: Schema) -> str | None:
    """Return why `mixture` does not take a schema, in words; None where it does."""
    if len(schema.columns) > _MOST_COLUMNS:
        return (
            f"mixture measures every pair of columns, which is too many with {len(schema.columns)}; "
            f"use mst or aim above {_MOST_COLUMNS}"
        )
    coarsest = {name: schema.constraints.atoms(name) for name in schema.domain.names}
    if _cells(schema, coarsest) > _LARGEST_MODEL:
        return "the rules of the schema tie too many columns together for mixture; use aim"
    return None


def _domain(schema: Schema, groups: Mapping[str, NDArray[np.int64]]) -> Domain:
    return Domain(schema.domain.names, tuple(int(groups[name].max()) + 1 for name in schema.domain.names))


def _cells(schema: Schema, groups: Mapping[str, NDArray[np.int64]]) -> int:
    """Return the cells of the fitted model for each component: columns, and columns that rules tie together."""
    return JunctionTree.of(_domain(schema, groups), schema.constraints.masks).cells


def _finest_resolution(rows: float, noise: float, distance: float) -> int:
    """Return how many groups both columns of a pair may have for its noise to move it by `distance`."""
    return int(np.clip(math.sqrt(2 * distance * rows / noise), FINE, _FINEST))


def _measure_pairs(
    session: MarginalSession, schema: Schema, groups: Mapping[str, NDArray[np.int64]], pairs: list[Clique]
) -> list[NoisyMarginal]:
    """Return every pair over `groups`, measured once with all that is left of the budget."""
    groupings = {
        name: Grouping(name, tuple(group.tolist()))
        for name, group in groups.items()
        if group.max() + 1 < schema.domain.size(name)
    }
    sizes = {name: int(group.max()) + 1 for name, group in groups.items()}
    shares = in_proportion(
        [
            schema.workload.weight(pair) ** _WEIGHT_POWER * (sizes[pair[0]] * sizes[pair[1]]) ** _PAIR_POWER
            for pair in pairs
        ]
    )
    mu_squared = session.remaining_mu_squared
    answers = []
    with phase("measure pairs", len(pairs)) as advance:
        for pair, share in zip(pairs, shares, strict=True):
            answers.append(session.measure(pair, share * mu_squared, groupings=groupings))
            advance(1)
    return answers


def _groups(schema: Schema, working: WorkingDomain, finest: int) -> dict[str, NDArray[np.int64]]:
    """Return the group of every code of each column: those of the working domain, merged to about `finest`.

    No group straddles the border of a rule. Where rules would make the model too large, columns are held more coarsely.
    """
    while True:
        groups = {name: np.arange(size) for name, size in zip(schema.domain.names, schema.domain.sizes, strict=True)}
        groups.update({name: np.array(grouping.groups) for name, grouping in working.groupings.items()})
        resolutions = multi_resolution(schema, working.columns, (finest,))
        for name in reversed(resolutions.domain.names):  # the finest of a column's coarser versions comes last here
            column = resolutions.column(name)
            if name != column:
                merged = np.array(resolutions.groupings[name].groups)
                groups[column] = within_atoms(merged, schema.constraints.atoms(column))
        if finest <= 2 or _ENOUGH_COMPONENTS * _cells(schema, groups) <= _LARGEST_MODEL:
            return groups
        finest //= 2


def _column_counts(working: WorkingDomain, groups: Mapping[str, NDArray[np.int64]]) -> ColumnCounts:
    """Return the noisy counts of all columns, summed over groups."""
    counts, stddevs = [], []
    for answer in working.columns:
        into = _within(working, answer.clique[0], groups)
        counts.append(np.bincount(into, weights=answer.counts.ravel()))
        stddevs.append(answer.stddev * np.sqrt(np.bincount(into)))
    return ColumnCounts(np.concatenate(counts), np.concatenate(stddevs))


def _within(working: WorkingDomain, name: str, groups: Mapping[str, NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the group of each code of the working domain."""
    if name not in working.merged:
        return groups[name]
    into = np.zeros(working.domain.size(name), dtype=np.int64)
    into[working.merged[name].groups] = groups[name]
    return into


def _merged(
    schema: Schema,
    working: WorkingDomain,
    groups: Mapping[str, NDArray[np.int64]],
    model: MixtureOfProducts,
    total: float,
) -> dict[str, MergedColumn]:
    """Return how codes are told apart again in every column that the mixture holds in groups."""
    merged = {}
    for column, answer in zip(schema.columns, working.columns, strict=True):
        name = column.name
        if model.domain.size(name) == column.size:
            continue
        into = _within(working, name, groups)
        totals = model.marginal((name,)) * total
        shares = shares_within(answer.counts.astype(np.float64), answer.stddev, into, totals, ordered=column.is_ordered)
        if name in working.merged:
            shares = shares[working.merged[name].groups] * working.merged[name].shares
        merged[name] = MergedColumn(groups[name], shares)
    return merged
