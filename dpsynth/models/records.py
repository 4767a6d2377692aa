"""Records from a calibrated tree, with far less sampling error than independent draws, in as many pieces as wanted.

Columns are drawn node by node from the root, conditioning on the separators of the *junction tree*; conditioning on
measured cliques instead gives records that fit neither the model nor the data as soon as the measured graph has a
cycle. It is done in two steps:

1. The table of every node is drawn for all records at once, before there is any record: in each group of records that
   agree on the separator, the counts of the residual's cells are the expected counts rounded down or up (never two
   away), unbiased. The size of a group is read from the parent's table, so this needs no records.
2. Records are dealt from those tables in random order. The first m records of a random order are m records drawn
   without replacement, so each block takes its counts from what is left of the tables by hypergeometric draws.

Together the blocks therefore use up the tables of step 1 exactly, and all records have the same distribution as if they
had been dealt at once. Write N for the rows, N(s) for the records in separator cell s, and N(s, r) for those of them in
residual cell r. However many blocks there are,

    |N(s, r) - N(s) p(r | s)| < 1,  and so  |N(s, r) - N p(s, r)| < 1 + p(r | s) |N(s) - N p(s)|,

where the last term is the error of the parent's table, at most one per cell of the parent that falls on s. Carrying
remainders from block to block would keep only the root that close: groups of inner nodes are new in every block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput
from dpsynth.models.calibrated_tree import CalibratedTree
from dpsynth.models.factor import Floats

_BLOCK_CELLS = 1_000_000  # tables are rounded and dealt in pieces of about this many cells, to bound memory
_RECORD_CELLS = 1 << 22  # about so many codes are dealt at once: 16 MiB
_MOST_RECORDS = 1 << 17  # and at most so many records: what is sorted then stays in the processor's cache
_FEWEST_RECORDS = 1 << 12
_TOO_MANY_ROWS = 1_000_000_000  # the hypergeometric draws are exact below this


def sample_records(calibrated: CalibratedTree, rows: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return `rows` records, shape (rows, columns), int32 codes, in random order; those of `sample_chunks`.

    The expected total variation distance between the records' marginal over k cells and the model's is at most
    0.5 * sqrt(k / rows), the figure of independent draws; for cliques inside a tree node it is far smaller.

    Args:
        calibrated: the distribution.
        rows: how many; 0 gives an empty table.
        rng: public randomness.

    Raises:
        InvalidInput: `rows` is negative, or a thousand million or more.

    Privacy: post-processing; nothing is charged.
    """
    chunks = sample_chunks(calibrated, rows, rng)
    records = np.empty((len(calibrated.tree.domain), rows), dtype=np.int32).T  # a column's codes lie side by side
    start = 0
    for chunk in chunks:
        records[start : start + len(chunk)] = chunk
        start += len(chunk)
    return records


def sample_chunks(
    calibrated: CalibratedTree, rows: int, rng: np.random.Generator, chunk_rows: int | None = None
) -> Iterator[NDArray[np.int32]]:
    """Return `rows` records in pieces, in memory that grows with the model and not with `rows`.

    The pieces together are one controlled sample: the tables of the tree's nodes are as close to the model as those of
    a sample drawn at once, whatever the number of pieces. The records do not depend on `chunk_rows`.

    Args:
        calibrated: the distribution.
        rows: how many in all; 0 gives no piece.
        rng: public randomness; it must not be used for anything else until the last piece.
        chunk_rows: records per piece, fewer in the last; by default what is dealt at once.

    Returns:
        Pieces of shape (up to `chunk_rows`, columns), int32 codes, in random order.

    Raises:
        InvalidInput: `rows` is negative, or a thousand million or more, or `chunk_rows` is not positive.

    Privacy: post-processing; nothing is charged.
    """
    if rows < 0:
        raise InvalidInput("the number of rows must not be negative")
    if rows >= _TOO_MANY_ROWS:
        raise InvalidInput(f"at most {_TOO_MANY_ROWS - 1:,} rows can be sampled at once")
    if chunk_rows is not None and chunk_rows < 1:
        raise InvalidInput("a chunk needs at least one row")
    dealt = _dealt_blocks(calibrated, rows, rng)
    return dealt if chunk_rows is None else _regrouped(dealt, chunk_rows)


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


