"""Records from a calibrated tree, with far less sampling error than independent draws.

Columns are drawn node by node from the root, conditioning on the separators of the *junction tree*; conditioning on
measured cliques instead gives records that fit neither the model nor the data as soon as the measured graph has a
cycle. In each group of records that agree on the separator, the counts of the residual's cells are the expected counts
rounded down or up (never two away), unbiased, and then dealt to the group's records in random order.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput
from dpsynth.models.calibrated_tree import CalibratedTree
from dpsynth.models.factor import Floats

_BLOCK_CELLS = 4_000_000  # expected counts are rounded in blocks of about this many cells, to bound memory


def sample_records(calibrated: CalibratedTree, rows: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return `rows` records, shape (rows, columns), int32 codes, in random order.

    The expected total variation distance between the records' marginal over k cells and the model's is at most
    0.5 * sqrt(k / rows), the figure of independent draws; for cliques inside a tree node it is far smaller.

    Args:
        calibrated: the distribution.
        rows: how many; 0 gives an empty table.
        rng: public randomness.

    Raises:
        InvalidInput: `rows` is negative.

    Privacy: post-processing; nothing is charged.
    """
    if rows < 0:
        raise InvalidInput("the number of rows must not be negative")
    domain = calibrated.tree.domain
    records = np.zeros((rows, len(domain)), dtype=np.int32)
    if rows == 0:
        return records
    for node, conditional in zip(calibrated.tree.nodes, calibrated.conditionals, strict=True):
        shape = domain.shape(node.residual)
        given = np.zeros(rows, dtype=np.int64)
        for name in node.separator:
            given = given * domain.size(name) + records[:, domain.position(name)]
        table = conditional.reshape(domain.cells(node.separator), -1)
        drawn = _dealt(given, table, rng)
        for name, codes in zip(node.residual, np.unravel_index(drawn, shape), strict=True):
            records[:, domain.position(name)] = codes
    return records


def rounded_counts(expected: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return whole counts next to `expected`, row by row: unbiased, and with each row's total kept.

    Each cell is its expected count rounded down or up. Which cells of a row are rounded up is decided by systematic
    sampling over the row's cells in random order: one uniform number per row, inclusion probability equal to the
    fractional part, and a fresh order per row, so that neighbouring cells or rows are not tied to each other.

    Args:
        expected: float array of shape (rows, cells), not negative; every row sums to a whole number.
        rng: public randomness.

    Source: Madow (1949), systematic sampling with unequal probabilities.
    """
    counts = np.floor(expected)
    fraction = expected - counts
    missing = np.rint(fraction.sum(axis=1))
    order = np.argsort(rng.random(expected.shape, dtype=np.float32), axis=1)
    reached = np.cumsum(np.take_along_axis(fraction, order, axis=1), axis=1)
    np.minimum(reached, missing[:, None], out=reached)
    crossed = np.floor(reached + rng.random(len(expected))[:, None])
    rounded_up = np.diff(crossed, axis=1, prepend=0.0)
    # Rounding of the cumulative sum may lose one unit; it goes where it is least wrong, never to an impossible cell.
    short = missing - rounded_up.sum(axis=1)
    added = np.zeros_like(rounded_up)
    np.put_along_axis(added, order, rounded_up, axis=1)
    added[np.arange(len(expected)), np.argmax(expected, axis=1)] += short
    return (counts + added).astype(np.int64)


def _dealt(given: NDArray[np.int64], table: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return for each record a cell of its row of `table`, dealt so that each group's counts are rounded counts."""
    order = rng.permutation(len(given))
    if len(table) > 1:
        order = order[np.argsort(_narrow(given[order], len(table)), kind="stable")]
    groups, sizes = np.unique(given, return_counts=True)
    drawn = np.empty(len(given), dtype=np.int64)
    start = 0
    for block in _blocks(len(groups), table.shape[1]):
        counts = rounded_counts(sizes[block, None] * table[groups[block]], rng)
        dealt = np.repeat(np.tile(np.arange(table.shape[1]), len(counts)), counts.ravel())
        drawn[order[start : start + len(dealt)]] = dealt
        start += len(dealt)
    return drawn


def _blocks(groups: int, cells: int) -> Iterator[slice]:
    height = max(1, _BLOCK_CELLS // cells)
    return (slice(start, start + height) for start in range(0, groups, height))


def _narrow(codes: NDArray[np.int64], size: int) -> NDArray[np.int64] | NDArray[np.uint16]:
    """Return the codes as 16 bits where they fit: numpy then sorts them by radix, several times faster."""
    return codes.astype(np.uint16) if size <= 1 << 16 else codes
