"""Gaussian differential privacy: conversions against 60 digits, and no mechanism below the curve that it is charged."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.gaussian_dp import (
    MU_SQUARED_RESOLUTION,
    delta_from_mu_squared,
    epsilon_from_mu_squared,
    mu_squared_from_budget,
    mu_squared_of_range,
    range_of_mu_squared,
)
from dpsynth.accounting.zcdp import rho_from_budget
from dpsynth.errors import InvalidBudget

EPSILONS = ["1e-4", "0.01", "0.1", "1", "3", "10", "20"]
DELTAS = ["1e-12", "1e-9", "1e-6", "1e-3", "0.1"]


def exact_delta(mu_squared: Fraction, epsilon: Decimal) -> mpmath.mpf:
    """Return the delta of equation (1) of the design note; call it inside a working precision."""
    mu = mpmath.sqrt(mpmath.mpf(mu_squared.numerator) / mu_squared.denominator)
    amount = mpmath.mpf(str(epsilon))
    return mpmath.ncdf(mu / 2 - amount / mu) - mpmath.exp(amount) * mpmath.ncdf(-mu / 2 - amount / mu)


@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("epsilon", EPSILONS)
def test_a_budget_buys_the_largest_mu_that_keeps_it(epsilon: str, delta: str) -> None:
    budget = PrivacyBudget(epsilon, delta)
    bought = mu_squared_from_budget(budget)
    assert (bought / MU_SQUARED_RESOLUTION).denominator == 1
    with mpmath.workdps(60):
        asked = mpmath.mpf(str(budget.delta))
        assert exact_delta(bought, budget.epsilon) <= asked
        # One unit more, and the margin of 1e-9 in delta, would not keep it any more.
        assert exact_delta((bought + MU_SQUARED_RESOLUTION) * (1 + Fraction(4, 10**9)), budget.epsilon) > asked


@pytest.mark.parametrize("delta", ["1e-15", *DELTAS])
@pytest.mark.parametrize("mu_squared", ["1e-8", "1e-4", "0.01", "0.3", "4", "30"])
def test_conversions_are_rounded_toward_privacy_and_hardly(mu_squared: str, delta: str) -> None:
    amount = Fraction(mu_squared)
    epsilon = epsilon_from_mu_squared(amount, Decimal(delta))
    with mpmath.workdps(60):
        asked = mpmath.mpf(delta)
        assert exact_delta(amount, Decimal(epsilon)) <= asked
        if epsilon > 0:
            assert exact_delta(amount, Decimal(epsilon * (1 - 1e-8) - 1e-12)) > asked
            converted = mpmath.mpf(delta_from_mu_squared(amount, epsilon))
            assert 0 <= converted / exact_delta(amount, Decimal(epsilon)) - 1 < 2e-9


def test_the_gain_over_rho_is_that_of_the_design_note() -> None:
    gains = {}
    for epsilon, delta in [
        ("0.1", "1e-9"),
        ("0.1", "1e-6"),
        ("1", "1e-9"),
        ("1", "1e-6"),
        ("10", "1e-9"),
        ("10", "1e-6"),
    ]:
        budget = PrivacyBudget(epsilon, delta)
        gains[epsilon, delta] = round(
            100 * float(mu_squared_from_budget(budget) / (2 * rho_from_budget(budget)) - 1), 1
        )
    assert list(gains.values()) == [12.0, 18.2, 10.6, 15.0, 8.4, 10.9]


# mu = 2 Phi^-1(1 / (1 + exp(-epsilon / 2))), squared: the root of ncdf(x) = 1 / (1 + exp(-epsilon / 2)) by Newton's
# method to 60 digits with mpmath, times two.
RANGES = {
    "0.000001": "0.000000000000392699081698720643393490227894",
    "0.001": "0.000000392699078187309869910400860907",
    "0.1": "0.00392663973084068264075779436472",
    "1": "0.389241966475395526552144932032",
    "2": "1.51791119074195863087718278242",
    "10": "24.4696276441206810689428627655",
    "100": "374.408977073699658222046777563",
    "1000": "3965.04452944664635968297739799",
}


@pytest.mark.parametrize("epsilon", RANGES, ids=str)
def test_golden_costs_of_bounded_ranges(epsilon: str) -> None:
    found = mu_squared_of_range(Fraction(epsilon))
    assert found is not None
    exact = Fraction(RANGES[epsilon])
    assert 0 < found - exact < MU_SQUARED_RESOLUTION + Fraction(1, 10**12) * (1 + exact)


@settings(max_examples=200)
@given(st.fractions(min_value=Fraction(1, 10**6), max_value=1000))
def test_the_cost_of_a_range_is_rounded_up(epsilon: Fraction) -> None:
    found = mu_squared_of_range(epsilon)
    assert found is not None
    with mpmath.workdps(60):
        chance = 1 / (1 + mpmath.exp(mpmath.mpf(epsilon.numerator) / epsilon.denominator / 2))
        mu = mpmath.sqrt(mpmath.mpf(found.numerator) / found.denominator)
        # Twice the quantile is at most mu if and only if the normal mass below -mu / 2 is at most the chance.
        assert mpmath.ncdf(-mu / 2) <= chance
        assert mpmath.ncdf(-(mu - mpmath.mpf("1e-12") * (1 + mu + 1 / mu)) / 2) > chance


@given(st.fractions(min_value=MU_SQUARED_RESOLUTION, max_value=500))
def test_there_and_back_never_costs_more(mu_squared: Fraction) -> None:
    epsilon = range_of_mu_squared(mu_squared)
    cost, next_cost = mu_squared_of_range(epsilon), mu_squared_of_range(epsilon * (1 + Fraction(1, 2**24)))
    assert cost is not None
    assert next_cost is not None
    assert cost <= mu_squared
    assert next_cost >= mu_squared - 2 * MU_SQUARED_RESOLUTION


@pytest.mark.parametrize("mu_squared", [Fraction(0), Fraction(1, 10**13), Fraction(10**5)])
def test_a_choice_that_costs_nothing_or_everything_is_refused(mu_squared: Fraction) -> None:
    with pytest.raises(InvalidBudget):
        range_of_mu_squared(mu_squared)


def test_what_means_nothing_is_refused() -> None:
    for refused in (
        lambda: mu_squared_from_budget(PrivacyBudget(1, 0)),
        lambda: epsilon_from_mu_squared(Fraction(-1), 0.1),
        lambda: epsilon_from_mu_squared(Fraction(1), 0),
        lambda: delta_from_mu_squared(Fraction(-1), 1),
        lambda: delta_from_mu_squared(Fraction(1), -1),
        lambda: mu_squared_of_range(Fraction(-1)),
    ):
        with pytest.raises(InvalidBudget):
            refused()
    assert mu_squared_of_range(Fraction(0)) == epsilon_from_mu_squared(Fraction(0), 0.1) == 0
    assert mu_squared_of_range(Fraction(10**4)) is None


# ------------------------------------------------------------------------------------------------------------ curves


def trade_off_vertices(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return false alarms and misses of all likelihood-ratio tests of one law against another."""
    order = np.argsort(second / first)[::-1]
    return np.concatenate([[0], np.cumsum(first[order])]), np.concatenate([[1], 1 - np.cumsum(second[order])])


