"""A sample that misses the model's marginals by less than rows drawn once: a balanced quarter of four times as many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dpsynth.generators.base import FittedSynthesizer
from dpsynth.models.halving import halved
from dpsynth.schema.domain import Clique
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable

_HALVINGS = 2
MOST_ROWS = 200_000
"""Of more rows the sampling error is small, and four times as many would need memory."""

_MOST_LOOKS = 20_000_000
"""Rows, or columns where these are more, times marginals: three seconds, or half a minute where hundreds of columns or
of codes fill half a gigabyte with cells."""


def balanced_sample(
    model: FittedSynthesizer, rows: int, *, rng: np.random.Generator, given: Mapping[str, object] | None = None
) -> SyntheticTable:
    """Return `rows` synthetic rows whose marginals in the workload are nearer to the model's than those of `sample`.

    Four times as many rows are drawn, and halved twice so that pairs of columns (within the groups, where the workload
    has a column to group by) keep their counts; marginals with more cells than rows are left to luck. Each row by
    itself has the model's distribution. The rows are those of `model.sample` above `MOST_ROWS`, with so many columns
    that it would take long, and where all columns together have few cells, so that a model's own rounding is as good.
    docs/design/balanced_sampling.md has the figures.

    Args:
        model: a fitted generator.
        rows: how many.
        rng: public randomness.
        given: conditions by column; see `FittedSynthesizer.sample`.

    Raises:
        InvalidInput: `rows` is negative, or `given` is not in the schema or impossible.

    Privacy: post-processing of rows that are computed from the model alone; nothing is charged.
    """
    marginals = _marginals(model.schema, rows)
    if not marginals:
        return model.sample(rows, rng=rng, given=given)
    drawn = model.sample(rows << _HALVINGS, rng=rng, given=given)
    codes = rng.permutation(drawn.codes)  # halving wants neighbours by chance, and generators promise no order
    for _ in range(_HALVINGS):
        codes = halved(codes, model.schema.domain, marginals)
    return replace(drawn, codes=codes)


def is_balanced(schema: Schema, rows: int) -> bool:
    """Return whether `balanced_sample` of so many rows differs from `sample`; follows from public sizes."""
    return bool(_marginals(schema, rows))


def _marginals(schema: Schema, rows: int) -> Mapping[Clique, int]:
    """Return the marginals that are kept in balance, with their importance; none if that would take too long."""
    if not 0 < rows <= MOST_ROWS or schema.domain.cells() <= rows << _HALVINGS:
        return {}
    workload, found, length = schema.workload, dict[Clique, int](), max(rows, len(schema.domain))
    for order in (2, 3):
        for clique in workload.cliques(order, largest=rows):
            found[clique] = workload.importance(clique)
            if length * len(found) > _MOST_LOOKS:
                return {}
    return found
