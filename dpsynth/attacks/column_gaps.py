"""Exact distances column by column, in small blocks, so that any group of columns can be summed at once.

An attack on many groups of columns pays for each column once. Gaps are integers, in units of the resolution of
positions: sums over columns are exact in any order, and what a column contributes can be taken away again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.distance import in_threads
from dpsynth.attacks.records import RESOLUTION, Records, require_same_columns

Gaps = NDArray[np.int32]

_BLOCK_CELLS = 2**16
"""Targets times others in one block: the gaps of fifteen columns take four megabytes."""

_TABLE_CELLS = 2**20
"""The gaps from all levels of a column to the others are kept if there are no more than these: four megabytes."""

_TARGETS_PER_JOB = 128


class ColumnGaps:
    """The gaps between the rows of two tables, one table of gaps per column.

    Args:
        targets: records that ask.
        others: records that are searched, all of them.

    Raises:
        InvalidInput: if the two tables have different columns.
    """

    def __init__(self, targets: Records, others: Records) -> None:
        require_same_columns(targets, others)
        self._rows = len(targets)
        self._others = _in_units(others)
        self._columns = [
            _Column(own, their, ordered=bool(ordered))
            for own, their, ordered in zip(_in_units(targets), self._others, targets.ordered, strict=True)
        ]

    def of(self, rows: slice) -> Gaps:
        """Return the gaps from some targets to all others, shape (columns, targets, others), in units."""
        asked = len(range(*rows.indices(self._rows)))
        gaps = np.empty((len(self._columns), asked, self._others.shape[1]), dtype=np.int32)
        for gap, column in zip(gaps, self._columns, strict=True):
            column.write(rows, gap)
        return gaps

    def for_each_block(self, work: Callable[[slice, Gaps], None]) -> None:
        """Call `work(rows, gaps)` once for each block of targets, from several threads.

        Args:
            work: may write into the gaps.
        """
        step = max(1, _BLOCK_CELLS // max(1, self._others.shape[1]))

        def search(job: slice) -> None:
            for start in range(job.start, job.stop, step):
                rows = slice(start, min(start + step, job.stop))
                work(rows, self.of(rows))

        in_threads(search, self._rows, step=_TARGETS_PER_JOB)


class _Column:
    """The gaps of one column: looked up by level where few levels occur among the targets, else computed."""

    def __init__(self, own: Gaps, their: Gaps, *, ordered: bool) -> None:
        levels, self._level_of = np.unique(own, return_inverse=True)
        self._own, self._their, self._ordered = own, their, ordered
        self._by_level: Gaps | None = None
        if levels.size * their.size <= _TABLE_CELLS:
            self._by_level = np.empty((levels.size, their.size), dtype=np.int32)
            self._compute(levels, self._by_level)

    def write(self, rows: slice, gap: Gaps) -> None:
        """Write the gaps from some targets, shape (targets, others)."""
        if self._by_level is None:
            self._compute(self._own[rows], gap)
        else:
            # Every place exists; without a mode numpy would take the result through a buffer to make sure.
            np.take(self._by_level, self._level_of[rows], axis=0, out=gap, mode="clip")

    def _compute(self, own: Gaps, gap: Gaps) -> None:
        if self._ordered:
            np.subtract(own[:, None], self._their[None, :], out=gap)
            np.abs(gap, out=gap)
            np.minimum(gap, RESOLUTION, out=gap)
        else:
            np.multiply(own[:, None] != self._their[None, :], RESOLUTION, out=gap, dtype=np.int32)


def _in_units(records: Records) -> Gaps:
    """Return the table column by column, shape (columns, rows), positions in units."""
    scale = np.where(records.ordered, RESOLUTION, 1)
    return np.ascontiguousarray(np.round(records.values * scale).T).astype(np.int32)
