"""From bounds on moments of the privacy loss to (epsilon, delta), at the best order.

A log-moment curve is a function of t > 0 that bounds log E[exp(t L)] for the privacy loss L of every pair of
neighbors in both directions; it is t times the Renyi divergence of order 1 + t. Every t gives a valid bound, so that
an inexact minimum costs accuracy and never privacy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Curve: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Log-moments at an array of t > 0; infinity where there is no bound."""

EXPONENTS = np.geomspace(1e-4, 1e8, 121)
"""Where a curve is looked at first, ten exponents per decade."""

ROUNDING = 1e-12
"""Relative amount by which a result is rounded up; less than in `zcdp`, so that an RDP epsilon is never above it."""

_ZOOMS = 7


def conversion(exponents: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the largest (1 - e^(x - l))_+ / e^(t (l - x)) over all l, which is at most 0.

    Source:
        Canonne, Kamath, Steinke (2020), proposition 12.
    """
    return exponents * np.log(exponents) - (1 + exponents) * np.log1p(exponents)


def epsilon_of_moments(curve: Curve, delta: float) -> float:
    """Return the smallest epsilon at `delta` over all exponents, rounded up."""
    if delta <= 0:
        return math.inf
    asked = math.log(delta)
    epsilon = _least(lambda t: (curve(t) + conversion(t) - asked) / t)
    return max(0.0, epsilon * (1 + ROUNDING))


def delta_of_moments(curve: Curve, epsilon: float) -> float:
    """Return the smallest delta at `epsilon` over all exponents, rounded up."""
    exponent = _least(lambda t: curve(t) + conversion(t) - t * epsilon)
    return min(1.0, math.exp(min(0.0, exponent + ROUNDING * (1 + abs(exponent)))))


def _least(bound: Curve) -> float:
    """Return the smallest value of `bound`, looking ever closer around the best exponent."""
    exponents = EXPONENTS
    values = bound(exponents)
    least = float(np.min(values))
    for _ in range(_ZOOMS):
        best = int(np.argmin(values))
        below, above = exponents[max(0, best - 1)], exponents[min(len(exponents) - 1, best + 1)]
        exponents = np.geomspace(float(below), float(above), 17)
        values = bound(exponents)
        least = min(least, float(np.min(values)))
    return least
