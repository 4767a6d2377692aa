"""The first step that marginal-based generators share: every column measured, codes merged where pairs need it.

A generator works on the *working domain*: the columns of the schema, each with its codes or, where the schema says so
or there are too many of them, with groups of codes. Groups are read off noisy counts; pairs are counted over groups
behind the door, at the same sensitivity; records get their codes back by the share of each code in its group.
docs/design/domain_layer.md has the description and the proof.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator.queries import Grouping, MarginalSession, NoisyMarginal
from dpsynth.models.code_groups import (
    BRANCHES,
    ROOTS,
    Groups,
    equal_mass,
    first_nodes,
    merged_where_rare,
    merged_with_neighbours,
    split_where_dense,
    within_atoms,
)
from dpsynth.models.merged_column import MergedColumn, shares_within
from dpsynth.progress import phase
from dpsynth.schema.axes import MomentAxis, NumberAxis
from dpsynth.schema.columns import Column
from dpsynth.schema.domain import Domain
from dpsynth.schema.merging import LARGEST_UNMERGED, DeclaredGroups, DensityTree, EqualMass, KeepCodes, MergeRare
from dpsynth.schema.schema import Schema

_SHARE_OF_GROUNDWORK = Fraction(1, 2)
"""Part of a merged column's cost that groups and shares are read from; the rest measures the groups."""


@dataclass(frozen=True, slots=True)
class WorkingDomain:
    """The columns as a generator models them.

    Attributes:
        domain: the columns of the schema with their numbers of groups, or of codes where nothing is merged.
        columns: the noisy marginal of every column over the working domain, in the order of the schema.
        groupings: the merged columns, by name; questions about them need these groupings.
        merged: the same columns with the shares that give records their codes back.
        groundwork: the noisy marginals that the groups and the shares were read from.
    """

    domain: Domain
    columns: tuple[NoisyMarginal, ...]
    groupings: Mapping[str, Grouping]
    merged: Mapping[str, MergedColumn]
    groundwork: tuple[NoisyMarginal, ...]


def largest_working_domain(schema: Schema) -> Domain:
    """Return a public bound of the working domain, for decisions that must not wait for noisy counts."""
    return Domain(schema.domain.names, tuple(_most_groups(schema, column) for column in schema.columns))


def measure_working_domain(session: MarginalSession, schema: Schema, mu_squared: Fraction) -> WorkingDomain:
    """Return the working domain, with one noisy marginal per column.

    The sum of expected L1 errors, each proportional to size / sqrt(share), is smallest when shares are proportional to
    size^(2/3).

    Privacy: at most `mu_squared`, in shares that follow from public sizes. A merged column divides its share between
    groundwork and groups.
    """
    parts = [round(1000 * size ** (2 / 3)) for size in largest_working_domain(schema).sizes]
    columns: list[NoisyMarginal] = []
    groundwork: list[NoisyMarginal] = []
    merged: dict[str, MergedColumn] = {}
    with phase("measure columns", len(schema.columns)) as advance:
        for column, part in zip(schema.columns, parts, strict=True):
            share = mu_squared * part / sum(parts)
            match column.merging:
                case KeepCodes():
                    columns.append(session.measure((column.name,), share))
                case DensityTree():
                    *levels, leaves = _measured_tree(session, column, _atoms(schema, column), share)
                    columns.append(leaves)
                    groundwork += levels
                    merged[column.name] = _with_equal_shares(leaves.groupings[column.name])
                case _:
                    codes = session.measure((column.name,), _SHARE_OF_GROUNDWORK * share)
                    groups = _groups_of(column, _atoms(schema, column), codes)
                    columns.append(_measured_groups(session, column, groups, share - _SHARE_OF_GROUNDWORK * share))
                    groundwork.append(codes)
                    merged[column.name] = _with_shares(column, codes, columns[-1], groups)
            advance(1)
    return WorkingDomain(
        domain=Domain(schema.domain.names, tuple(answer.counts.size for answer in columns)),
        columns=tuple(columns),
        groupings={name: answer.groupings[name] for answer in columns for name in answer.groupings},
        merged=merged,
        groundwork=tuple(groundwork),
    )


