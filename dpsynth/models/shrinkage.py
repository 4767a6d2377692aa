"""Shrinkage: where a noisy table differs from what was expected by no more than noise would, the expected is nearer."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar

from dpsynth.models.factor import Floats

_BEYOND = 10.0
"""How far the search for the spread reaches below the noise and above the largest difference, in logarithms."""


def shrunk(counts: Floats, expected: Floats, stddev: float) -> Floats:
    """Return the posterior mean of a table whose cells scatter around what was expected, in proportion to it.

    The model is: count = expected + difference, where the difference is normal with variance `spread * expected`. The
    spread is the one under which the noisy counts are likeliest. A cell where nothing was expected has little to say,
    so its noise goes; where the table differs plainly, hardly anything changes.

    Args:
        counts: noisy counts, any shape, in rows.
        expected: what was expected before, from other noise than that of `counts`; same shape, in rows. Negative
            cells count as zero.
        stddev: standard deviation of the noise of each count, in rows.

    Privacy: post-processing of counts that were charged before.
    Source: Efron, "Large-Scale Inference" (2010), section 1.3 (empirical Bayes with a fitted normal prior).
    """
    floor, noise = np.maximum(expected, 0.0), stddev * stddev
    if not floor.any() or noise == 0:
        return np.array(counts, dtype=np.float64)
    # Everything in units of the noise and of the largest expectation, so that no scale can overflow.
    shape = floor / floor.max()
    surprise = ((counts - expected) / stddev) ** 2

    def unlikeliness(log_spread: float) -> float:
        variance = 1 + math.exp(log_spread) * shape
        return float((np.log(variance) + surprise / variance).sum())

    most = math.log1p(float(surprise.max())) + _BEYOND
    log_spread = float(minimize_scalar(unlikeliness, bounds=(-_BEYOND, most), method="bounded").x)
    if unlikeliness(log_spread) >= float(surprise.sum()):
        return np.array(expected, dtype=np.float64)
    spread = math.exp(log_spread) * shape
    shrunken: Floats = expected + spread / (1 + spread) * (counts - expected)
    return shrunken
