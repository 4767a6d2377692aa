"""The best of all adversaries who adapt, computed backwards over the privacy loss, never passes the Gaussian filter.

Delta at epsilon is the largest expectation of (1 - exp(epsilon - loss))_+ over the answers on one table. Somebody who
adapts needs to remember two things only, the loss so far and what is left to spend; so the best strategy is found by
going backwards from an empty allowance. Losses lie on a grid of step h; expectations over normal steps by the
trapezoid rule, over two-point steps by linear interpolation: both are right to a relative 1e-3 here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, ndtr
from scipy.stats import norm

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.cost import ZERO_COST, cost_of
from dpsynth.accounting.events import ApproximateDpEvent, GdpEvent
from dpsynth.accounting.filter import AdaptiveFilter
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget, range_of_mu_squared

Floats = NDArray[np.float64]
STEP = 0.001
UNITS = 8
PLACES = (0.25, 0.5, 0.75)
BUDGETS = [("1", "1e-6"), ("0.1", "1e-3"), ("0.1", "0.05"), ("2", "1e-4")]


def range_charged_by_rho(mu_squared: Fraction) -> Fraction:
    """Return what a wrong filter would grant a choice: twice its zero-concentrated cost, epsilon^2 / 4."""
    return Fraction(2 * math.sqrt(mu_squared))


def two_points(epsilon: float, place: float) -> list[tuple[float, float]]:
    """Return (loss, probability) of a choice whose losses are the ends of an interval of this length around 0."""
    high, low = place * epsilon, (place - 1) * epsilon
    # The expectation of exp(-loss) is one.
    chance = -math.expm1(-low) / (math.exp(-high) - math.exp(-low))
    return [(high, chance), (low, 1 - chance)]


def after_gaussian(value: Floats, mu_squared: float) -> Floats:
    """Return the expected value after a Gaussian answer; the loss is normal, mean mu^2 / 2 and variance mu^2."""
    deviation = math.sqrt(mu_squared)
    reach = math.ceil((9 * deviation + mu_squared) / STEP)
    weights = norm.pdf(np.arange(-reach, reach + 1) * STEP, mu_squared / 2, deviation) * STEP
    return np.convolve(np.pad(value, reach, mode="edge"), weights[::-1], mode="valid")


def largest_delta(
    budget: PrivacyBudget, range_bought: Callable[[Fraction], Fraction], *, choices: bool = True
) -> float:
    """Return the delta of the best adversary, in units of the budget's."""
    unit = mu_squared_from_budget(budget) / UNITS
    epsilon = float(budget.epsilon)
    losses = np.arange(-3, epsilon + 4, STEP)
    values = [np.maximum(0.0, -np.expm1(epsilon - losses))]
    for left in range(1, UNITS + 1):
        options = [after_gaussian(values[left - 1], float(unit))]
        # The last Gaussian steps at once, where the value before them has a kink.
        options.append(after_gaussian(values[0], float(left * unit)))
        for spent in {1, 2, 4, UNITS} if choices else set():
            if spent <= left:
                width = float(range_bought(spent * unit))
                for place in PLACES:
                    parts = two_points(width, place)
                    options.append(
                        sum(chance * np.interp(losses + loss, losses, values[left - spent]) for loss, chance in parts)
                    )
        values.append(np.max(options, axis=0))
    return float(np.interp(0.0, losses, values[UNITS])) / float(budget.delta)


@pytest.mark.parametrize(("epsilon", "delta"), BUDGETS)
def test_nobody_gets_more_than_the_budget_by_adapting(epsilon: str, delta: str) -> None:
    budget = PrivacyBudget(epsilon, delta)
    by_gaussians = largest_delta(budget, range_of_mu_squared, choices=False)
    assert by_gaussians == pytest.approx(1, abs=1e-3)  # which also says how exact the computation is
    assert largest_delta(budget, range_of_mu_squared) <= 1 + 1e-3


@pytest.mark.parametrize(("epsilon", "delta"), BUDGETS)
def test_choices_charged_by_rho_are_caught(epsilon: str, delta: str) -> None:
    """Power: the same computation sees a filter that lets choices have what measurements cost in rho."""
    assert largest_delta(PrivacyBudget(epsilon, delta), range_charged_by_rho) > 1.2


# ---------------------------------------------------------------------------- a rule that is no filter: totals of lists


def gaussian_profile(mu_squared: float, epsilon: Floats) -> Floats:
    """Return the hockey-stick divergence of a Gaussian at any epsilon, negative ones too."""
    mu = math.sqrt(mu_squared)
    return ndtr(mu / 2 - epsilon / mu) - np.exp(epsilon) * ndtr(-mu / 2 - epsilon / mu)


def coin_profile(pure: float, epsilon: Floats) -> Floats:
    """Return the hockey-stick divergence of a randomised response at any epsilon."""
    parts = [(pure, expit(pure)), (-pure, expit(-pure))]
    return sum(chance * np.maximum(0.0, -np.expm1(epsilon - loss)) for loss, chance in parts)


def delta_after(first: float, profile: Callable[[Floats], Floats], epsilon: float) -> tuple[float, Floats, Floats]:
    """Return delta of a Gaussian answer of squared mu `first` and then what has `profile`, and how it comes about."""
    deviation = math.sqrt(first)
    losses = np.linspace(first / 2 - 12 * deviation, first / 2 + 12 * deviation, 40_001)
    density = norm.pdf(losses, first / 2, deviation)
    then = profile(epsilon - losses)
    return float(np.trapezoid(then * density, losses)), then, np.asarray(density * (losses[1] - losses[0]))


def test_exact_totals_of_lists_are_no_filter_and_this_filter_refuses() -> None:
    """Two continuations, each of which keeps (1, 1e-6) together with the first answer, do not if chosen by its loss.

    A rule that grants whatever keeps the exact total of the list so far, as a privacy-loss distribution would compute
    it, grants both.
    """
    budget = PrivacyBudget(1, "1e-6")
    whole, epsilon, delta = mu_squared_from_budget(budget), 1.0, 1e-6
    first = float(whole) * 0.6

    def total(pure: float) -> float:
        return delta_after(first, lambda x: coin_profile(pure, x), epsilon)[0] - delta

    pure = float(brentq(total, 0.01, 0.6))
    coin, after_coin, weight = delta_after(first, lambda x: coin_profile(pure, x), epsilon)
    gauss, after_gauss, _ = delta_after(first, lambda x: gaussian_profile(float(whole) - first, x), epsilon)
    assert coin == pytest.approx(delta, rel=1e-6)
    assert gauss == pytest.approx(delta, rel=1e-6)
    assert float(np.maximum(after_coin, after_gauss) @ weight) > 1.05 * delta
    spent = ZERO_COST + cost_of(GdpEvent(Fraction(first).limit_denominator(10**12)))
    asked = cost_of(ApproximateDpEvent(Decimal(f"{pure:.9f}"), Decimal(0)))
    assert not AdaptiveFilter(budget).admits(spent, asked)