def _measured_groups(session: MarginalSession, column: Column, groups: Groups, mu_squared: Fraction) -> NoisyMarginal:
    grouping = Grouping(column.name, tuple(groups.tolist()))
    return session.measure((column.name,), mu_squared, groupings={column.name: grouping})


def _measured_tree(session: MarginalSession, column: Column, atoms: Groups, share: Fraction) -> Iterator[NoisyMarginal]:
    """Yield the levels of a tree that grows where rows are dense; the last one has the leaves.

    Privacy: at most `share`. Every level but the last costs one part of the groundwork, the last all that is left.
    """
    groups = first_nodes(atoms)
    levels = max(1, math.ceil(math.log(max(column.size / ROOTS, 1), BRANCHES)))
    spent = Fraction(0)
    for _ in range(levels):
        cost = _SHARE_OF_GROUNDWORK * share / levels
        level = _measured_groups(session, column, groups, cost)
        spent += cost
        yield level
        counts = level.counts.astype(np.float64)
        deeper = split_where_dense(groups, counts, level.stddev, most=LARGEST_UNMERGED)
        if deeper.max() == groups.max():
            break
        groups = deeper
    yield _measured_groups(session, column, groups, share - spent)


def _groups_of(column: Column, atoms: Groups, codes: NoisyMarginal) -> Groups:
    """Return the group of each code, by the column's rule, none of them across `atoms`."""
    counts, rule = codes.counts.astype(np.float64), column.merging
    if isinstance(rule, MergeRare) and not column.is_ordered:
        return merged_where_rare(counts, codes.stddev, atoms, most=LARGEST_UNMERGED)
    groups = np.arange(column.size) + column.size
    free = np.flatnonzero(_alone(column) == 0)
    match rule:
        case MergeRare():
            groups[free] = merged_with_neighbours(counts[free], codes.stddev, atoms[free])
            if groups[free].max() >= LARGEST_UNMERGED:
                groups[free] = equal_mass(counts[free], codes.stddev, LARGEST_UNMERGED, atoms[free])
        case EqualMass(wanted):
            groups[free] = equal_mass(counts[free], codes.stddev, wanted, atoms[free])
        case DeclaredGroups(bins):
            groups[: len(bins)] = bins
    return within_atoms(groups, atoms)


def _with_shares(column: Column, codes: NoisyMarginal, measured: NoisyMarginal, groups: Groups) -> MergedColumn:
    """Return the merged column; the mass of a group is known from its own measurement and from the sum of its codes."""
    counts = codes.counts.astype(np.float64)
    precision = 1.0 / (np.bincount(groups) * codes.stddev**2)
    own = 1.0 / measured.stddev**2
    totals = (np.bincount(groups, weights=counts) * precision + measured.counts * own) / (precision + own)
    shares = shares_within(counts, codes.stddev, groups, totals, ordered=column.is_ordered)
    return MergedColumn(groups, shares)


def _with_equal_shares(grouping: Grouping) -> MergedColumn:
    groups = np.array(grouping.groups)
    return MergedColumn(groups, 1.0 / np.bincount(groups)[groups])


def _alone(column: Column) -> NDArray[np.int64]:
    """Return 0 for codes that may share a group and another number for each spike and each special slot."""
    alone = [code for code in (column.missing_code, column.outside_code) if code is not None]
    if isinstance(column.axis, (NumberAxis, MomentAxis)):
        alone += [code for code, low in enumerate(column.axis.bins.lows) if low in column.axis.bins.spikes]
    numbers = np.zeros(column.size, dtype=np.int64)
    numbers[alone] = np.arange(1, len(alone) + 1)
    return numbers


def _atoms(schema: Schema, column: Column) -> NDArray[np.int64]:
    """Return a number for each code; codes with different numbers never share a group.

    Spikes and special slots stand alone, and so do codes that some rule of the schema tells apart.
    """
    return within_atoms(_alone(column), schema.constraints.atoms(column.name))


def _most_groups(schema: Schema, column: Column) -> int:
    borders = int(np.count_nonzero(np.diff(_atoms(schema, column))))
    most = column.size
    match column.merging:
        case EqualMass(wanted):
            most = wanted
        case DeclaredGroups(groups):
            most = max(groups) + 1
        case MergeRare() | DensityTree():
            most = LARGEST_UNMERGED + 1
    return min(column.size, most + borders)
