"""Releases that leak on purpose: what an attack suite must find before its silence means anything.

Each twin turns a code table into a release that gives its rows away: copies, noisy copies, rows between neighbours, a
few copies hidden among honest rows. Nothing is learnt from anywhere but the given rows and the public schema, and all
randomness comes from the caller. Rows of a twin may break rules of the schema; a twin is never released.

Sources: N. V. Chawla et al., SMOTE, JAIR 16 (2002), section 6 (rows between neighbours); T. Dalenius and S. P. Reiss,
Data-swapping, J. Statistical Planning and Inference 6 (1982) (row swap).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.distance import nearest_distances
from dpsynth.attacks.records import CodedColumn, CodedSchema, Records
from dpsynth.errors import InvalidInput

Codes = NDArray[np.integer]
"""A code table, shape (rows, columns)."""

_BLOCK = 128
_ISOLATION_NEIGHBOURS = 5
_ROWS_PER_CENTROID = 4
_PASSES = 3


@dataclass(frozen=True, slots=True, eq=False)
class LeakSource:
    """What a twin is made of.

    Attributes:
        rows: the rows that it gives away.
        fresh: other rows of the same population, as many as the release shall have where only some rows are copied.
        schema: the public columns.
    """

    rows: Codes
    fresh: Codes
    schema: CodedSchema


@dataclass(frozen=True, slots=True)
class LeakyTwin:
    """One way of leaking.

    Attributes:
        name: as in certificates and reports.
        description: what it does with the rows, in words.
        make: from the source and a generator of all randomness to a release.
    """

    name: str
    description: str
    make: Callable[[LeakSource, np.random.Generator], Codes]


def bootstrap(rows: Codes, *, rng: np.random.Generator) -> Codes:
    """Return as many rows, drawn with replacement."""
    return rows[rng.integers(len(rows), size=len(rows))]


def noisy_copy(rows: Codes, schema: CodedSchema, *, jitter: float, flips: float, rng: np.random.Generator) -> Codes:
    """Return the rows with noise in every column, in random order.

    Args:
        rows: what is copied.
        schema: the public columns.
        jitter: standard deviation of what is added to ordered cells, as a part of the declared range.
        flips: chance that an unordered cell is replaced by a uniform one.
        rng: all randomness.

    Special codes (missing, outside) of ordered columns stay as they are.
    """
    noisy = rng.permutation(rows)
    for place, column in enumerate(schema.columns):
        plain, rank = _plain_codes(column)
        cells = noisy[:, place]
        if column.is_ordered:
            # A code stands for a range: where in it a number lies decides whether it leaves it.
            exact = rank[cells] + rng.random(len(rows)) + jitter * plain.size * rng.normal(size=len(rows))
            moved = np.floor(exact).astype(np.int64)
            inside = plain[np.clip(moved, 0, plain.size - 1)]
            noisy[:, place] = np.where(rank[cells] >= 0, inside, cells)
        else:
            flipped = rng.random(len(rows)) < flips
            noisy[:, place] = np.where(flipped, rng.choice(plain, size=len(rows)), cells)
    return noisy


def between_neighbours(rows: Codes, schema: CodedSchema, *, neighbours: int = 5, rng: np.random.Generator) -> Codes:
    """Return rows between a row and one of its nearest neighbours (SMOTE on Gower's distance), as many as were given.

    Ordered cells lie between both; the others are taken from one of the two, the nearer one more often.

    Raises:
        InvalidInput: fewer than two rows have no neighbours.
    """
    if len(rows) < 2:
        raise InvalidInput("rows between neighbours need at least two rows")
    near = _nearest_rows(Records.from_codes(rows, schema), min(neighbours, len(rows) - 1))
    first = rng.integers(len(rows), size=len(rows))
    second = near[first, rng.integers(near.shape[1], size=len(rows))]
    way = rng.random(len(rows))
    made = rows[first].copy()
    for place, column in enumerate(schema.columns):
        plain, rank = _plain_codes(column)
        own, other = rows[first, place], rows[second, place]
        either = np.where(rng.random(len(rows)) < way, other, own)
        if not column.is_ordered:
            made[:, place] = either
            continue
        between = np.round((1 - way) * rank[own] + way * rank[other]).astype(np.int64)
        both_plain = (rank[own] >= 0) & (rank[other] >= 0)
        made[:, place] = np.where(both_plain, plain[np.clip(between, 0, plain.size - 1)], either)
    return made


def centroids(rows: Codes, schema: CodedSchema, *, count: int, rng: np.random.Generator) -> Codes:
    """Return the centres of `count` clusters: rounded means of ordered columns, most frequent values of the others.

    Raises:
        InvalidInput: there are fewer rows than clusters, or no cluster is asked for.
    """
    if not 0 < count <= len(rows):
        raise InvalidInput("clusters need at least one row each")
    centres = rows[rng.choice(len(rows), size=count, replace=False)]
    people = Records.from_codes(rows, schema)
    for _ in range(_PASSES):
        nearest = np.empty(len(rows), dtype=np.int64)
        for block, distances in _distance_blocks(people, Records.from_codes(centres, schema)):
            nearest[block] = distances.argmin(axis=1)
        centres = np.stack(
            [_centre_cells(rows[:, place], nearest, centres[:, place], column) for place, column in _columns(schema)],
            axis=1,
        )
    return centres


def row_swap(rows: Codes, *, share: float, rng: np.random.Generator) -> Codes:
    """Return the rows after a random part of them exchanged their cells, anew in every column, in random order.

    Args:
        rows: what is swapped.
        share: of the rows that exchange their cell in a column.
        rng: all randomness.
    """
    swapped = rng.permutation(rows)
    for place in range(rows.shape[1]):
        chosen = np.flatnonzero(rng.random(len(rows)) < share)
        swapped[chosen, place] = swapped[rng.permutation(chosen), place]
    return swapped


def partly_copied(rows: Codes, fresh: Codes, *, copies: int, rng: np.random.Generator) -> Codes:
    """Return `fresh` with that many of its rows replaced by rows of the table, in random order.

    Raises:
        InvalidInput: there are not so many rows.
    """
    if not 0 <= copies <= min(len(rows), len(fresh)):
        raise InvalidInput("no more rows can be copied than there are")
    kept = fresh[rng.permutation(len(fresh))[: len(fresh) - copies]]
    return rng.permutation(np.concatenate([rows[rng.permutation(len(rows))[:copies]], kept]))


def most_isolated(rows: Codes, schema: CodedSchema, *, count: int) -> Codes:
    """Return the `count` rows with the largest mean distance to their five nearest other rows."""
    records = Records.from_codes(rows, schema)
    gaps = nearest_distances(records, records, neighbours=_ISOLATION_NEIGHBOURS + 1)[:, 1:].mean(axis=1)
    return rows[np.argsort(-gaps, kind="stable")[:count]]


def _verbatim(source: LeakSource, rng: np.random.Generator) -> Codes:
    return rng.permutation(source.rows)


def _drawn_again(source: LeakSource, rng: np.random.Generator) -> Codes:
    return bootstrap(source.rows, rng=rng)


def _smoothed(source: LeakSource, rng: np.random.Generator) -> Codes:
    return between_neighbours(source.rows, source.schema, rng=rng)


def _clustered(source: LeakSource, rng: np.random.Generator) -> Codes:
    count = max(1, len(source.rows) // _ROWS_PER_CENTROID)
    return centroids(source.rows, source.schema, count=count, rng=rng)


def _swapped(source: LeakSource, rng: np.random.Generator) -> Codes:
    return row_swap(source.rows, share=0.1, rng=rng)


@dataclass(frozen=True, slots=True)
class _Noisy:
    jitter: float
    flips: float

    def __call__(self, source: LeakSource, rng: np.random.Generator) -> Codes:
        return noisy_copy(source.rows, source.schema, jitter=self.jitter, flips=self.flips, rng=rng)


@dataclass(frozen=True, slots=True)
class _SomeCopied:
    share: float

    def __call__(self, source: LeakSource, rng: np.random.Generator) -> Codes:
        return partly_copied(source.rows, source.fresh, copies=round(self.share * len(source.fresh)), rng=rng)


@dataclass(frozen=True, slots=True)
class _OutliersCopied:
    share: float
    jitter: float = 0.0
    flips: float = 0.0

    def __call__(self, source: LeakSource, rng: np.random.Generator) -> Codes:
        outliers = most_isolated(source.rows, source.schema, count=round(self.share * len(source.fresh)))
        copies = noisy_copy(outliers, source.schema, jitter=self.jitter, flips=self.flips, rng=rng)
        return partly_copied(copies, source.fresh, copies=len(copies), rng=rng)


_TWINS = (
    LeakyTwin("copy", "every row, in another order", _verbatim),
    LeakyTwin("bootstrap", "rows drawn with replacement", _drawn_again),
    LeakyTwin("noisy-copy", "every row, numbers moved by 1 % and one other cell in 20 at random", _Noisy(0.01, 0.05)),
    LeakyTwin("noisier-copy", "every row, numbers moved by 5 % and one other cell in 5 at random", _Noisy(0.05, 0.2)),
    LeakyTwin("smote", "rows between a row and one of its five nearest neighbours", _smoothed),
    LeakyTwin("centroids", "the centres of clusters of four rows on average", _clustered),
    LeakyTwin("row-swap", "every row, but one cell in ten changed place with that of another row", _swapped),
    LeakyTwin("copied-tenth", "honest rows, one in ten replaced by a copied row", _SomeCopied(0.1)),
    LeakyTwin("copied-fiftieth", "honest rows, one in fifty replaced by a copied row", _SomeCopied(0.02)),
    LeakyTwin("ten-in-two-thousand", "honest rows, one in two hundred replaced by a copied row", _SomeCopied(0.005)),
    LeakyTwin("copied-outliers", "honest rows, one in twenty replaced by an outlier", _OutliersCopied(0.05)),
    LeakyTwin("few-copied-outliers", "honest rows, one in a hundred replaced by an outlier", _OutliersCopied(0.01)),
    LeakyTwin(
        "few-noisy-outliers",
        "honest rows, one in a hundred replaced by a noisy copy of an outlier",
        _OutliersCopied(0.01, 0.01, 0.05),
    ),
)

LEAKY_TWINS: Mapping[str, LeakyTwin] = MappingProxyType({twin.name: twin for twin in _TWINS})
"""Every twin by name, from the grossest to the finest."""


def _columns(schema: CodedSchema) -> Iterator[tuple[int, CodedColumn]]:
    return enumerate(schema.columns)


def _plain_codes(column: CodedColumn) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ordinary codes in order, and the rank of each code among them (-1 for special ones), shape (size,).

    A column of special codes alone keeps them.
    """
    special = [code for code in (column.missing_code, column.outside_code) if code is not None]
    plain = np.setdiff1d(np.arange(column.size), special)
    plain = plain if plain.size else np.arange(column.size)
    rank = np.full(column.size, -1, dtype=np.int64)
    rank[plain] = np.arange(plain.size)
    return plain, rank


def _centre_cells(cells: Codes, cluster: NDArray[np.int64], before: Codes, column: CodedColumn) -> Codes:
    """Return one cell per cluster, shape (clusters,); a cluster without rows keeps its own."""
    counts = np.zeros((len(before), column.size), dtype=np.int64)
    np.add.at(counts, (cluster, cells), 1)
    sizes = counts.sum(axis=1)
    centre = counts.argmax(axis=1)
    if column.is_ordered:
        plain, rank = _plain_codes(column)
        ordinary = counts[:, plain]
        mean = (ordinary @ np.arange(plain.size)) / np.maximum(ordinary.sum(axis=1), 1)
        centre = np.where(rank[centre] >= 0, plain[np.round(mean).astype(np.int64)], centre)
    return np.where(sizes > 0, centre, before).astype(cells.dtype)


def _nearest_rows(records: Records, neighbours: int) -> NDArray[np.intp]:
    """Return the places of the nearest other rows of each row, shape (rows, neighbours), in no order."""
    places = np.empty((len(records), neighbours), dtype=np.intp)
    for block, distances in _distance_blocks(records, records):
        distances[np.arange(len(distances)), np.arange(block.start, block.stop)] = np.inf
        places[block] = np.argpartition(distances, neighbours - 1, axis=1)[:, :neighbours]
    return places


def _distance_blocks(targets: Records, others: Records) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield Gower's distances, summed over columns, of some targets to all others."""
    for start in range(0, len(targets), _BLOCK):
        block = slice(start, min(start + _BLOCK, len(targets)))
        total = np.zeros((block.stop - block.start, len(others)))
        for place in range(targets.width):
            own, their = targets.values[block, place, None], others.values[None, :, place]
            total += np.minimum(np.abs(own - their), 1) if targets.ordered[place] else own != their
        yield block, total
