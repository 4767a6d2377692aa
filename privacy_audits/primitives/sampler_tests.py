"""Size, shape, order and time of draws: exact counts, and a test that may be looked at after every draw."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from privacy_audits.primitives.samplers import Sampler

CHUNK = 1_000_000
_LEAST = 25.0
_WORSE = 1.25
"""The violation that a short run is to rule out: mu a quarter above the claim."""


def counted(sampler: Sampler, draws: int, *, rng: np.random.Generator) -> dict[str, Any]:
    """Return what `draws` answers of each world count, drawn in chunks.

    Keys: draws; whole (whether all answers are whole numbers); histogram of bins with enough draws each; squares (sum
    of squared residuals) and first_squares (of the first 1,000); right, pairs (in the right order) in both worlds.
    """
    bins = _bins(sampler.probabilities * draws)
    histogram = np.zeros(int(bins[-1]) + 2, dtype=np.int64)
    squares = first = 0.0
    right, done, whole = 0, 0, True
    while done < draws:
        some = min(CHUNK, draws - done)
        zero, one = sampler.draw(0, some), sampler.draw(1, some)
        whole &= bool(np.issubdtype(zero.dtype, np.integer))
        residuals = zero - sampler.mean
        squares += float((residuals.astype(np.float64) ** 2).sum())
        if not done:
            first = float((residuals[:1000].astype(np.float64) ** 2).sum())
        places = np.rint(zero).astype(np.int64) - sampler.values[0]
        inside = (places >= 0) & (places < len(bins))
        histogram += np.bincount(
            np.where(inside, bins[np.where(inside, places, 0)], len(histogram) - 1), minlength=len(histogram)
        )
        right += int(((one > zero) | ((one == zero) & (rng.random(some) < 0.5))).sum())
        done += some
    return {
        "name": sampler.name,
        "draws": draws,
        "whole": whole,
        "histogram": histogram.tolist(),
        "squares": squares,
        "first_squares": first,
        "right": right,
    }


def problems(sampler: Sampler, counts: dict[str, Any], significance: float) -> tuple[str, ...]:
    """Return what refutes the declared law, in sentences; each of three tests errs with a third of `significance`."""
    each, draws = significance / 3, counts["draws"]
    found = [] if counts["whole"] else ["answers are no whole numbers: their last digits tell neighbors apart"]
    error = _error(sampler, draws)
    off = counts["squares"] / draws - sampler.variance
    if error and 2 * special.ndtr(-abs(off) / error) <= each:
        found.append(f"noise is {math.sqrt(counts['squares'] / draws / sampler.variance):.4f} times what is declared")
    if (shape := shape_p(sampler, counts)) <= each:
        found.append(f"the shape is another: p = {shape:.1e}")
    if special.bdtrc(counts["right"] - 1, draws, sampler.order) <= each:
        found.append(
            f"neighbors are told apart {counts['right'] / draws:.5f} of the time, {sampler.order:.5f} is allowed"
        )
    return tuple(found)


def spread(sampler: Sampler, draws: int) -> tuple[float, float]:
    """Return between which values the standard deviation of so many draws, over that of the law, lies 95 times in 100.

    The mean of squares has the mean and the variance of the exact law, and about a normal law itself.
    """
    reach = 1.96 * _error(sampler, draws) / sampler.variance
    return math.sqrt(max(1 - reach, 0.0)), math.sqrt(1 + reach)


def _error(sampler: Sampler, draws: int) -> float:
    """Return the standard deviation of the mean of so many squared residuals."""
    fourth = float((sampler.values - sampler.mean) ** 4 @ sampler.probabilities)
    return math.sqrt(max(fourth - sampler.variance**2, 0.0) / draws)


def shape_p(sampler: Sampler, counts: dict[str, Any]) -> float:
    """Return the p-value of Pearson's chi-square against the exact probabilities."""
    draws = counts["draws"]
    bins = _bins(sampler.probabilities * draws)
    expected = np.bincount(bins, weights=sampler.probabilities * draws)
    observed = np.array(counts["histogram"][:-1])
    if counts["histogram"][-1]:
        return 0.0
    return float(special.chdtrc(max(len(expected) - 1, 1), ((observed - expected) ** 2 / expected).sum()))


def sequential(
    sampler: Sampler, *, significance: float, rng: np.random.Generator, most: int = 200_000
) -> tuple[str, int]:
    """Return "refuted", "holds" or "undecided" about the order of neighbors, and how many pairs that took.

    Two wealths bet against two hypotheses: that at most the allowed share of pairs is in the right order, and that mu
    is a quarter above the claim. Each multiplies by a likelihood ratio, so under its hypothesis it is ever 1 /
    `significance` with at most that probability (Ville), however often one looks; the test stops when either is.
    """
    if sampler.order <= 0.5:
        return "holds", 0  # neighbors are the same: there is nothing to tell apart
    worse = float(special.ndtr(_WORSE * special.ndtri(sampler.order)))
    gain = math.log(worse / sampler.order), math.log((1 - worse) / (1 - sampler.order))
    wealth, done = 0.0, 0
    while done < most // sampler.cost:
        zero, one = sampler.draw(0, 500), sampler.draw(1, 500)
        right = (one > zero) | ((one == zero) & (rng.random(500) < 0.5))
        path = wealth + np.cumsum(np.where(right, *gain))
        ended = np.flatnonzero(np.abs(path) >= -math.log(significance))
        if ended.size:
            return ("refuted" if path[ended[0]] > 0 else "holds"), done + int(ended[0]) + 1
        wealth, done = float(path[-1]), done + 500
    return "undecided", done


def timing(sampler: Sampler, draws: int) -> dict[str, float]:
    """Return the rank correlation of a draw's distance from zero and the time that it took, with a 95 % interval.

    It depends on the machine and on what else it does: it is reported, and decides nothing.
    """
    sizes, taken = np.empty(draws), np.empty(draws)
    for place in range(draws):
        began = time.perf_counter_ns()
        answer = sampler.draw(0, 1)
        taken[place] = time.perf_counter_ns() - began
        sizes[place] = abs(float(answer[0]))
    correlation = float(stats.spearmanr(sizes, taken).statistic)
    reach = 1.96 / math.sqrt(draws - 3)
    low, high = (math.tanh(math.atanh(correlation) + side * reach) for side in (-1, 1))
    return {"draws": draws, "correlation": round(correlation, 5), "low": round(low, 5), "high": round(high, 5)}


def _bins(expected: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return for every value its bin: neighbors share one until enough draws are expected in it."""
    bins, current, gathered = np.zeros(len(expected), dtype=np.int64), 0, 0.0
    for place, count in enumerate(expected):
        if gathered >= _LEAST:
            current, gathered = current + 1, 0.0
        bins[place] = current
        gathered += count
    return np.minimum(bins, max(current - 1, 0)) if gathered < _LEAST else bins