def drawn_without_replacement(
    left: NDArray[np.integer], sizes: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return how many of each cell's records are among `sizes` records drawn without replacement, row by row.

    Args:
        left: records per cell, shape (rows, cells); every row sums to at least its size.
        sizes: records to draw from each row, shape (rows,).
        rng: public randomness.

    Returns:
        counts, shape (rows, cells): multivariate hypergeometric, by halving the cells again and again.
    """
    halves: list[NDArray[np.int64]] = []
    level = left.astype(np.int64)
    while level.shape[1] > 1:
        if level.shape[1] % 2:
            level = np.pad(level, ((0, 0), (0, 1)))
        halves.append(level)
        level = level[:, ::2] + level[:, 1::2]
    drawn = sizes[:, None]
    for level in reversed(halves):
        first, second = level[:, ::2], level[:, 1::2]
        drawn = drawn[:, : first.shape[1]]  # what is cut off is the half that was added, which is empty
        of_first = np.where(second == 0, drawn, 0)
        unsure = np.nonzero((first > 0) & (second > 0) & (drawn > 0))
        of_first[unsure] = rng.hypergeometric(first[unsure], second[unsure], drawn[unsure])
        drawn = np.stack([of_first, drawn - of_first], axis=2).reshape(len(left), -1)
    return drawn[:, : left.shape[1]]


def _dealt_blocks(calibrated: CalibratedTree, rows: int, rng: np.random.Generator) -> Iterator[NDArray[np.int32]]:
    domain = calibrated.tree.domain
    height = int(np.clip(_RECORD_CELLS // max(len(domain), 1), _FEWEST_RECORDS, _MOST_RECORDS))
    tables = _drawn_tables(calibrated, rows, rng) if rows else []
    for start in range(0, rows, height):
        records = np.empty((len(domain), min(height, rows - start)), dtype=np.int32)
        for node, table in zip(calibrated.tree.nodes, tables, strict=True):
            given = np.zeros(records.shape[1], dtype=np.int64)
            for name in node.separator:
                given *= domain.size(name)
                given += records[domain.position(name)]
            drawn = _dealt(given, table, rng)
            for name, codes in zip(node.residual, np.unravel_index(drawn, domain.shape(node.residual)), strict=True):
                records[domain.position(name)] = codes
        yield records.T


def _drawn_tables(calibrated: CalibratedTree, rows: int, rng: np.random.Generator) -> list[NDArray[np.int32]]:
    """Return the counts of every node for all records, shape (separator cells, residual cells)."""
    domain, nodes = calibrated.tree.domain, calibrated.tree.nodes
    tables: list[NDArray[np.int32]] = []
    for node, conditional in zip(nodes, calibrated.conditionals, strict=True):
        sizes = np.array([rows], dtype=np.int64)
        if node.separator:
            above = nodes[node.parent].columns
            others = tuple(axis for axis, name in enumerate(above) if name not in node.separator)
            sizes = tables[node.parent].reshape(domain.shape(above)).sum(axis=others, dtype=np.int64).ravel()
        expected = conditional.reshape(len(sizes), -1)
        table = np.zeros(expected.shape, dtype=np.int32)
        groups = np.flatnonzero(sizes)
        for piece in _pieces(groups, expected.shape[1]):
            table[piece] = rounded_counts(sizes[piece, None] * expected[piece], rng)
        tables.append(table)
    return tables


def _dealt(given: NDArray[np.int64], table: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return for each record a cell of its row of `table`, in random order, and take those counts out of `table`."""
    sizes = np.bincount(given, minlength=len(table))
    order = rng.permutation(len(given))
    if len(table) > 1:
        order = order[np.argsort(_narrow(given[order], len(table)), kind="stable")]
    drawn = np.empty(len(given), dtype=np.int64)
    start = 0
    for piece in _pieces(np.flatnonzero(sizes), table.shape[1]):
        left = table[piece]
        if int(left.sum()) > int(sizes[piece].sum()):
            counts = drawn_without_replacement(left, sizes[piece], rng).ravel()
        else:
            counts = left.ravel().astype(np.int64)
        table[piece] = left - counts.reshape(left.shape)
        taken = np.flatnonzero(counts)
        dealt = np.repeat(taken % table.shape[1], counts[taken])
        drawn[order[start : start + len(dealt)]] = dealt
        start += len(dealt)
    return drawn


def _regrouped(blocks: Iterable[NDArray[np.int32]], chunk_rows: int) -> Iterator[NDArray[np.int32]]:
    """Yield the rows of `blocks` in pieces of `chunk_rows`."""
    held: list[NDArray[np.int32]] = []
    missing = chunk_rows
    for block in blocks:
        rest = block
        while len(rest) >= missing:
            yield np.concatenate([*held, rest[:missing]])
            held, rest, missing = [], rest[missing:], chunk_rows
        held.append(rest)
        missing -= len(rest)
    if missing < chunk_rows:
        yield np.concatenate(held)


def _pieces(groups: NDArray[np.intp], cells: int) -> Iterator[NDArray[np.intp]]:
    height = max(1, _BLOCK_CELLS // cells)
    return (groups[start : start + height] for start in range(0, len(groups), height))


def _narrow(codes: NDArray[np.int64], size: int) -> NDArray[np.int64] | NDArray[np.uint16]:
    """Return the codes as 16 bits where they fit: numpy then sorts them by radix, several times faster."""
    return codes.astype(np.uint16) if size <= 1 << 16 else codes
