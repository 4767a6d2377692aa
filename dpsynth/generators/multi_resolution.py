"""Coarser versions of fine columns, chosen from released noisy counts: free post-processing.

A pair of fine columns is seldom worth its noise. Each fine column therefore enters the model with a chain of nested
coarser versions, and a generator may measure any pair at any resolution. In the model a coarser version is one more
column that the fine one determines; docs/design/multi_resolution.md has the description and the proof.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator.queries import Grouping, NoisyMarginal
from dpsynth.schema.domain import Clique, Domain
from dpsynth.schema.schema import Schema

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
        impossible: per pair (version, next coarser version) True where the two contradict each other.
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
    names: list[str] = []
    sizes: list[int] = []
    groupings: dict[str, Grouping] = {}
    impossible: dict[Clique, NDArray[np.bool_]] = {}
    for column, measured in zip(schema.columns, columns, strict=True):
        names.append(column.name)
        sizes.append(measured.counts.size)
        finest = np.arange(column.size)
        if column.name in measured.groupings:
            groupings[column.name] = measured.groupings[column.name]
            finest = np.array(groupings[column.name].groups)
        if measured.counts.size <= FINE:
            continue
        finer_name, finer = column.name, np.arange(measured.counts.size)
        mass = np.maximum(measured.counts.astype(np.float64), 0.0)
        for level in levels:
            if level > _WORTH_A_STEP * sizes[-1]:
                continue
            merge = _equal_mass if column.is_ordered else _most_frequent
            step = merge(np.bincount(finer, weights=mass).astype(np.float64), level)
            name = _free_name(schema.domain, f"{column.name}/{level}")
            groupings[name] = Grouping(column.name, tuple(step[finer][finest].tolist()))
            impossible[finer_name, name] = step[:, None] != np.arange(step.max() + 1)
            names.append(name)
            sizes.append(groupings[name].size)
            finer_name, finer = name, step[finer]
    return MultiResolution(Domain(tuple(names), tuple(sizes)), groupings, impossible)


def _equal_mass(mass: NDArray[np.float64], level: int) -> NDArray[np.int64]:
    """Return contiguous groups, at most `level`, of about equal mass; a code heavier than that stands alone."""
    groups = np.zeros(len(mass), dtype=np.int64)
    left, here, group = float(mass.sum()), 0.0, 0
    for code, weight in enumerate(mass):
        wanted = left / (level - group)
        # A new group begins where that brings the sum so far closer to its due than taking this code too would.
        if here > 0 and group < level - 1 and here + weight / 2 > wanted:
            left -= here
            here = 0.0
            group += 1
        groups[code] = group
        here += weight
    return groups


def _most_frequent(mass: NDArray[np.float64], level: int) -> NDArray[np.int64]:
    """Return groups in which the `level - 1` heaviest codes stand alone and the others are together, in the last."""
    groups = np.full(len(mass), level - 1, dtype=np.int64)
    groups[np.sort(np.argsort(-mass, kind="stable")[: level - 1])] = np.arange(level - 1)
    return groups


def _free_name(domain: Domain, wanted: str) -> str:
    while wanted in domain:
        wanted += "'"
    return wanted
