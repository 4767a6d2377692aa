"""How far rows are from the nearest rows of a table, in whole numbers: all of them, or those that are near.

The distance of two rows is the sum over columns of `min(|place - place|, reach)`. Rows that are near agree in some of
the columns, so whoever looks for those alone sorts, and need not compare everything with everything; the numbers are
the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Places: TypeAlias = Sequence[NDArray[np.int32]]
"""One array of places per column, shape (rows,), below 2**30 in absolute value."""

_ROWS_AT_ONCE, _OTHERS_AT_ONCE = 64, 4096
_PAIRS_AT_ONCE = 1_000_000
_WORTH_SORTING = 1 / 8
"""With a larger share of pairs than this to be looked at, comparing all of them is as fast."""


def nearest(rows: Places, others: Places, reach: int, *, skip_equal_index: bool = False) -> NDArray[np.int64]:
    """Return the distance of each row to the nearest of the others, shape (rows,); `reach` everywhere without any.

    With `skip_equal_index` row i is not compared with row i of the others. Blocks fit the processor's cache and are
    searched in threads.
    """
    length, width, farthest = len(rows[0]), len(others[0]), reach * len(rows)
    found = np.full(length, farthest, dtype=np.int64)

    def search(start: int) -> None:
        here = slice(start, min(start + _ROWS_AT_ONCE, length))
        for first in range(0, width, _OTHERS_AT_ONCE):
            there = slice(first, min(first + _OTHERS_AT_ONCE, width))
            total = np.zeros((here.stop - start, there.stop - first), dtype=np.int32)
            difference = np.empty_like(total)
            for own, their in zip(rows, others, strict=True):
                np.subtract(own[here, None], their[None, there], out=difference)
                np.abs(difference, out=difference)
                total += np.minimum(difference, reach, out=difference)
            if skip_equal_index:
                same = np.arange(max(start, first), min(here.stop, there.stop))
                total[same - start, same - first] = farthest
            np.minimum(found[here], total.min(axis=1), out=found[here])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(search, range(0, length, _ROWS_AT_ONCE)))
    return found


def nearest_within(rows: Places, others: Places, scales: Places, reach: int, near: int) -> NDArray[np.int64]:
    """Return the distances of `nearest` where they are at most `near`, and larger numbers elsewhere, shape (rows,).

    The columns are dealt into one part more than `near` holds reaches. If the sum over all columns is at most `near`,
    then in some part it is at most `near` over the number of parts, which is below `reach`; so no two places of that
    part are further apart than that. `docs/design/record_gate.md` says more.

    Args:
        rows: the places of the rows that ask.
        others: the places of the rows that are searched.
        scales: every place that a column can have.
        reach: the difference at which two cells are as different as can be.
        near: how far is near.
    """
    count = near // reach + 1
    parts = [_Part.of(others, scales, columns, near // count) for columns in _dealt(others, count)]
    # What is worth it depends on the table alone.
    if not parts or sum(part.pairs for part in parts) > _WORTH_SORTING * len(others[0]) ** 2:
        return nearest(rows, others, reach)
    found = np.full(len(rows[0]), reach * len(rows) + near + 1, dtype=np.int64)
    for part in parts:
        for asking, pairs, candidates in part.candidates(rows):
            total = np.zeros(len(pairs), dtype=np.int64)
            for own, their in zip(rows, others, strict=True):
                total += np.minimum(np.abs(own[pairs] - their[candidates]), reach)
            starts = np.flatnonzero(np.diff(pairs, prepend=-1))
            found[asking] = np.minimum(found[asking], np.minimum.reduceat(total, starts))
    return found


def _dealt(others: Places, count: int) -> list[list[int]]:
    """Return the columns in so many parts, those of many places spread over them; no part where there are too few."""
    if count > len(others) or not len(others[0]):
        return []
    varied = sorted(range(len(others)), key=lambda column: -len(np.unique(others[column])))
    return [varied[start::count] for start in range(count)]


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Some columns, in which two places that are not more than `apart` from each other are near.

    Attributes:
        exact: the columns whose places are equal where they are near.
        sorted_by: a further column, or none.
    """

    others: Places
    scales: Places
    exact: list[int]
    sorted_by: list[int]
    apart: int

    @classmethod
    def of(cls, others: Places, scales: Places, columns: list[int], apart: int) -> _Part:
        """Return the part; of the columns that are not exact, the one of most places is sorted by."""
        gaps = {column: np.diff(np.unique(scales[column])).min(initial=apart + 1) for column in columns}
        return cls(
            others,
            scales,
            [column for column in columns if gaps[column] > apart],
            [column for column in columns if gaps[column] <= apart][:1],
            apart,
        )

    @property
    def pairs(self) -> int:
        """How many pairs of others would have to be looked at."""
        first, behind, _ = self._ranges(self.others)
        return int((behind - first).sum())

    def candidates(self, rows: Places) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]]:
        """Yield some rows that have candidates, and all pairs of such a row and a candidate, in order of rows."""
        first, behind, order = self._ranges(rows)
        counts = behind - first
        asking = np.flatnonzero(counts)
        ends = np.cumsum(counts[asking])
        cuts = np.searchsorted(ends, np.arange(_PAIRS_AT_ONCE, int(ends[-1]) if ends.size else 0, _PAIRS_AT_ONCE))
        for some in np.split(asking, np.unique(cuts)):
            if some.size:
                pairs = np.repeat(some, counts[some])
                skipped = np.cumsum(counts[some]) - counts[some]
                places = np.arange(len(pairs)) + np.repeat(first[some] - skipped, counts[some])
                yield some, pairs, order[places]

    def _ranges(self, rows: Places) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Return for each row the first candidate and the place behind the last, in an order of the others."""
        length = len(rows[0])
        keys = np.zeros(length + len(self.others[0]), dtype=np.int64)
        for column in self.exact:
            # Numbers of different combinations are below 2**31, places below 2**30: nothing overflows.
            keys = self._numbered(keys, rows, column)
            keys = np.unique(keys, return_inverse=True)[1].reshape(-1)
        for column in self.sorted_by:
            keys = self._numbered(keys, rows, column)
        order = np.argsort(keys[length:], kind="stable")
        in_order, apart = keys[length:][order], self.apart if self.sorted_by else 0
        first = np.searchsorted(in_order, keys[:length] - apart, side="left")
        return first, np.searchsorted(in_order, keys[:length] + apart, side="right"), order

    def _numbered(self, keys: NDArray[np.int64], rows: Places, column: int) -> NDArray[np.int64]:
        """Return numbers that are equal where key and place are, and in one key as far apart as places."""
        scale = self.scales[column]
        places = np.concatenate([rows[column], self.others[column]]).astype(np.int64) - int(scale.min())
        return keys * (int(np.ptp(scale)) + self.apart + 1) + places
