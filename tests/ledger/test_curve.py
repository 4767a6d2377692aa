"""The curve that an entry states is computed anew; one that is not true is found, and nothing rests on it."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.accounting.cost import PrivacyCost, cost_of
from dpsynth.accounting.events import GdpEvent, NonPrivateDpEvent
from dpsynth.accounting.gaussian_dp import delta_from_mu_squared, epsilon_from_mu_squared
from dpsynth.errors import LedgerCorrupted
from dpsynth.ledger import Ledger
from dpsynth.ledger.books import checked_books
from dpsynth.ledger.curve import DELTAS, curve_agrees, curve_of, plainly_agrees
from tests.ledger.requests_for_tests import spend
from tests.ledger.test_books import BUDGET, RESERVE, chained

MU_SQUARED = st.fractions(min_value=Fraction(1, 10**9), max_value=40, max_denominator=10**12)


@given(MU_SQUARED, st.sampled_from([Fraction(0), Fraction(1, 10**7)]))
@settings(max_examples=60)
def test_a_curve_is_never_too_low_and_at_most_two_steps_too_high(mu_squared: Fraction, failing: Fraction) -> None:
    spent = PrivacyCost(rho=mu_squared / 2, epsilon=None, delta=failing, mu_squared=mu_squared)
    curve = curve_of(spent)
    assert curve.keys() == {name for name, delta in DELTAS.items() if delta > failing}
    for name, epsilon in curve.items():
        left = DELTAS[name] - failing
        assert delta_from_mu_squared(mu_squared, Fraction(epsilon)) <= left * (1 + Fraction(1, 10**12))
        assert float(epsilon) <= epsilon_from_mu_squared(mu_squared, left) + 2e-4
    assert curve_agrees(curve, spent)
    for name in curve:
        assert not curve_agrees({**curve, name: str(float(curve[name]) + 0.0005)}, spent)
        assert not curve_agrees({one: curve[one] for one in curve if one != name}, spent)
        if float(curve[name]) > 0.0005:
            assert not curve_agrees({**curve, name: str(float(curve[name]) - 0.0005)}, spent)


@given(MU_SQUARED, st.sampled_from([-1.5, -1, -0.5, 0, 0.5, 1, 1.5]), st.sampled_from(sorted(DELTAS)))
@settings(max_examples=60)
def test_what_agrees_plainly_agrees(mu_squared: Fraction, steps: float, name: str) -> None:
    spent = PrivacyCost(rho=mu_squared / 2, epsilon=None, delta=Fraction(0), mu_squared=mu_squared)
    true = curve_of(spent)
    assert plainly_agrees(true, math.inf, float(mu_squared))
    stated = {**true, name: f"{max(0.0, float(true[name]) + 1e-4 * steps):.5f}"}
    assert curve_agrees(stated, spent) or not plainly_agrees(stated, math.inf, float(mu_squared))
    # Neither is it kept for another curve or another sum.
    wrong = {**true, name: str(float(true[name]) + 0.0005)}
    assert not plainly_agrees(wrong, math.inf, float(mu_squared))
    assert not plainly_agrees(true, math.inf, 1.5 * float(mu_squared) + 1e-7)
    assert not plainly_agrees(true, float(true["1e-5"]) / 2, float(mu_squared)) or true["1e-5"] == "0"


def test_what_costs_infinity_has_no_curve_and_pure_costs_have_a_flat_one() -> None:
    assert curve_of(cost_of(NonPrivateDpEvent())) == {}
    nothing = PrivacyCost(Fraction(0), Fraction(0), Fraction(0), Fraction(0))
    assert set(curve_of(nothing).values()) == {"0"}
    pure = PrivacyCost(rho=None, epsilon=Fraction(3, 10), delta=Fraction(0))
    assert set(curve_of(pure).values()) == {"0.3"}
    small = PrivacyCost(rho=Fraction(1, 200), epsilon=None, delta=Fraction(0))
    assert all(0 < float(epsilon) < 1 for epsilon in curve_of(small).values())
    for spent in (nothing, pure, small, cost_of(GdpEvent(Fraction(1, 10)))):
        assert curve_agrees(curve_of(spent), spent)


def test_entries_that_change_a_count_state_what_results(path: Path, ledger: Ledger) -> None:
    spend(ledger, "0.25")
    budget, reserve, opening, settle = ledger.entries()
    assert budget.curve is opening.curve is None
    assert reserve.curve == settle.curve == {"patients": {"1e-5": "0.25", "1e-6": "0.25", "1e-9": "0.25"}}


@pytest.mark.parametrize(
    "curve",
    [
        {"patients": {"1e-5": "0.1", "1e-6": "0.4", "1e-9": "0.4"}},
        {"patients": {}},
        {"others": {"1e-5": "0.4", "1e-6": "0.4", "1e-9": "0.4"}},
        {},
    ],
)
def test_a_curve_that_is_not_true_is_found(curve: dict[str, dict[str, str]]) -> None:
    checked_books(chained(BUDGET, RESERVE))
    true = {"patients": {"1e-5": "0.4", "1e-6": "0.4", "1e-9": "0.4"}}
    checked_books(chained(BUDGET, dataclasses.replace(RESERVE, curve=true)))
    if curve:
        with pytest.raises(LedgerCorrupted, match="entry 2 states another cost"):
            checked_books(chained(BUDGET, dataclasses.replace(RESERVE, curve=curve)))
