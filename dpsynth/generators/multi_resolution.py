"""Coarser versions of fine columns, chosen from released noisy counts: free post-processing.

A pair of fine columns is seldom worth its noise. Each fine column therefore enters the model with a chain of nested
coarser versions, and a generator may measure any pair at any resolution. In the model a coarser version is one more
column that the fine one determines; docs/design/multi_resolution.md has the description and the proof.

Declared constraints are put on the coarsest versions that still tell apart everything that some rule tells apart; see
docs/design/constraints.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator.queries import Grouping, NoisyMarginal
from dpsynth.schema.columns import Column
from dpsynth.schema.domain import Clique, Domain
from dpsynth.schema.schema import Schema
from dpsynth.schema.structural_zeros import StructuralZeros

FINE = 12
"""Columns with more codes than this get coarser versions."""

_WORTH_A_STEP = 0.8
"""A coarser version with more than this share of the next finer one's groups saves too little noise."""


@dataclass(frozen=True, slots=True)
class MultiResolution:
    """A domain in which fine columns stand beside coarser versions of themselves.

    Attributes:
        domain: every column of the schema, each followed by its coarser versions, finest first.
        groupings: the coarser versions, by the names that they have in `domain`, and columns with merged codes.
        impossible: per pair (version, next coarser version) True where the two contradict each other, and per rule of
            the schema True where no record can be.
    """

    domain: Domain
    groupings: Mapping[str, Grouping]
    impossible: Mapping[Clique, NDArray[np.bool_]]

    def column(self, name: str) -> str:
        """Return the column of the schema behind `name`."""
        return self.groupings[name].column if name in self.groupings else name


def multi_resolution(schema: Schema, columns: Sequence[NoisyMarginal], levels: Sequence[int]) -> MultiResolution:
    """Return the chains of nested coarser versions with about `levels` groups.

    Args:
        schema: says which columns are ordered, and what is publicly known.
        columns: one noisy marginal per column, in the order of the schema; over groups where codes are merged.
        levels: wanted numbers of groups, falling.

    Privacy: post-processing of noisy marginals that were charged before.
    """
    merged = {name: coarse for measured in columns for name, coarse in measured.groupings.items()}
    finest = {
        column.name: np.array(merged[column.name].groups) if column.name in merged else np.arange(column.size)
        for column in schema.columns
    }
    working = Domain(schema.domain.names, tuple(measured.counts.size for measured in columns))
    zeros = StructuralZeros(working, schema.constraints.merged(finest))
    joint = _rules_about_several(zeros)
    chains = [
        _Chain(column, measured.counts, joint.atoms(column.name)).with_levels(levels)
        for column, measured in zip(schema.columns, columns, strict=True)
    ]
    names: list[str] = []
    sizes: list[int] = []
    groupings: dict[str, Grouping] = dict(merged)
    impossible: dict[Clique, NDArray[np.bool_]] = {}
    ruled: dict[str, str] = {}
    for chain in chains:
        column = chain.column.name
        names.append(column)
        sizes.append(working.size(column))
        ruled[column] = column
        finer = np.arange(working.size(column))
        for level, groups in chain.versions:
            name = _free_name(schema.domain, f"{column}/{level}")
            groupings[name] = Grouping(column, tuple(groups[finest[column]].tolist()))
            impossible[names[-1], name] = _contradicting(finer, groups)
            names.append(name)
            sizes.append(groupings[name].size)
            finer = groups
            if groups is chain.ruled:
                ruled[column] = name
    impossible.update({clique: mask for clique, mask in zeros.masks.items() if len(clique) == 1})
    by_group = joint.merged({chain.column.name: chain.ruled for chain in chains})
    impossible.update({tuple(ruled[name] for name in clique): mask for clique, mask in by_group.items()})
    return MultiResolution(Domain(tuple(names), tuple(sizes)), groupings, impossible)


