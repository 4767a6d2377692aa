"""How far the marginals of two code tables are apart."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.integer]


def marginal_distance(real: Rows, made: Rows, sizes: tuple[int, ...], places: tuple[int, ...]) -> float:
    """Return the total-variation distance of one marginal.

    Args:
        real: codes, shape (rows, columns).
        made: codes, shape (other rows, columns).
        sizes: number of codes of each column.
        places: the columns of the marginal.
    """
    shape = tuple(sizes[place] for place in places)
    flat = [np.ravel_multi_index(tuple(rows[:, place] for place in places), shape) for rows in (real, made)]
    length = int(np.prod(shape, dtype=np.int64))
    if length > 4 * (len(real) + len(made)):
        # Only occupied cells count, so that a marginal of a billion cells costs no more than its rows.
        _, cells = np.unique(np.concatenate(flat), return_inverse=True)
        flat, length = [cells[: len(real)], cells[len(real) :]], int(cells.max()) + 1
    shares = [np.bincount(cells, minlength=length) / len(cells) for cells in flat]
    return float(0.5 * np.abs(shares[0] - shares[1]).sum())


def mean_distance(real: Rows, made: Rows, sizes: tuple[int, ...], order: int, *, at_most: int | None = None) -> float:
    """Return the mean total-variation distance over the marginals of `order` columns.

    Args:
        real: codes, shape (rows, columns).
        made: codes, shape (other rows, columns).
        sizes: number of codes of each column.
        order: columns of a marginal.
        at_most: with more marginals than this, that many are drawn; always the same ones.
    """
    marginals: Iterable[tuple[int, ...]] = combinations(range(len(sizes)), order)
    if at_most is not None and comb(len(sizes), order) > at_most:
        rng, drawn = np.random.default_rng(0), set[tuple[int, ...]]()
        while len(drawn) < at_most:
            drawn.add(tuple(sorted(rng.choice(len(sizes), size=order, replace=False).tolist())))
        marginals = sorted(drawn)
    return float(np.mean([marginal_distance(real, made, sizes, places) for places in marginals]))


def distances(real: Rows, sizes: tuple[int, ...], made: Rows, *, at_most: int | None = None) -> dict[str, float]:
    """Return `tvd1`, `tvd2` and `tvd3`."""
    return {f"tvd{order}": mean_distance(real, made, sizes, order, at_most=at_most) for order in (1, 2, 3)}