def deepest_below(first: np.ndarray, second: np.ndarray, mu: float) -> float:
    """Return by how much the trade-off curve of a pair lies below that of N(0, 1) and N(mu, 1), at most."""
    alarms, misses = trade_off_vertices(first, second)
    inner = (alarms > 1e-12) & (alarms < 1 - 1e-12)
    return float(np.max(ndtr(-ndtri(alarms[inner]) - mu) - misses[inner], initial=-1.0))


def drawn_pairs(epsilon: float, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return exponential mechanisms of random scores on neighbors, one a random monotone change, one to the limit."""
    pairs = []
    for size in (2, 3, 10, 100):
        for _ in range(50):
            scores = rng.normal(scale=rng.choice([0.1, 1, 5]), size=size)
            moved = rng.choice([rng.uniform(0, 1, size), rng.integers(0, 2, size).astype(float)])
            first, second = np.exp(epsilon * scores), np.exp(epsilon * (scores + moved))
            pairs.append((first / first.sum(), second / second.sum()))
    # Two outcomes, equally far from one half on either side: the worst of all.
    worst = 1 / (1 + math.exp(epsilon / 2))
    pairs.append((np.array([worst, 1 - worst]), np.array([1 - worst, worst])))
    return pairs


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 0.5, 1.0, 3.0, 8.0])
def test_no_choice_lies_below_the_curve_that_it_is_charged(epsilon: float) -> None:
    pairs = drawn_pairs(epsilon, np.random.default_rng(1))
    cost = mu_squared_of_range(Fraction(epsilon))
    assert cost is not None
    for first, second in pairs:
        assert deepest_below(first, second, math.sqrt(cost)) < 1e-12
        assert deepest_below(second, first, math.sqrt(cost)) < 1e-12


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 0.5, 1.0, 3.0])
def test_the_mu_of_rho_would_be_too_small_for_a_choice(epsilon: float) -> None:
    """Power: twice the zero-concentrated cost, epsilon^2 / 4, is the charge that looks right and is not."""
    pairs = drawn_pairs(epsilon, np.random.default_rng(1))
    assert max(deepest_below(first, second, epsilon / 2) for first, second in pairs) > 0.01 * epsilon
    slightly = 0.999 * math.sqrt(mu_squared_of_range(Fraction(epsilon)) or 0)
    assert max(deepest_below(first, second, slightly) for first, second in pairs) > 0


def test_discrete_gaussian_noise_is_not_as_private_as_gaussian_noise() -> None:
    values = np.arange(-40, 41)
    for sigma in (0.5, 1.0, 2.0):
        first = np.exp(-(values**2) / (2 * sigma**2))
        second = np.exp(-((values - 1) ** 2) / (2 * sigma**2))
        first, second = first / first.sum(), second / second.sum()
        kept = (first > 1e-300) & (second > 1e-300)
        assert deepest_below(first[kept], second[kept], 1 / sigma) > 1e-3
    # For sigma 1 the total variation distances are P(X = 0) = 0.3989 and 2 Phi(1/2) - 1 = 0.3829.
    assert 0.3989 < float(np.exp(0) / np.exp(-(values**2) / 2).sum()) < 0.3990
    assert 0.3829 < 2 * ndtr(0.5) - 1 < 0.3830


def test_rounded_gaussian_noise_is_as_private_as_gaussian_noise() -> None:
    edges = np.arange(-40, 42) - 0.5
    for sigma in (0.5, 1.0, 2.0):
        first, second = np.diff(ndtr(edges / sigma)), np.diff(ndtr((edges - 1) / sigma))
        kept = (first > 1e-300) & (second > 1e-300)
        assert deepest_below(first[kept], second[kept], 1 / sigma) < 1e-12
