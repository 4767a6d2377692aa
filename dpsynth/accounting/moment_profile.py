"""The part of a composition that is known by its moments only, as a bound on its hockey-stick divergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.moments import conversion

_EXPONENTS = np.geomspace(1e-4, 1e8, 6001)
_ARITHMETIC = 1e-14
_CELLS_AT_ONCE = 60_000


@dataclass(frozen=True, slots=True)
class MomentPart:
    """Mechanisms without one worst pair: `rho` zCDP in all, and bounded-range draws.

    Attributes:
        rho: sum of everything that is zero-concentrated.
        ranges: (epsilon, count) of every kind of bounded-range draw.
    """

    rho: float
    ranges: Sequence[tuple[float, int]]

    def log_moments(self, exponents: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return bounds on the log-moments, valid for both directions and for adaptive choices.

        For losses in an interval of length epsilon with E[exp(-L)] = 1, the moment is largest on two points at the ends
        of the interval; the place of the interval then follows from setting a derivative to zero.

        Source:
            Dong, Durfee, Rogers (2020), lemma 3.2; Cesar, Rogers (2021), theorem 2, for the bound by epsilon^2 / 8.
        """
        t = np.asarray(exponents)
        total = t * (t + 1) * self.rho
        at_once = max(1, _CELLS_AT_ONCE // t.size)
        for first in range(0, len(self.ranges), at_once):
            epsilon, counts = np.array(self.ranges[first : first + at_once], dtype=float).T
            epsilon = epsilon[:, None]
            quadratic = t * (t + 1) * epsilon * epsilon / 8
            upper, lower = -np.expm1(-(t + 1) * epsilon), -np.expm1(-t * epsilon)
            with np.errstate(divide="ignore", invalid="ignore"):
                place = epsilon + np.log(t / (t + 1) * upper / lower)
                exact = t * place + np.log(upper / (t + 1)) - np.log(-np.expm1(-epsilon))
            slack = _ARITHMETIC * (1 + t * epsilon)
            total += counts @ np.fmin(quadratic, exact + slack)
        return total


class MomentProfile:
    """Upper bound on the hockey-stick divergence at every x, the best of one bound per exponent."""

    __slots__ = ("_heights", "_turns")

    def __init__(self, part: MomentPart) -> None:
        """Tabulate the straight lines, in x, of which the logarithm of the bound is the lowest."""
        self._heights = part.log_moments(_EXPONENTS) + conversion(_EXPONENTS)
        self._turns = np.diff(self._heights) / np.diff(_EXPONENTS)

    def log_delta(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logarithm of the bound at `points`.

        At x < 0 the divergence of the reversed pair at -x bounds it as well: delta(x) = 1 - e^x + e^x delta'(-x).
        """
        best = np.searchsorted(self._turns, np.abs(points))
        bound = np.minimum(0.0, self._heights[best] - _EXPONENTS[best] * np.abs(points))
        negative = np.minimum(points, 0.0)
        with np.errstate(divide="ignore"):
            reversed_bound = np.log(-np.expm1(negative) + np.exp(negative + bound))
        return np.where(points < 0, np.minimum(0.0, reversed_bound), bound)


class HockeyStick:
    """The bound of a part in which nothing happened."""

    __slots__ = ()

    def log_delta(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return log(1 - e^x) for negative `points`, and minus infinity for others."""
        with np.errstate(divide="ignore"):
            return np.log(-np.expm1(np.minimum(points, 0.0)))
