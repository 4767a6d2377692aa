"""The tight conversion: against a fine grid of orders, in both directions, at the ends."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.gaussian import gaussian_delta
from dpsynth.accounting.zcdp import RHO_RESOLUTION, delta_from_rho, epsilon_from_rho, rho_from_budget
from dpsynth.errors import InvalidBudget

rhos = st.fractions(min_value=Fraction(1, 10**9), max_value=50, max_denominator=10**9)
deltas = st.floats(min_value=1e-15, max_value=0.5)


def epsilon_on_a_grid(rho: float, delta: float) -> float:
    """Return the conversion of Canonne, Kamath, Steinke, proposition 12, at the best of many orders."""
    order = 1 + np.geomspace(1e-4, 1e8, 200_001)
    return float(np.min(order * rho + (math.log(1 / delta) - np.log(order)) / (order - 1) + np.log1p(-1 / order)))


@given(rhos, deltas)
def test_the_conversion_is_the_best_order(rho: Fraction, delta: float) -> None:
    slow = max(0.0, epsilon_on_a_grid(float(rho), delta))
    assert epsilon_from_rho(rho, delta) == pytest.approx(slow, rel=1e-6, abs=1e-12)
    assert epsilon_from_rho(rho, delta) <= slow * (1 + 1e-9) + 1e-12


@given(rhos, deltas)
def test_epsilon_and_delta_are_inverse_and_rounded_up(rho: Fraction, delta: float) -> None:
    epsilon = epsilon_from_rho(rho, delta)
    assert delta_from_rho(rho, epsilon) <= delta * (1 + 1e-6)
    if epsilon > 0:
        assert delta_from_rho(rho, epsilon * 0.999) > delta


@given(rhos, rhos, deltas)
def test_more_rho_costs_more(one: Fraction, other: Fraction, delta: float) -> None:
    assert (
        epsilon_from_rho(one + other, delta) > epsilon_from_rho(one, delta) or epsilon_from_rho(one + other, delta) == 0
    )
    assert delta_from_rho(one + other, 1.0) >= delta_from_rho(one, 1.0)


@given(rhos, deltas)
def test_one_gaussian_of_the_same_rho_is_within_the_promise(rho: Fraction, delta: float) -> None:
    epsilon = epsilon_from_rho(rho, delta)
    assert gaussian_delta(epsilon, 1 / math.sqrt(2 * float(rho))) <= delta * (1 + 1e-6)


@given(
    st.decimals(min_value=Decimal("0.001"), max_value=100, places=4).filter(lambda x: x > 0),
    st.sampled_from(["1e-12", "1e-9", "1e-6", "0.01"]),
)
def test_a_calibrated_rho_is_the_largest_that_keeps_the_budget(epsilon: Decimal, delta: str) -> None:
    budget = PrivacyBudget(epsilon, delta)
    rho = rho_from_budget(budget)
    assert (rho / RHO_RESOLUTION).denominator == 1
    assert Fraction(epsilon_from_rho(rho, budget.delta)) <= Fraction(epsilon)
    assert Fraction(epsilon_from_rho(rho + RHO_RESOLUTION, budget.delta)) > Fraction(epsilon)


def test_pure_privacy_has_no_rho_and_the_message_says_what_to_do() -> None:
    with pytest.raises(InvalidBudget, match="choose one far below one over the number of people"):
        rho_from_budget(PrivacyBudget(1, 0))


def test_a_budget_below_the_resolution_is_refused() -> None:
    with pytest.raises(InvalidBudget, match="too small"):
        rho_from_budget(PrivacyBudget("1e-6", "1e-12"))


@pytest.mark.parametrize("delta", [0, 1, -1e-6, float("nan"), 2])
def test_a_delta_outside_its_range_is_refused(delta: float) -> None:
    with pytest.raises(InvalidBudget):
        epsilon_from_rho(Fraction(1), delta)


def test_the_ends() -> None:
    assert epsilon_from_rho(Fraction(0), 1e-6) == 0
    assert epsilon_from_rho(Fraction(1, 10**12), 0.5) == 0
    assert delta_from_rho(Fraction(0), 0) == 0
    assert 0 < epsilon_from_rho(Fraction(10**9), 1e-6) < math.inf
    with pytest.raises(InvalidBudget):
        epsilon_from_rho(Fraction(-1), 1e-6)
    with pytest.raises(InvalidBudget):
        delta_from_rho(Fraction(1), -1.0)
