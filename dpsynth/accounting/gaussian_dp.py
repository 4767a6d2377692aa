"""Gaussian differential privacy: between the squared parameter and (epsilon, delta), and what choices cost in it.

A mechanism is mu-GDP when telling two neighbors apart by its answer is at least as hard as telling N(0, 1) from
N(mu, 1). Squared parameters add up, exactly as fractions and also when each is chosen after earlier answers; the design
note `docs/design/gaussian_filter.md` proves what this module relies on. Only conversions use floating point; they round
toward privacy.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from statistics import NormalDist

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.errors import InvalidBudget

MU_SQUARED_RESOLUTION = Fraction(1, 10**12)
"""The ledger counts squared mu in multiples of this, always rounded up."""

_LARGEST_RANGE = 1400
_ARITHMETIC = 1e-13
"""By how much a quantile of the normal distribution is rounded toward privacy; its error is below 1e-14."""

_STANDARD_NORMAL = NormalDist()
_RANGE_BITS = 26
_UNITS = MU_SQUARED_RESOLUTION.denominator
_UNDERFLOW = 26.0


def delta_from_mu_squared(mu_squared: Fraction, epsilon: Decimal | Fraction | float) -> float:
    """Return the delta at `epsilon` of what is mu-GDP, rounded up.

    Raises:
        InvalidBudget: `mu_squared` or `epsilon` is negative.

    Source:
        Dong, Roth, Su, "Gaussian Differential Privacy" (2019), corollary 2.13.
    """
    if mu_squared < 0 or not epsilon >= 0:
        raise InvalidBudget("squared mu and epsilon must be at least 0")
    # Needs SciPy, which is loaded where something is converted and not by everybody who imports the package.
    from dpsynth.accounting.gaussian import gaussian_delta

    return gaussian_delta(float(epsilon), 1 / math.sqrt(mu_squared)) if mu_squared else 0.0


def epsilon_from_mu_squared(mu_squared: Fraction, delta: Decimal | Fraction | float) -> float:
    """Return the smallest epsilon at `delta` of what is mu-GDP, rounded up.

    Raises:
        InvalidBudget: `mu_squared` is negative, or `delta` is not strictly between 0 and 1.
    """
    if mu_squared < 0 or not 0 < delta < 1:
        raise InvalidBudget("squared mu must be at least 0 and delta strictly between 0 and 1")
    from dpsynth.accounting.gaussian import gaussian_epsilon

    return gaussian_epsilon(delta, 1 / math.sqrt(mu_squared)) if mu_squared else 0.0


@lru_cache(maxsize=4096)
def mu_squared_from_budget(budget: PrivacyBudget) -> Fraction:
    """Return the largest multiple of 1e-12 for which mu-GDP keeps `budget`.

    Raises:
        InvalidBudget: delta is 0, or the budget is too small to buy 1e-12 of squared mu.
    """
    if budget.delta == 0:
        raise InvalidBudget(
            "delta 0 allows pure differential privacy only, and this release needs a delta above 0: "
            "choose one far below one over the number of people, such as 1e-6"
        )
    delta = float(budget.delta)

    def keeps(units: int) -> bool:
        return delta_from_mu_squared(units * MU_SQUARED_RESOLUTION, budget.epsilon) <= delta

    least, most = 0, 1
    while keeps(most):
        least, most = most, 2 * most
    while most - least > 1:
        middle = (least + most) // 2
        if keeps(middle):
            least = middle
        else:
            most = middle
    if least == 0:
        raise InvalidBudget(f"{budget} is too small to add any finite noise; choose a larger epsilon or delta")
    return least * MU_SQUARED_RESOLUTION


def mu_squared_of_range(epsilon: Fraction) -> Fraction | None:
    """Return the squared mu of every mechanism whose losses lie in an interval of length `epsilon`, rounded up.

    It is (2 Phi^-1(1 / (1 + exp(-epsilon / 2))))^2: the worst place of the interval is the symmetric one. None where
    epsilon is beyond 1400. A purely epsilon-private mechanism has losses in an interval of length 2 epsilon.

    Raises:
        InvalidBudget: `epsilon` is negative.
    """
    over, under = epsilon.as_integer_ratio()
    if over < 0:
        raise InvalidBudget("the range of a loss must be at least 0")
    units = units_of_range(over, under)
    return None if units is None else units * MU_SQUARED_RESOLUTION


def units_of_range(over: int, under: int) -> int | None:
    """Return the squared mu that `mu_squared_of_range` finds for `over` / `under`, at least 0, as multiples of 1e-12.

    A ledger asks this for hundreds of thousands of choices, and adds up whole numbers.
    """
    if over > _LARGEST_RANGE * under:
        return None
    if over == 0:
        return 0
    mu = -2 * _STANDARD_NORMAL.inv_cdf(1 / (1 + math.exp(over / under / 2)))
    over, under = (mu + _ARITHMETIC * (1 + mu)).as_integer_ratio()
    return -(-over * over * _UNITS // (under * under))


def range_of_mu_squared(mu_squared: Fraction) -> Fraction:
    """Return an epsilon, 26 binary digits rounded down, for which `mu_squared_of_range` is at most `mu_squared`.

    Raises:
        InvalidBudget: `mu_squared` is below 1e-12, or so large that no epsilon below 1400 costs as much.
    """
    if mu_squared < MU_SQUARED_RESOLUTION:
        raise InvalidBudget(f"a choice costs a squared mu of at least 1e-12; asked for {float(mu_squared):.3g}")
    affordable = math.floor(mu_squared / MU_SQUARED_RESOLUTION) * MU_SQUARED_RESOLUTION
    point = math.sqrt(affordable / 8)  # mu / 2, over the square root of two
    if point < 1:
        epsilon = 4 * math.atanh(math.erf(point))
    elif point < _UNDERFLOW:
        epsilon = 2 * (math.log(math.erfc(-point)) - math.log(math.erfc(point)))
    else:
        raise InvalidBudget("so much squared mu for one choice would switch privacy off")
    unit = Fraction(2) ** (math.frexp(epsilon)[1] - _RANGE_BITS)
    steps = math.floor(Fraction(epsilon) / unit)
    while (cost := mu_squared_of_range(steps * unit)) is None or cost > affordable:
        steps -= 1
    return steps * unit
