"""Predicates over records, as ranges of column values: no query language, so a column may have any name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.records import RESOLUTION, Records

Units = NDArray[np.int64]


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
        """Yield the rows that satisfy each predicate, in turn; each search starts from its rarest condition."""
        first, behind = self._spans(predicates)
        rarest = (behind - first).argmin(axis=1) if len(predicates) else np.zeros(0, dtype=np.intp)
        width = predicates.columns.shape[1]
        for columns, low, high, starts, stops, start in zip(
            predicates.columns, predicates.lowest, predicates.highest, first, behind, rarest, strict=True
        ):
            rows = self._order[columns[start], starts[start] : stops[start]]
            for place in range(width):
                if place != start and rows.size:
                    values = self._values[columns[place], rows]
                    rows = rows[(values >= low[place]) & (values <= high[place])]
            yield rows

    def counts(self, predicates: Predicates) -> NDArray[np.intp]:
        """Return how many rows satisfy each predicate, shape (predicates,)."""
        return np.fromiter((found.size for found in self.matches(predicates)), dtype=np.intp, count=len(predicates))

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
