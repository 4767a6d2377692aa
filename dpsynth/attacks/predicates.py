"""Predicates over records, as ranges of column values: no query language, so a column may have any name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.records import RESOLUTION, Records

Units = NDArray[np.int64]

_BLOCK_CANDIDATES = 2**17
"""Rows that are looked at together, if no single condition is met by more."""


@dataclass(frozen=True, slots=True, eq=False)
class Predicates:
    """Conjunctions of equally many ranges.

    Attributes:
        columns: shape (predicates, width), the columns of each, all different.
        lowest: shape (predicates, width), smallest value that satisfies the condition, in units of the resolution.
        highest: the same, largest value.
    """

    columns: NDArray[np.intp]
    lowest: Units
    highest: Units

    def __len__(self) -> int:
        """Return the number of predicates."""
        return int(self.columns.shape[0])

    def take(self, which: NDArray[np.intp]) -> Predicates:
        """Return some of them, in that order."""
        return Predicates(self.columns[which], self.lowest[which], self.highest[which])

    def without_repetition(self) -> Predicates:
        """Return each different predicate once, in an order of their own."""
        if not len(self):
            return self
        order = self.columns.argsort(axis=1)
        parts = [np.take_along_axis(part, order, axis=1) for part in (self.columns, self.lowest, self.highest)]
        _, first = np.unique(np.concatenate(parts, axis=1), axis=0, return_index=True)
        return Predicates(*(part[first] for part in parts))


class SortedColumns:
    """A table whose rows are found by value.

    Args:
        records: the table.
    """

    def __init__(self, records: Records) -> None:
        self._values = in_units(records)
        self._order = np.argsort(self._values, axis=1, kind="stable")
        self._sorted = np.take_along_axis(self._values, self._order, axis=1)

    def matches(self, predicates: Predicates) -> Iterator[NDArray[np.intp]]:
        """Yield the rows that satisfy each predicate, in turn."""
        for rows, counts in self._blocks(predicates):
            yield from np.split(rows, np.cumsum(counts)[:-1])

    def counts(self, predicates: Predicates) -> NDArray[np.intp]:
        """Return how many rows satisfy each predicate, shape (predicates,)."""
        found = [counts for _, counts in self._blocks(predicates)]
        return np.concatenate(found) if found else np.zeros(0, dtype=np.intp)

    def _blocks(self, predicates: Predicates) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield, for some predicates at a time, the rows that satisfy them one after the other, and how many do.

        The search starts from the rarest condition of each predicate and goes on with the next rarest.
        """
        first, behind = self._spans(predicates)
        by_rarity = np.argsort(behind - first, axis=1, kind="stable")
        columns, low, high, first, behind = (
            np.take_along_axis(part, by_rarity, axis=1)
            for part in (predicates.columns, predicates.lowest, predicates.highest, first, behind)
        )
        start, length = first[:, 0], (behind - first)[:, 0]
        block = np.cumsum(length) // _BLOCK_CANDIDATES
        for which in np.split(np.arange(len(predicates)), np.flatnonzero(np.diff(block)) + 1):
            if not which.size:
                continue
            asked = np.repeat(which, length[which])
            passed = np.repeat(np.cumsum(length[which]) - length[which], length[which])
            rows = self._order[columns[asked, 0], start[asked] + np.arange(asked.size) - passed]
            for place in range(1, columns.shape[1]):
                values = self._values[columns[asked, place], rows]
                fits = (values >= low[asked, place]) & (values <= high[asked, place])
                asked, rows = asked[fits], rows[fits]
            yield rows, np.bincount(asked - which[0], minlength=which.size)

    def _spans(self, predicates: Predicates) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return where the range of each condition begins and ends in its sorted column."""
        first = np.zeros(predicates.columns.shape, dtype=np.intp)
        behind = np.zeros(predicates.columns.shape, dtype=np.intp)
        for column, values in enumerate(self._sorted):
            asked = predicates.columns == column
            first[asked] = np.searchsorted(values, predicates.lowest[asked], side="left")
            behind[asked] = np.searchsorted(values, predicates.highest[asked], side="right")
        return first, np.maximum(first, behind)


def in_units(records: Records) -> Units:
    """Return the table column by column, shape (columns, rows): codes, and positions in units of the resolution."""
    scale = np.where(records.ordered, RESOLUTION, 1)
    return np.ascontiguousarray(np.round(records.values * scale).T).astype(np.int64)
