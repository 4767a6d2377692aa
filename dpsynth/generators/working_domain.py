"""The first step that marginal-based generators share: every column measured, codes merged where pairs need it.

A generator works on the *working domain*: the columns of the schema, each with its codes or, where the schema says so
or there are too many of them, with groups of codes. Groups are read off noisy counts of the single codes; pairs are
counted over groups behind the door, at the same sensitivity; records get their codes back by the noisy share of each
code in its group. docs/design/domain_layer.md has the description and the proof.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator.queries import Grouping, MarginalSession, NoisyMarginal
from dpsynth.models.code_groups import Groups, equal_mass, merged_where_rare, merged_with_neighbours, within_atoms
from dpsynth.models.merged_column import MergedColumn, shares_within
from dpsynth.progress import phase
from dpsynth.schema.columns import Column
from dpsynth.schema.domain import Domain
from dpsynth.schema.merging import LARGEST_UNMERGED, EqualMass, KeepCodes, MergeRare
from dpsynth.schema.schema import Schema

_SHARE_OF_SINGLE_CODES = Fraction(1, 2)
"""Part of a merged column's cost that goes to its single codes; the rest measures its groups."""


@dataclass(frozen=True, slots=True)
class WorkingDomain:
    """The columns as a generator models them.

    Attributes:
        domain: the columns of the schema with their numbers of groups, or of codes where nothing is merged.
        columns: the noisy marginal of every column over the working domain, in the order of the schema.
        groupings: the merged columns, by name; questions about them need these groupings.
        merged: the same columns with the shares that give records their codes back.
        single_codes: the noisy marginals that the groups and the shares were read from.
    """

    domain: Domain
    columns: tuple[NoisyMarginal, ...]
    groupings: Mapping[str, Grouping]
    merged: Mapping[str, MergedColumn]
    single_codes: tuple[NoisyMarginal, ...]


def largest_working_domain(schema: Schema) -> Domain:
    """Return a public bound of the working domain, for decisions that must not wait for noisy counts."""
    return Domain(schema.domain.names, tuple(_most_groups(schema, column) for column in schema.columns))


def measure_working_domain(session: MarginalSession, schema: Schema, mu_squared: Fraction) -> WorkingDomain:
    """Return the working domain, with one noisy marginal per column.

    The sum of expected L1 errors, each proportional to size / sqrt(share), is smallest when shares are proportional to
    size^(2/3).

    Privacy: at most `mu_squared`, in shares that follow from public sizes. A merged column divides its share between
    its codes and its groups.
    """
    parts = [round(1000 * size ** (2 / 3)) for size in largest_working_domain(schema).sizes]
    columns: list[NoisyMarginal] = []
    single_codes: list[NoisyMarginal] = []
    merged: dict[str, MergedColumn] = {}
    with phase("measure columns", len(schema.columns)) as advance:
        for column, part in zip(schema.columns, parts, strict=True):
            share = mu_squared * part / sum(parts)
            if isinstance(column.merging, KeepCodes):
                columns.append(session.measure((column.name,), share))
            else:
                codes = session.measure((column.name,), _SHARE_OF_SINGLE_CODES * share)
                groups = _groups_of(column, _atoms(schema, column), codes)
                grouping = {column.name: Grouping(column.name, tuple(groups.tolist()))}
                rest = share - _SHARE_OF_SINGLE_CODES * share
                columns.append(session.measure((column.name,), rest, groupings=grouping))
                merged[column.name] = _with_shares(column, codes, columns[-1], groups)
                single_codes.append(codes)
            advance(1)
    return WorkingDomain(
        domain=Domain(schema.domain.names, tuple(answer.counts.size for answer in columns)),
        columns=tuple(columns),
        groupings={name: answer.groupings[name] for answer in columns for name in answer.groupings},
        merged=merged,
        single_codes=tuple(single_codes),
    )


def _groups_of(column: Column, atoms: NDArray[np.int64], codes: NoisyMarginal) -> Groups:
    """Return the group of each code, by the column's rule, none of them across `atoms`."""
    counts = codes.counts.astype(np.float64)
    match column.merging:
        case EqualMass(wanted):
            counts[column.declared_size :] = (
                0.0  # the special slots have groups of their own and must not use up any mass
            )
            return equal_mass(counts, wanted, atoms)
        case MergeRare() if not column.is_ordered:
            return merged_where_rare(counts, codes.stddev, atoms, most=LARGEST_UNMERGED)
        case MergeRare():
            groups = merged_with_neighbours(counts, codes.stddev, atoms)
            return groups if groups.max() < LARGEST_UNMERGED else equal_mass(counts, LARGEST_UNMERGED, atoms)
        case KeepCodes():
            return np.arange(column.size)


def _with_shares(column: Column, codes: NoisyMarginal, measured: NoisyMarginal, groups: Groups) -> MergedColumn:
    """Return the merged column; the mass of a group is known from its own measurement and from the sum of its codes."""
    counts = codes.counts.astype(np.float64)
    precision = 1.0 / (np.bincount(groups) * codes.stddev**2)
    own = 1.0 / measured.stddev**2
    totals = (np.bincount(groups, weights=counts) * precision + measured.counts * own) / (precision + own)
    shares = shares_within(counts, codes.stddev, groups, totals, ordered=column.is_ordered)
    return MergedColumn(groups, shares)


def _atoms(schema: Schema, column: Column) -> NDArray[np.int64]:
    """Return a number for each code; codes with different numbers never share a group.

    These are the special slots, and codes that some rule of the schema tells apart.
    """
    slots = np.maximum(np.arange(column.size) - column.declared_size + 1, 0)
    return within_atoms(slots, schema.constraints.atoms(column.name))


def _most_groups(schema: Schema, column: Column) -> int:
    borders = int(np.count_nonzero(np.diff(_atoms(schema, column))))
    match column.merging:
        case EqualMass(wanted):
            return min(column.size, wanted + borders)
        case MergeRare():
            return min(column.size, LARGEST_UNMERGED + 1 + borders)
        case KeepCodes():
            return column.size
