"""The exact privacy profile of Gaussian noise, and the noise that a budget needs."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.errors import InvalidBudget, InvalidInput

_ROUNDING = 1e-9
"""Relative amount by which every result is rounded toward privacy; the arithmetic is good to about 1e-12."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_NARROW = 0.5
_UNITS = 2.0**-50


def gaussian_delta(epsilon: float, noise_multiplier: float) -> float:
    """Return the delta of one Gaussian release at `epsilon`, rounded up.

    Raises:
        InvalidBudget: `epsilon` is negative or `noise_multiplier` not positive.

    Source:
        Balle, Wang, "Improving the Gaussian Mechanism for Differential Privacy" (2018), theorem 8.
    """
    if not epsilon >= 0 or not noise_multiplier > 0:
        raise InvalidBudget("epsilon must be at least 0 and the noise multiplier above 0")
    width = 1 / noise_multiplier
    centre = epsilon * noise_multiplier
    first, second = centre - width / 2, centre + width / 2
    if width > _NARROW:
        tail, other = float(log_ndtr(-first)), epsilon + float(log_ndtr(-second))
        exact = math.exp(tail) * -math.expm1(other - tail)
    else:
        # Phi(-a) - e^epsilon Phi(-b) = phi(a) (M(a) - M(b)) with the Mills ratio M, and M' = x M - 1. Integrating the
        # derivative instead of subtracting keeps all digits where a and b almost coincide.
        points = centre + _NODES * width / 2
        slope = 1 - points * math.sqrt(math.pi / 2) * erfcx(points / math.sqrt(2))
        density = math.exp(-first * first / 2) / math.sqrt(2 * math.pi)
        exact = density * float(_WEIGHTS @ slope) * width / 2
    return min(1.0, max(0.0, exact) * (1 + _ROUNDING))


def gaussian_deltas(epsilons: NDArray[np.float64], mu: float) -> NDArray[np.float64]:
    """Return the delta of mu-GDP at each of `epsilons`, each at least 0, rounded **down**."""
    first, second = epsilons / mu - mu / 2, epsilons / mu + mu / 2
    if mu > _NARROW:
        tail, other = log_ndtr(-first), epsilons + log_ndtr(-second)
        exact = np.exp(tail) * -np.expm1(other - tail)
    else:
        points = (epsilons / mu)[:, np.newaxis] + _NODES * mu / 2
        slope = 1 - points * math.sqrt(math.pi / 2) * erfcx(points / math.sqrt(2))
        exact = np.exp(-first * first / 2) / math.sqrt(2 * math.pi) * (slope @ _WEIGHTS) * mu / 2
    rounded: NDArray[np.float64] = np.maximum(exact, 0.0) * (1 - _ROUNDING)
    return rounded


def gaussian_epsilon(delta: Decimal | Fraction | float, noise_multiplier: float) -> float:
    """Return the epsilon of one Gaussian release at `delta`, rounded up.

    Raises:
        InvalidBudget: `delta` is not strictly between 0 and 1, or `noise_multiplier` not positive.
    """
    asked = _checked(delta)
    return _smallest(lambda epsilon: gaussian_delta(epsilon, noise_multiplier) <= asked, 1.0)


def noise_multiplier_for(budget: PrivacyBudget, count: int = 1) -> float:
    """Return the smallest noise multiplier of each of `count` Gaussian releases that keep `budget`, rounded up.

    However many there are, they are one release with noise smaller by the square root of `count`: nothing is composed.

    Raises:
        InvalidBudget: the delta of the budget is 0.
        InvalidInput: `count` is not a positive integer.
    """
    if type(count) is not int or count < 1:
        raise InvalidInput("noise is calibrated to a positive number of releases")
    asked, epsilon = _checked(budget.delta), float(budget.epsilon)
    alone = _smallest(lambda noise: noise > 0 and gaussian_delta(epsilon, noise) <= asked, 1.0)
    return alone if count == 1 else alone * math.sqrt(count) * (1 + _UNITS)


def _checked(delta: Decimal | Fraction | float) -> float:
    if not 0 < delta < 1:
        raise InvalidBudget("Gaussian noise needs a delta strictly between 0 and 1")
    return float(delta)


def _smallest(holds: Callable[[float], bool], start: float) -> float:
    """Return the end of a bisection that `holds`; larger arguments hold as well."""
    if holds(0.0):
        return 0.0
    least, most = 0.0, start
    while not holds(most):
        least, most = most, 2 * most
    for _ in range(200):
        middle = (least + most) / 2
        if not least < middle < most:
            break
        if holds(middle):
            most = middle
        else:
            least = middle
    return most
