"""Exact nearest neighbours under Gower's distance, in blocks of bounded memory.

The distance of two records is the mean over columns of min(|x - y|, 1) for ordered and [x != y] for unordered columns.
It is computed against every row: a subsampled training or reference table would find neighbours that are too far away
and make a leak look safe. Memory does not grow with the product of the two tables.

Source: J. C. Gower, A general coefficient of similarity and some of its properties, Biometrics 27 (1971), section 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.records import Records, require_same_columns

_BLOCK_TARGETS = 32
_BLOCK_OTHERS = 4096
"""One block of float32 distances is half a megabyte: it stays in the processor's cache."""

_EXACT_COLUMNS = 255
"""float32 sums of up to this many multiples of 2**-16 are exact."""

_Remembered = dict[tuple[int, int, int], tuple[Records, Records, NDArray[np.float64]]]
_MEMORY: ContextVar[_Remembered | None] = ContextVar("dpsynth_remembered_distances", default=None)


@contextmanager
def remembered_distances() -> Iterator[None]:
    """Compute each pair of tables once inside this context, however many attacks ask for it."""
    token = _MEMORY.set({})
    try:
        yield
    finally:
        _MEMORY.reset(token)


def nearest_distances(targets: Records, others: Records, *, neighbours: int = 1) -> NDArray[np.float64]:
    """Return Gower's distances from each target to its nearest rows of `others`, ascending.

    Args:
        targets: records that ask.
        others: records that are searched, all of them.
        neighbours: how many.

    Returns:
        shape (targets, neighbours), each between 0 and 1; 1 stands for neighbours that do not exist.

    Raises:
        InvalidInput: if the two tables have different columns.
    """
    return nearest_totals(targets, others, neighbours=neighbours) / targets.width


def nearest_totals(targets: Records, others: Records, *, neighbours: int = 1) -> NDArray[np.float64]:
    """Return the same distances as sums over columns, in column ranges.

    Sums and their differences are exact multiples of the resolution, so equal distances are equal numbers whatever the
    order of the columns, and columns without information do not count.

    Args:
        targets: records that ask.
        others: records that are searched, all of them.
        neighbours: how many.

    Returns:
        shape (targets, neighbours), read-only, each between 0 and the number of columns, which also stands for
        neighbours that do not exist.

    Raises:
        InvalidInput: if the two tables have different columns.
    """
    require_same_columns(targets, others)
    memory = _MEMORY.get()
    if memory is None:
        return _search(targets, others, neighbours)
    key = (id(targets), id(others), neighbours)
    if key not in memory:
        # The tables are kept too: while they live, no other table can have their id.
        memory[key] = (targets, others, _search(targets, others, neighbours))
    return memory[key][2]


@dataclass(frozen=True, slots=True)
class _Coded:
    """One table laid out column by column: codes, shape (unordered, rows), and positions, shape (ordered, rows)."""

    codes: NDArray[np.unsignedinteger]
    positions: NDArray[np.floating]


class _Block:
    """Buffers for the distances of one block of targets to one block of others."""

    def __init__(self, columns: int) -> None:
        shape = (_BLOCK_TARGETS, _BLOCK_OTHERS)
        exact_in_single = columns <= _EXACT_COLUMNS
        self.floating: type[np.float32] | type[np.float64] = np.float32 if exact_in_single else np.float64
        self._sum = np.empty(shape, dtype=self.floating)
        self._difference = np.empty(shape, dtype=self.floating)
        self._unequal = np.empty(shape, dtype=np.bool_)
        self._count = np.empty(shape, dtype=np.uint8 if exact_in_single else np.uint32)

    def distances(self, targets: _Coded, others: _Coded, rows: slice, columns: slice) -> NDArray[np.floating]:
        """Return the summed distances of one block; the result is overwritten by the next call."""
        window = (slice(rows.stop - rows.start), slice(columns.stop - columns.start))
        total, difference = self._sum[window], self._difference[window]
        unequal, count = self._unequal[window], self._count[window]
        count[...] = 0
        for own_codes, their_codes in zip(targets.codes, others.codes, strict=True):
            np.not_equal(own_codes[rows, None], their_codes[None, columns], out=unequal)
            np.add(count, unequal, out=count, casting="unsafe")
        total[...] = count
        for own, their in zip(targets.positions, others.positions, strict=True):
            np.subtract(own[rows, None], their[None, columns], out=difference)
            np.abs(difference, out=difference)
            np.minimum(difference, 1, out=difference)
            np.add(total, difference, out=total)
        return total


def _search(targets: Records, others: Records, neighbours: int) -> NDArray[np.float64]:
    block = _Block(targets.width)
    largest_code = max(_largest_code(targets), _largest_code(others))
    coded_targets = _coded(targets, largest_code, block.floating)
    coded_others = _coded(others, largest_code, block.floating)
    nearest = np.full((len(targets), neighbours), targets.width, dtype=block.floating)
    for rows in _slices(len(targets), _BLOCK_TARGETS):
        found = nearest[rows]
        for columns in _slices(len(others), _BLOCK_OTHERS):
            _keep_smallest(found, block.distances(coded_targets, coded_others, rows, columns))
    result = nearest.astype(np.float64)
    result.setflags(write=False)
    return result


def _keep_smallest(found: NDArray[np.floating], distances: NDArray[np.floating]) -> None:
    """Update `found`, shape (targets, neighbours), in place."""
    neighbours = found.shape[1]
    if neighbours == 1:
        np.minimum(found, distances.min(axis=1, keepdims=True), out=found)
        return
    if distances.shape[1] > neighbours:
        distances = np.partition(distances, neighbours - 1, axis=1)[:, :neighbours]
    found[...] = np.sort(np.concatenate([found, distances], axis=1), axis=1)[:, :neighbours]


def _largest_code(records: Records) -> int:
    codes = records.values[:, ~records.ordered]
    return int(codes.max()) if codes.size else 0


def _coded(records: Records, largest_code: int, floating: type[np.floating]) -> _Coded:
    return _Coded(
        codes=np.ascontiguousarray(records.values[:, ~records.ordered].T).astype(np.min_scalar_type(largest_code)),
        positions=np.ascontiguousarray(records.values[:, records.ordered].T).astype(floating),
    )


def _slices(length: int, step: int) -> Iterator[slice]:
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))
