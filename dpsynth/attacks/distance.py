"""Exact nearest neighbours under Gower's distance, in blocks of bounded memory.

The distance of two records is the mean over columns of min(|x - y|, 1) for ordered and [x != y] for unordered columns.
It is computed against every row: a subsampled training or reference table would find neighbours that are too far away
and make a leak look safe. Memory does not grow with the product of the two tables. Blocks of targets are searched in
threads: numpy holds no lock while it works on a block.

Source: J. C. Gower, A general coefficient of similarity and some of its properties, Biometrics 27 (1971), section 2.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.records import Records, require_same_columns

_BLOCK_TARGETS = 32
_BLOCK_OTHERS = 4096
"""One block of float32 distances is half a megabyte: it stays in the processor's cache."""

_TARGETS_PER_JOB = 1024

OFFSET = 1 / 64
"""Keeps the logarithm of a zero distance finite: a difference of one sixty-fourth of one column's range."""

_EXACT_COLUMNS = 255
"""float32 sums of up to this many multiples of 2**-16 are exact."""

_REMEMBERED_NEIGHBOURS = 20
"""Searched at once where distances are remembered: the next attack asks for more of them."""

_Remembered = dict[tuple[int, int], tuple[Records, Records, NDArray[np.float64]]]
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
    key = (id(targets), id(others))
    if key not in memory or memory[key][2].shape[1] < neighbours:
        # The tables are kept too: while they live, no other table can have their id.
        memory[key] = (targets, others, _search(targets, others, max(neighbours, _REMEMBERED_NEIGHBOURS)))
    return memory[key][2][:, :neighbours]


def counts_within(targets: Records, others: Records, *, total: float) -> NDArray[np.int64]:
    """Return how many rows of `others` are at most `total` column ranges away from each target, shape (targets,).

    Raises:
        InvalidInput: if the two tables have different columns.
    """
    require_same_columns(targets, others)
    counts = np.zeros(len(targets), dtype=np.int64)

    def count(rows: slice, distances: NDArray[np.floating]) -> None:
        counts[rows] += np.count_nonzero(distances <= total, axis=1)

    _for_each_block(targets, others, count)
    return counts


def in_threads(work: Callable[[slice], None], rows: int, *, step: int) -> None:
    """Call `work` once for each of the slices of at most `step` rows, on all processors.

    No progress is shown: the number of slices would say how many rows there are.

    Threads help where the work is done by numpy on large arrays. The slices must not write to the same places.

    Args:
        work: called with a slice; runs in some thread.
        rows: how many rows there are.
        step: rows in one slice.
    """
    jobs = list(_slices(rows, step))
    with ThreadPoolExecutor(processors()) as pool:
        for done in as_completed([pool.submit(work, job) for job in jobs]):
            done.result()


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class _Coded:
    """One table laid out column by column: codes, shape (unordered, rows), and positions, shape (ordered, rows)."""

    codes: NDArray[np.unsignedinteger]
    positions: NDArray[np.floating]


class _Block:
    """Buffers for the distances of one block of targets to one block of others."""

    def __init__(self, floating: type[np.floating], capped: list[bool]) -> None:
        shape = (_BLOCK_TARGETS, _BLOCK_OTHERS)
        self._sum = np.empty(shape, dtype=floating)
        self._difference = np.empty(shape, dtype=floating)
        self._ones = np.ones(shape, dtype=floating)
        self._unequal = np.empty(shape, dtype=np.bool_)
        self._count = np.empty(shape, dtype=np.uint8 if floating is np.float32 else np.uint32)
        self._capped = capped

    def distances(self, targets: _Coded, others: _Coded, rows: slice, columns: slice) -> NDArray[np.floating]:
        """Return the summed distances of one block; the result is overwritten by the next call."""
        window = (slice(rows.stop - rows.start), slice(columns.stop - columns.start))
        total, difference, ones = self._sum[window], self._difference[window], self._ones[window]
        unequal, count = self._unequal[window], self._count[window]
        count[...] = 0
        for own_codes, their_codes in zip(targets.codes, others.codes, strict=True):
            np.not_equal(own_codes[rows, None], their_codes[None, columns], out=unequal)
            np.add(count, unequal.view(np.uint8), out=count)
        total[...] = count
        for own, their, capped in zip(targets.positions, others.positions, self._capped, strict=True):
            np.subtract(own[rows, None], their[None, columns], out=difference)
            np.abs(difference, out=difference)
            if capped:
                # Against an array of ones, not the number: only that loop of numpy uses the processor's vectors.
                np.minimum(difference, ones, out=difference)
            np.add(total, difference, out=total)
        return total


