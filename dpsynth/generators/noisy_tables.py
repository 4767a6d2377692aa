"""Noisy columns and, where wanted, noisy pairs of all columns, at the resolution that the noise allows.

This is what mixtures of products are fitted to, whether their components are free or come out of a network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator.queries import Grouping, MarginalSession, NoisyMarginal
from dpsynth.errors import InvalidInput
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.multi_resolution import FINE, multi_resolution
from dpsynth.generators.noisy_columns import as_measurements, expected_noise, in_proportion
from dpsynth.generators.working_domain import WorkingDomain, measure_working_domain
from dpsynth.models import JunctionTree, Measurement, estimated_total
from dpsynth.models.code_groups import within_atoms
from dpsynth.models.merged_column import MergedColumn, shares_within
from dpsynth.models.mixture_fit import ColumnCounts
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
class NoisyTables:
    """Noisy columns and pairs over groups of codes.

    Attributes:
        schema: what is publicly known.
        working: the columns as they were measured.
        groups: group of every code of each column, by name.
        pairs: noisy pairs over these groups; none where none were measured.
        noise: expected absolute noise in a cell of a pair, in rows.
    """

    schema: Schema
    working: WorkingDomain
    groups: Mapping[str, NDArray[np.int64]]
    pairs: tuple[NoisyMarginal, ...]
    noise: float

    @property
    def domain(self) -> Domain:
        """The columns with their numbers of groups."""
        return _domain(self.schema, self.groups)

    @property
    def total(self) -> float:
        """The noisy estimate of the number of rows, at least 1."""
        return max(1.0, estimated_total(as_measurements(self.schema, [*self.working.columns, *self.pairs])))

    @property
    def measured_pairs(self) -> list[Measurement]:
        """The noisy pairs in the form that fits take."""
        return as_measurements(self.schema, self.pairs)

    @property
    def columns(self) -> ColumnCounts:
        """The noisy counts of all columns, summed over groups."""
        counts, stddevs = [], []
        for answer in self.working.columns:
            into = self._within(answer.clique[0])
            counts.append(np.bincount(into, weights=answer.counts.ravel()))
            stddevs.append(answer.stddev * np.sqrt(np.bincount(into)))
        return ColumnCounts(np.concatenate(counts), np.concatenate(stddevs))

    @property
    def impossible(self) -> Mapping[Clique, NDArray[np.bool_]]:
        """Per rule of the schema True where no record can be."""
        return self.schema.constraints.merged(self.groups)

    def most_components(self, wanted: int) -> int:
        """Return `wanted`, or as many components as the fitted model has room for."""
        return max(1, min(wanted, _LARGEST_MODEL // _cells(self.schema, self.groups)))

    def fitted(self, model: MixtureOfProducts, provenance: Mapping[str, str]) -> FittedGraphicalModel:
        """Return the generator whose model is `model`, without records that the schema excludes."""
        total = self.total
        return FittedGraphicalModel(
            schema=self.schema,
            model=model.as_graphical_model(total, self.impossible),
            measurements=(*self.working.columns, *self.pairs, *self.working.groundwork),
            merged=self._merged(model, total),
            provenance=provenance,
        )

    def _within(self, name: str) -> NDArray[np.int64]:
        """Return the group of each code of the working domain."""
        if name not in self.working.merged:
            return self.groups[name]
        into = np.zeros(self.working.domain.size(name), dtype=np.int64)
        into[self.working.merged[name].groups] = self.groups[name]
        return into

    def _merged(self, model: MixtureOfProducts, total: float) -> dict[str, MergedColumn]:
        """Return how codes are told apart again in every column that the mixture holds in groups."""
        merged = {}
        for column, answer in zip(self.schema.columns, self.working.columns, strict=True):
            name = column.name
            if model.domain.size(name) == column.size:
                continue
            into, counts = self._within(name), answer.counts.astype(np.float64)
            totals = model.marginal((name,)) * total
            shares = shares_within(counts, answer.stddev, into, totals, ordered=column.is_ordered)
            if name in self.working.merged:
                shares = shares[self.working.merged[name].groups] * self.working.merged[name].shares
            merged[name] = MergedColumn(self.groups[name], shares)
        return merged


def refusal_of(schema: Schema) -> str | None:
    """Return why a mixture of products does not take a schema, in words; None where it does."""
    if len(schema.columns) > _MOST_COLUMNS:
        return (
            f"every pair of columns would be measured, which is too many with {len(schema.columns)}; "
            f"use mst or aim above {_MOST_COLUMNS}"
        )
    coarsest = {name: schema.constraints.atoms(name) for name in schema.domain.names}
    if _cells(schema, coarsest) > _LARGEST_MODEL:
        return "the rules of the schema tie too many columns together for a mixture; use aim"
    return None


def require_taken(schema: Schema) -> None:
    """Raise what `refusal_of` says, if anything.

    Raises:
        InvalidInput: a mixture of products does not take the schema.
    """
    refusal = refusal_of(schema)
    if refusal is not None:
        raise InvalidInput(refusal)


def measure_columns(
    session: MarginalSession,
    schema: Schema,
    mu_squared: Fraction,
    *,
    left_for_pairs: Fraction,
    noise_in_a_pair: float,
    most_codes: int | None = None,
) -> NoisyTables:
    """Return noisy columns without pairs.

    Args:
        session: answers.
        schema: what is publicly known.
        mu_squared: what the columns may cost.
        left_for_pairs: what is to be spent on pairs, or on what takes their place; sets the resolution of columns.
        noise_in_a_pair: total-variation distance that noise alone may add to a pair.
        most_codes: most groups of all columns together, where columns can be held that coarsely; no limit if None.

    Privacy: at most `mu_squared`.
    """
    working = measure_working_domain(session, schema, mu_squared)
    rows = max(1.0, estimated_total(as_measurements(schema, working.columns)))
    count = max(1, math.comb(len(schema.columns), 2))
    noise = expected_noise(left_for_pairs / count, schema.unit.max_rows_per_unit)
    groups = _groups(schema, working, _finest_resolution(rows, noise, noise_in_a_pair), most_codes)
    return NoisyTables(schema, working, groups, (), noise)


def measure_pairs(session: MarginalSession, tables: NoisyTables, mu_squared: Fraction) -> NoisyTables:
    """Return `tables` with every pair over its groups, measured once.

    Privacy: at most `mu_squared`, split by public weights and sizes of noisy groups.
    """
    schema, groups = tables.schema, tables.groups
    pairs: list[Clique] = list(combinations(schema.domain.names, 2))
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
    answers = []
    with phase("measure pairs", len(pairs)) as advance:
        for pair, share in zip(pairs, shares, strict=True):
            answers.append(session.measure(pair, share * mu_squared, groupings=groupings))
            advance(1)
    return replace(tables, pairs=tuple(answers))


def _domain(schema: Schema, groups: Mapping[str, NDArray[np.int64]]) -> Domain:
    return Domain(schema.domain.names, tuple(int(groups[name].max()) + 1 for name in schema.domain.names))


def _cells(schema: Schema, groups: Mapping[str, NDArray[np.int64]]) -> int:
    """Return the cells of the fitted model for each component: columns, and columns that rules tie together."""
    return JunctionTree.of(_domain(schema, groups), schema.constraints.masks).cells


def _finest_resolution(rows: float, noise: float, distance: float) -> int:
    """Return how many groups both columns of a pair may have for its noise to move it by `distance`."""
    return int(np.clip(math.sqrt(2 * distance * rows / noise), FINE, _FINEST))


def _groups(
    schema: Schema, working: WorkingDomain, finest: int, most_codes: int | None
) -> dict[str, NDArray[np.int64]]:
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
        is_small = _ENOUGH_COMPONENTS * _cells(schema, groups) <= _LARGEST_MODEL
        if finest <= 2 or (is_small and _fits(_domain(schema, groups).sizes, most_codes)):
            return groups
        finest //= 2


def _fits(sizes: Sequence[int], most_codes: int | None) -> bool:
    return most_codes is None or sum(sizes) <= most_codes
