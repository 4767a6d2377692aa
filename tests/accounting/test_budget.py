"""Budgets are exact, and numbers that mean nothing are refused."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.accounting.budget import PrivacyBudget, epsilon_rounded_up, exact_decimal
from dpsynth.errors import InvalidBudget

MEANINGLESS = [
    *("nan", "-nan", "inf", "-inf", "Infinity", "1e-320", "-0.0", "-0", "-1", "", "one", "1_0", "0x1", "１", "1e99999"),
    *(float("nan"), float("inf"), -float("inf"), -0.0, -1.0, 0.0, 5e-324, 1e-320, True, False, None, [1], 1j),
    *(Decimal("NaN"), Decimal("sNaN"), Decimal("-0"), Decimal("Infinity"), np.float64("nan"), "1" * 65, 101, "100.1"),
]


@pytest.mark.parametrize("epsilon", MEANINGLESS, ids=repr)
def test_an_epsilon_that_means_nothing_is_refused(epsilon: object) -> None:
    with pytest.raises(InvalidBudget):
        PrivacyBudget(epsilon, "1e-6")  # type: ignore[arg-type]


@pytest.mark.parametrize("delta", [*(value for value in MEANINGLESS if repr(value) != "0.0"), 1, 1.0, "2"], ids=repr)
def test_a_delta_that_means_nothing_is_refused(delta: object) -> None:
    with pytest.raises(InvalidBudget):
        PrivacyBudget(1, delta)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "written", [0.1, np.float64(0.1), "0.1", " 0.1 ", ".1", "1e-1", "+0.1", Decimal("0.10")], ids=repr
)
def test_every_way_of_writing_a_tenth_is_a_tenth(written: float | str | Decimal) -> None:
    assert Fraction(PrivacyBudget(written, 0).epsilon) == Fraction(1, 10)


def test_delta_may_be_zero() -> None:
    assert PrivacyBudget(1, 0).delta == 0
    assert str(PrivacyBudget("1.50", "1e-6")) == "epsilon 1.5, delta 1e-06"


@given(st.decimals(min_value=Decimal("1e-12"), max_value=100, allow_nan=False, places=12).filter(lambda x: x > 0))
def test_decimals_are_kept(epsilon: Decimal) -> None:
    assert PrivacyBudget(epsilon, 0).epsilon == epsilon
    assert exact_decimal("epsilon", str(epsilon)) == epsilon


def test_rounding_happens_at_the_fourth_decimal_and_only_up() -> None:
    assert str(epsilon_rounded_up(0.1)) == "0.1000"  # the float next to a tenth is a tenth
    assert epsilon_rounded_up(0.10001) == Decimal("0.1001")
    assert epsilon_rounded_up(Fraction(1, 3)) == Decimal("0.3334")
    assert epsilon_rounded_up(Decimal("0.3000")) == Decimal("0.3")
    assert epsilon_rounded_up(1e-300) == Decimal("0.0001")
    assert epsilon_rounded_up(0.0) == 0


@given(st.floats(min_value=0, max_value=1e6))
def test_a_reported_epsilon_is_never_smaller(epsilon: float) -> None:
    reported = epsilon_rounded_up(epsilon)
    assert 0 <= Fraction(reported) - Fraction(repr(epsilon)) < Fraction(1, 10_000)


@pytest.mark.parametrize("epsilon", [float("inf"), float("nan"), -1.0])
def test_an_infinite_epsilon_cannot_be_reported(epsilon: float) -> None:
    with pytest.raises(InvalidBudget):
        epsilon_rounded_up(epsilon)