def _search(targets: Records, others: Records, neighbours: int) -> NDArray[np.float64]:
    nearest = np.full((len(targets), neighbours), np.inf, dtype=_floating(targets))

    def keep(rows: slice, distances: NDArray[np.floating]) -> None:
        nearest[rows] = _smallest(nearest[rows], distances)

    _for_each_block(targets, others, keep)
    result = np.minimum(nearest, targets.width).astype(np.float64)
    result.setflags(write=False)
    return result


def _for_each_block(targets: Records, others: Records, use: Callable[[slice, NDArray[np.floating]], None]) -> None:
    """Call `use(rows, distances)`, from several threads, for blocks of distances, shape (rows, some others)."""
    largest_code = max(_largest_code(targets), _largest_code(others))
    coded_targets = _coded(targets, largest_code)
    coded_others = _coded(others, largest_code)
    # Only special slots are more than one range away from anything.
    both = zip(coded_targets.positions, coded_others.positions, strict=True)
    capped = [np.ptp(np.append(own, their)) > 1 if own.size + their.size else False for own, their in both]

    def search(job: slice) -> None:
        block = _Block(_floating(targets), capped)
        for start in range(job.start, job.stop, _BLOCK_TARGETS):
            rows = slice(start, min(start + _BLOCK_TARGETS, job.stop))
            for columns in _slices(len(others), _BLOCK_OTHERS):
                use(rows, block.distances(coded_targets, coded_others, rows, columns))

    in_threads(search, len(targets), step=_TARGETS_PER_JOB)


def _smallest(found: NDArray[np.floating], distances: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the smallest of those found, shape (targets, neighbours), ascending, and of new distances."""
    neighbours = found.shape[1]
    if neighbours == 1:
        nearest: NDArray[np.floating] = np.minimum(found, distances.min(axis=1, keepdims=True))
        return nearest
    bound = found[:, -1]
    if not np.isfinite(bound).all():
        bound = np.minimum(bound, _reached(distances, neighbours))
    # Few distances are below the bound. The bound itself is reached as often as needed, so it fills the empty places.
    places = np.flatnonzero(distances < bound[:, None])
    rows = places // distances.shape[1]
    counts = np.bincount(rows, minlength=len(found))
    candidates = np.repeat(bound[:, None], max(int(counts.max()), neighbours), axis=1)
    candidates[rows, np.arange(rows.size) - (np.cumsum(counts) - counts)[rows]] = distances.reshape(-1)[places]
    merged: NDArray[np.floating] = np.sort(np.concatenate([found, candidates], axis=1), axis=1)
    return merged[:, :neighbours]


def _reached(distances: NDArray[np.floating], neighbours: int) -> NDArray[np.floating]:
    """Return a distance per target that at least `neighbours` of the distances do not exceed, shape (targets,).

    The smallest distances of disjoint groups of columns are that many distances; there are fewer of them to sort.
    """
    targets, columns = distances.shape
    if columns < neighbours:
        return np.full(targets, np.inf, dtype=distances.dtype)
    depth = max(1, min(16, columns // (4 * neighbours)))
    groups = columns // depth
    smallest = distances[:, : depth * groups].reshape(targets, depth, groups).min(axis=1)
    reached: NDArray[np.floating] = np.partition(smallest, neighbours - 1, axis=1)[:, neighbours - 1]
    return reached


def _floating(records: Records) -> type[np.floating]:
    return np.float32 if records.width <= _EXACT_COLUMNS else np.float64


def _largest_code(records: Records) -> int:
    codes = records.values[:, ~records.ordered]
    return int(codes.max()) if codes.size else 0


def _coded(records: Records, largest_code: int) -> _Coded:
    codes = np.ascontiguousarray(records.values[:, ~records.ordered].T)
    positions = np.ascontiguousarray(records.values[:, records.ordered].T)
    return _Coded(codes.astype(np.min_scalar_type(largest_code)), positions.astype(_floating(records)))


def _slices(length: int, step: int) -> Iterator[slice]:
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))
