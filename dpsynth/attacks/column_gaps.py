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
        self._ordered = targets.ordered
        self._targets, self._others = _in_units(targets), _in_units(others)

    def of(self, rows: slice) -> Gaps:
        """Return the gaps from some targets to all others, shape (columns, targets, others), in units."""
        targets = self._targets[:, rows]
        gaps = np.empty((len(targets), targets.shape[1], self._others.shape[1]), dtype=np.int32)
        for gap, own, their, ordered in zip(gaps, targets, self._others, self._ordered, strict=True):
            if ordered:
                np.subtract(own[:, None], their[None, :], out=gap)
                np.abs(gap, out=gap)
                np.minimum(gap, RESOLUTION, out=gap)
            else:
                np.multiply(own[:, None] != their[None, :], RESOLUTION, out=gap, dtype=np.int32)
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

        in_threads(search, self._targets.shape[1], step=_TARGETS_PER_JOB)


def _in_units(records: Records) -> Gaps:
    """Return the table column by column, shape (columns, rows), positions in units."""
    scale = np.where(records.ordered, RESOLUTION, 1)
    return np.ascontiguousarray(np.round(records.values * scale).T).astype(np.int32)
