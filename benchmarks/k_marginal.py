"""The k-marginal score of NIST's SDNist report, version 2.5, written from its published description.

Source: usnistgov/SDNist, `sdnist/metrics/kmarginal.py` and `sdnist/report/dataset/binning.py`, read, not copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

BINS = 20

Floats = NDArray[np.float64]


def k_marginal(target: NDArray[np.integer], made: NDArray[np.integer], *, group: int | None = None) -> float:
    """Return the score: 1000 for equal tables, 0 for tables without a common cell.

    It is `(2 - d) * 500`, where d is the mean over all pairs of columns of the sum of absolute differences of shares.
    With a group column, each pair is joined with it and the pairs are those of the other columns.

    Args:
        target: codes of the real rows, shape (rows, columns).
        made: codes of the synthetic rows, shape (other rows, columns); equal codes mean equal cells.
        group: the column that every pair is joined with.
    """
    others = [place for place in range(target.shape[1]) if place != group]
    joined = [] if group is None else [group]
    totals = [_absolute_difference(target, made, [*joined, *pair]) for pair in combinations(others, 2)]
    return float((2 - np.mean(totals)) * 500)


def percentile_codes(target: Floats, made: Floats, *, singles: Sequence[float] = ()) -> tuple[Floats, Floats]:
    """Return the bins of a continuous column, for real and for synthetic cells.

    Edges are percentiles of the real cells. Single values that mean something apart (and missing cells, which come as
    NaN) are no part of the percentiles and keep a code of their own, one bin less for each; so does everything below
    the smallest and above the largest real cell. A column that ranges over 20 or fewer is left as it is.

    Args:
        target: real cells, shape (rows,).
        made: synthetic cells, shape (other rows,).
        singles: values that are no amounts.
    """
    apart = [_apart(cells, singles) for cells in (target, made)]
    real, synthetic = target[~apart[0]], made[~apart[1]]
    bins = BINS - len(singles) - int(np.isnan(target).any())
    ends = [real.max()]
    if len(synthetic) and synthetic.max() > real.max():
        ends.append(synthetic.max())
    if len(synthetic) and synthetic.min() < real.min():
        ends.append(synthetic.min())
    bins -= len(ends) - 1
    inner = np.percentile(real, np.arange(bins) * (100 / bins), method="higher")
    edges = np.unique(np.concatenate([inner, ends]))
    coded = []
    for cells, special in ((target, apart[0]), (made, apart[1])):
        codes = np.where(np.isnan(cells), -1e9, cells - 1e8)
        # Bins are closed above; the first one holds its lower edge, too.
        codes[~special] = np.maximum(np.searchsorted(edges, cells[~special], side="left") - 1, 0)
        coded.append(codes)
    return coded[0], coded[1]


def _apart(cells: Floats, singles: Sequence[float]) -> NDArray[np.bool_]:
    """Return which cells are no amounts."""
    return np.isnan(cells) | np.isin(cells, np.asarray(singles, dtype=np.float64))


def _absolute_difference(target: NDArray[np.integer], made: NDArray[np.integer], places: list[int]) -> float:
    """Return the sum over cells of the absolute difference of shares, between 0 and 2."""
    both = np.concatenate([target[:, places], made[:, places]])
    sizes = tuple(int(size) + 1 for size in both.max(axis=0))
    cells = np.ravel_multi_index(tuple(both.T), sizes)
    if np.prod(sizes, dtype=np.int64) > 4 * len(both):
        _, cells = np.unique(cells, return_inverse=True)
    length = int(cells.max()) + 1
    real = np.bincount(cells[: len(target)], minlength=length) / len(target)
    return float(np.abs(real - np.bincount(cells[len(target) :], minlength=length) / len(made)).sum())
