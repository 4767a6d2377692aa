"""Probabilities of the ideal distributions in floating point, straight from their definitions, and tests of fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEAST_EXPECTED = 100.0
"""Draws expected per bin, so that the chi-square approximation holds far into its tail."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def symmetric_pmf(log_weight: Floats) -> tuple[Ints, Floats]:
    """Return values -n .. n and their probabilities from the log weights of 0 .. n."""
    logs = np.concatenate([log_weight[:0:-1], log_weight])
    weights = np.exp(logs - logs.max())
    reach = len(log_weight) - 1
    return np.arange(-reach, reach + 1), weights / weights.sum()


def gaussian_pmf(variance: float) -> tuple[Ints, Floats]:
    """Return values and probabilities of a rounded normal number."""
    edges = (np.arange(int(12 * variance**0.5) + 12, dtype=np.float64) - 0.5) / variance**0.5
    with np.errstate(divide="ignore"):
        return symmetric_pmf(np.log(stats.norm.sf(edges[:-1]) - stats.norm.sf(edges[1:])))


def laplace_pmf(scale: float) -> tuple[Ints, Floats]:
    """Return values and probabilities of the discrete Laplace."""
    return symmetric_pmf(-np.arange(int(60 * scale) + 40, dtype=np.float64) / scale)


def gaussian_cells(variance: float, step: int) -> tuple[Ints, Floats]:
    """Return cells [c * step, (c + 1) * step) of a rounded normal number."""
    reach = int(12 * variance**0.5) // step
    cells = np.arange(-reach, reach + 1)
    edges = (np.arange(-reach, reach + 2) * step - 0.5) / variance**0.5
    return cells, np.diff(stats.norm.cdf(edges))


def laplace_cells(scale: float, step: int) -> tuple[Ints, Floats]:
    """Return cells [c * step, (c + 1) * step) of the discrete Laplace, in closed form."""
    reach = int(60 * scale) // step
    cells = np.arange(-reach, reach + 1)
    nearest = np.where(cells < 0, -(cells + 1) * step + 1, cells * step)
    return cells, np.exp(-nearest / scale) * -np.expm1(-step / scale) / (1 + np.exp(-1 / scale))


def shared_bins(expected: Floats) -> Ints:
    """Return for each value the number of the bin it shares with its neighbors, each expecting enough draws."""
    bins = np.zeros(len(expected), dtype=np.int64)
    current, gathered = 0, 0.0
    for place, count in enumerate(expected):
        if gathered >= LEAST_EXPECTED:
            current, gathered = current + 1, 0.0
        bins[place] = current
        gathered += count
    return np.minimum(bins, current - 1) if gathered < LEAST_EXPECTED else bins


def chi_square_p(draws: Ints, pmf: tuple[Ints, Floats]) -> float:
    """Return the p-value of Pearson's test; neighboring values share a bin until enough draws are expected in it."""
    values, probabilities = pmf
    counts = np.bincount(np.clip(draws - values[0], -1, len(values)) + 1, minlength=len(values) + 2)
    if counts[0] or counts[-1]:
        return 0.0  # a value of probability zero, to double precision
    expected = probabilities * len(draws)
    bins = shared_bins(expected)
    observed = np.bincount(bins, weights=counts[1:-1])
    wanted = np.bincount(bins, weights=expected)
    return float(stats.chi2.sf(((observed - wanted) ** 2 / wanted).sum(), len(wanted) - 1))


def kolmogorov_smirnov_p(draws: Ints, pmf: tuple[Ints, Floats]) -> float:
    """Return the p-value of the one-sample test, which is conservative for integers."""
    values, probabilities = pmf
    reached = np.searchsorted(np.sort(draws), values, side="right") / len(draws)
    distance = float(np.abs(reached - np.cumsum(probabilities)).max())
    return float(stats.kstwo.sf(distance, len(draws)))


def independence_p(draws: Ints, lag: int) -> float:
    """Return the p-value of zero correlation between draws that stand `lag` apart, two-sided."""
    centred = draws - draws.mean()
    correlation = (centred[lag:] * centred[:-lag]).mean() / centred.var()
    return float(2 * stats.norm.sf(abs(correlation) * (len(draws) - lag) ** 0.5))