class _Chain:
    """The coarser versions of one column.

    Attributes:
        column: the column.
        versions: the number of groups that was asked for and the group of every code, finest first. A code is one of
            the working domain, so it may be a group of codes of the schema.
        ruled: the groups of the version that rules about this column with others are put on; each code by itself where
            that is the column.
    """

    def __init__(self, column: Column, counts: NDArray[np.int64], atoms: NDArray[np.int64]) -> None:
        """Start a chain; `atoms` are the labels of the codes that rules tell apart."""
        self.column = column
        self.versions: list[tuple[int, NDArray[np.int64]]] = []
        self.ruled = np.arange(len(counts))
        self._mass = np.maximum(counts.astype(np.float64), 0.0)
        self._atoms = atoms
        self._groups = self.ruled
        self._settled = not atoms.any()

    def with_levels(self, levels: Sequence[int]) -> _Chain:
        """Return the chain with every version that saves enough, none for a column that is coarse already."""
        if len(self._mass) > FINE:
            for level in (*levels, 0):
                if not self._settled and level <= self._atoms.max() + 1:
                    self._settle()
                if level > 0 and self._saves(level):
                    self._add(level, self._merged(level))
        return self

    def _saves(self, size: int) -> bool:
        return bool(size <= _WORTH_A_STEP * (self._groups.max() + 1))

    def _settle(self) -> None:
        """Let the rules stand on the version that tells apart just what they tell apart, if it saves enough."""
        size = int(self._atoms.max()) + 1
        if self._saves(size):
            self._add(size, self._atoms)
        self.ruled = self._groups
        self._settled = True

    def _add(self, level: int, groups: NDArray[np.int64]) -> None:
        self.versions.append((level, groups))
        self._groups = groups

    def _merged(self, level: int) -> NDArray[np.int64]:
        """Return at most about `level` groups of the present groups, none across the border of a rule before it stands.

        The present groups keep their order, so that merging neighbours makes sense in ordered columns.
        """
        firsts = np.unique(self._groups, return_index=True)[1]
        mass = np.bincount(self._groups, weights=self._mass).astype(np.float64)
        kinds = np.zeros(len(firsts), dtype=np.int64) if self._settled else self._atoms[firsts]
        merge = _equal_mass if self.column.is_ordered else _most_frequent
        return merge(mass, level, kinds)[self._groups]


def _rules_about_several(constraints: StructuralZeros) -> StructuralZeros:
    """Return the rules that tie columns together.

    A code that can never occur is treated there like the one before it, so that it needs no group of its own.
    """
    twins: dict[str, NDArray[np.int64]] = {}
    for name, size in zip(constraints.domain.names, constraints.domain.sizes, strict=True):
        twins[name] = np.arange(size)
        for code in np.flatnonzero(constraints.masks.get((name,), np.zeros(size, dtype=np.bool_))).tolist():
            twins[name][code] = twins[name][max(code - 1, 0)]
    masks = {
        clique: mask[np.ix_(*(twins[name] for name in clique))]
        for clique, mask in constraints.masks.items()
        if len(clique) > 1
    }
    return StructuralZeros(constraints.domain, masks)


def _contradicting(finer: NDArray[np.int64], coarser: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return True for every pair of a finer and a coarser group that have no code in common."""
    apart = np.ones((finer.max() + 1, coarser.max() + 1), dtype=np.bool_)
    apart[finer, coarser] = False
    return apart


def _equal_mass(mass: NDArray[np.float64], level: int, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return contiguous groups of one kind each, at most `level`, of about equal mass; a heavier code stands alone.

    Where kinds change more often than that there are as many groups as changes need.
    """
    borders = np.diff(kinds, prepend=kinds[:1]) != 0
    groups = np.zeros(len(mass), dtype=np.int64)
    left, here, group, ahead = float(mass.sum()), 0.0, 0, int(borders.sum())
    for code, weight in enumerate(mass):
        free = level - 1 - group - ahead
        wanted = left / max(level - group, 1)
        # A new group begins where that brings the sum so far closer to its due than taking this code too would.
        if borders[code] or (here > 0 and free > 0 and here + weight / 2 > wanted):
            left -= here
            here = 0.0
            group += 1
            ahead -= int(borders[code])
        groups[code] = group
        here += weight
    return groups


def _most_frequent(mass: NDArray[np.float64], level: int, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return groups in which the heaviest codes stand alone and the others of each kind are together, in the last."""
    alone = np.sort(np.argsort(-mass, kind="stable")[: level - 1 - kinds.max()])
    groups = len(mass) + kinds
    groups[alone] = alone
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)


def _free_name(domain: Domain, wanted: str) -> str:
    while wanted in domain:
        wanted += "'"
    return wanted
