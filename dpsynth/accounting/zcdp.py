"""Zero-concentrated differential privacy: between rho and (epsilon, delta), by the tight conversion.

Sums of rho are exact fractions; only the conversion uses floating point, and it rounds toward privacy.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.errors import InvalidBudget

RHO_RESOLUTION = Fraction(1, 10**12)
"""The ledger counts rho in multiples of this, always rounded up."""

_ROUNDING = 1e-10
"""Relative amount by which a converted epsilon is rounded up; far above the error of the floating-point arithmetic."""


def epsilon_from_rho(rho: Fraction, delta: Decimal | Fraction | float) -> float:
    """Return the smallest epsilon that the tight conversion gives for `rho` at `delta`, rounded up.

    The conversion holds at every order above one; at the best order, 1 + t, the number t solves
    rho t^2 + log(1 + t) = log(1 / delta), so it is found by bisection. Any t gives a valid epsilon, so that an
    inexact t costs accuracy and never privacy.

    Raises:
        InvalidBudget: `rho` is negative, or `delta` is not strictly between 0 and 1.

    Source:
        Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2020), proposition 12.
    """
    if rho < 0 or not 0 < delta < 1:
        raise InvalidBudget("rho must be at least 0 and delta strictly between 0 and 1; zCDP gives nothing at delta 0")
    amount = float(rho)
    logarithm = -math.log(delta)
    if amount == 0.0:
        return 0.0
    least, most = 0.0, min(math.sqrt(logarithm / amount), math.expm1(logarithm))
    for _ in range(200):
        middle = (least + most) / 2
        if not least < middle < most:
            break
        if amount * middle * middle + math.log1p(middle) < logarithm:
            least = middle
        else:
            most = middle
    epsilon = (most + 1) * amount + (logarithm - math.log1p(most)) / most - math.log1p(1 / most)
    return max(0.0, epsilon * (1 + _ROUNDING)) if most > 0 else math.inf


def delta_from_rho(rho: Fraction, epsilon: Decimal | Fraction | float) -> float:
    """Return the smallest delta that the tight conversion gives for `rho` at `epsilon`, rounded up.

    Raises:
        InvalidBudget: `rho` or `epsilon` is negative.

    Source:
        Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2020), proposition 12.
    """
    if rho < 0 or epsilon < 0:
        raise InvalidBudget("rho and epsilon must be at least 0")
    amount, asked = float(rho), float(epsilon)
    if amount == 0.0:
        return 0.0
    least, most = 0.0, 1.0
    while (2 * most + 1) * amount - asked - math.log1p(1 / most) < 0:
        most *= 2
    for _ in range(200):
        middle = (least + most) / 2
        if not least < middle < most:
            break
        if (2 * middle + 1) * amount - asked - math.log1p(1 / middle) < 0:
            least = middle
        else:
            most = middle
    exponent = most * ((most + 1) * amount - asked) + most * math.log(most) - (1 + most) * math.log1p(most)
    return min(1.0, math.exp(exponent + _ROUNDING * (1 + abs(exponent))))


def rho_from_budget(budget: PrivacyBudget) -> Fraction:
    """Return the largest multiple of 1e-12 whose tight conversion at the budget's delta stays within its epsilon.

    Raises:
        InvalidBudget: delta is 0, or the budget is too small to buy 1e-12 of rho.
    """
    if budget.delta == 0:
        raise InvalidBudget(
            "delta 0 allows pure differential privacy only, and this release needs a delta above 0: "
            "choose one far below one over the number of people, such as 1e-6"
        )
    epsilon = Fraction(budget.epsilon)
    least, most = 0, 1
    while Fraction(epsilon_from_rho(most * RHO_RESOLUTION, budget.delta)) <= epsilon:
        least, most = most, 2 * most
    while most - least > 1:
        middle = (least + most) // 2
        if Fraction(epsilon_from_rho(middle * RHO_RESOLUTION, budget.delta)) <= epsilon:
            least = middle
        else:
            most = middle
    if least == 0:
        raise InvalidBudget(f"{budget} is too small to add any finite noise; choose a larger epsilon or delta")
    return least * RHO_RESOLUTION
