"""What a release shows about one target: numbers that a shadow model attack learns to read.

All scales are public: domain and bounds come from the schema and are the same whether the target was trained on or not.
A generator that reads its domain off the rows leaks in another way, and that is tested on its own.

Sources: M. Meeus et al., Achilles' Heels, ESORICS 2023 (arXiv 2306.10308), section 5.2 (counts of random queries about
the target); T. Stadler et al., Synthetic Data - Anonymisation Groundhog Day, USENIX Security 2022 (arXiv 2011.07018),
section 4.2 (summaries, histograms, correlations).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.records import MISSING_LEVEL, CodedSchema, Records

Features = NDArray[np.float32]

NEARNESS = 0
"""Place of the plainest feature: minus the distance of the nearest released row, in column ranges."""

_NEAR = 0.05
"""Share of the public range within which an ordered cell resembles the target's."""

_GROUP = 13
"""Columns in a group where not all sets of columns can be asked about."""

_BINS = 10
_FEW_LEVELS = 20


@dataclass(frozen=True, slots=True, eq=False)
class ShadowFeatures:
    """A map from releases to features, for one target.

    Attributes:
        target: one row.
        beyond: shape (columns,), whether the target lies above the middle of the public rows; of ordered columns only.
        groups: columns whose subsets are the queries.
    """

    target: Records
    beyond: NDArray[np.bool_]
    groups: tuple[NDArray[np.intp], ...]

    @classmethod
    def around(cls, target: Records, auxiliary: Records, *, queries: int, rng: np.random.Generator) -> ShadowFeatures:
        """Return the map for one target.

        Args:
            target: one row.
            auxiliary: public rows; they say on which side of a column the target is rare.
            queries: sets of columns to ask about, at most; all sets where there are no more.
            rng: chooses the sets.
        """
        plain = np.where(auxiliary.values < MISSING_LEVEL, auxiliary.values, np.nan)
        middle = np.array([np.nanmedian(own) if (own == own).any() else 0.5 for own in plain.T])
        width = target.width
        if width <= _GROUP or 2**width <= queries:
            groups = [np.arange(width)]
        else:
            drawn = max(1, queries // 2**_GROUP)
            groups = [np.sort(rng.permutation(width)[:_GROUP]) for _ in range(drawn)]
        return cls(target, target.values[0] > middle, tuple(groups))

    def of(self, release: Records) -> Features:
        """Return what one release shows, shape (features,), finite; as shares of its rows, not their number."""
        resembling, beyond = self._matches(release)
        parts = [
            _nearness(self.target, release, resembling),
            *(_subset_shares(resembling[group]) for group in self.groups),
            *(_subset_shares(beyond[group]) for group in self.groups),
        ]
        return np.concatenate(parts).astype(np.float32)

    def _matches(self, release: Records) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which cells resemble the target's, and which are as far out, both of shape (columns, rows).

        Cells of unordered columns and special cells do so if they are equal.
        """
        own, cells = self.target.values[0][:, None], release.values.T
        equal = cells == own
        plain = release.ordered[:, None] & (cells < MISSING_LEVEL) & (own < MISSING_LEVEL)
        resembling = np.where(plain, np.abs(cells - own) <= _NEAR, equal)
        beyond = np.where(plain, np.where(self.beyond[:, None], cells >= own, cells <= own), equal)
        return resembling, beyond


def overview(release: Records, schema: CodedSchema) -> Features:
    """Return what a release shows whoever is looked for: summaries, histograms, correlations; shape (features,)."""
    sizes = tuple(column.size for column in schema.columns)
    parts = [_summaries(release), _histograms(release, sizes), _correlations(release, sizes)]
    return np.concatenate(parts).astype(np.float32)


def _nearness(target: Records, release: Records, resembling: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return minus the distance of the nearest row, then the share of rows alike in one, two, ... columns."""
    width = target.width
    if not len(release):
        return np.concatenate([[-float(width)], np.zeros(width)])
    gaps = np.minimum(np.abs(release.values - target.values), 1)
    nearest = np.where(release.ordered, gaps, release.values != target.values).sum(axis=1).min()
    alike = np.bincount(resembling.sum(axis=0), minlength=width + 1) / len(release)
    return np.concatenate([[-nearest], np.cumsum(alike[::-1])[::-1][1:]])


def _subset_shares(matches: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return for every set of columns the share of rows that match in all of them, shape (2**columns,).

    Rows are counted by the set of columns in which they match, one bit per column; then every set collects the counts
    of the sets that contain it, bit by bit.

    Args:
        matches: shape (columns, rows).
    """
    columns, rows = matches.shape
    masks = (matches << np.arange(columns)[:, None]).sum(axis=0)
    counts = np.bincount(masks, minlength=2**columns).astype(np.float64)
    for bit in range(columns):
        pairs = counts.reshape(-1, 2, 2**bit)
        pairs[:, 0] += pairs[:, 1]
    shares: NDArray[np.float64] = counts / max(rows, 1)
    return shares


def _summaries(release: Records) -> NDArray[np.float64]:
    """Return three numbers per column.

    Mean, median and variance of ordered ones; number of levels and the largest and smallest frequency of others.
    """
    found = np.zeros((release.width, 3))
    for place, (cells, ordered) in enumerate(zip(release.values.T, release.ordered, strict=True)):
        plain = cells[cells < MISSING_LEVEL] if ordered else cells
        if not plain.size:
            continue
        if ordered:
            found[place] = plain.mean(), np.median(plain), plain.var()
        else:
            counts = np.unique(plain, return_counts=True)[1]
            found[place] = counts.size, counts.max() / plain.size, counts.min() / plain.size
    return found.ravel()


def _histograms(release: Records, sizes: tuple[int, ...]) -> NDArray[np.float64]:
    """Return frequencies of levels, and of ten bins over the public range with missing and outside cells apart."""
    parts = []
    for cells, ordered, size in zip(release.values.T, release.ordered, sizes, strict=True):
        special = cells >= MISSING_LEVEL
        binned = np.where(special, _BINS + cells - MISSING_LEVEL, np.minimum(cells * _BINS, _BINS - 1))
        codes = (binned if ordered else cells).astype(np.intp)
        parts.append(np.bincount(codes, minlength=_BINS + 2 if ordered else size) / max(len(release), 1))
    return np.concatenate(parts)


def _correlations(release: Records, sizes: tuple[int, ...]) -> NDArray[np.float64]:
    """Return correlations of positions and of indicators of levels, of columns of few levels; 0 where undefined."""
    columns = []
    for cells, ordered, size in zip(release.values.T, release.ordered, sizes, strict=True):
        if ordered:
            columns.append(cells[:, None])
        elif size <= _FEW_LEVELS:
            columns.append(cells[:, None] == np.arange(size))
    above = np.triu_indices(sum(part.shape[1] for part in columns), k=1)
    if not len(release) or not above[0].size:
        return np.zeros(above[0].size)
    table = np.concatenate(columns, axis=1).astype(np.float64)
    table -= table.mean(axis=0)
    length = np.sqrt((table**2).sum(axis=0))
    table /= np.where(length > 0, length, 1)
    together: NDArray[np.float64] = (table.T @ table)[above]
    return together
