"""The fixed-point exponential against an independent series in exact rationals."""

from __future__ import annotations

import decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.mechanisms.fixed_point import FRACTION_BITS, ONE, exponential, multiply


def exponential_by_series(exponent: Fraction) -> Fraction:
    """exp(-x) as 1 / exp(x / 2**n)**(2**n), the inner one by its Taylor series, to far more digits than needed."""
    halvings = 0
    while exponent > 1:
        exponent, halvings = exponent / 2, halvings + 1
    total, term = Fraction(0), Fraction(1)
    for order in range(1, 120):
        total += term
        term = Fraction(int(term * exponent / order * 2**700), 2**700)
    for _ in range(halvings):
        total = Fraction(int(total * total * 2**700), 2**700)
    return 1 / total


@given(st.fractions(0, 160, max_denominator=10**9))
def test_within_one_unit_of_the_series(exponent: Fraction) -> None:
    assert abs(exponential(exponent) - exponential_by_series(exponent) * ONE) <= 1


@pytest.mark.parametrize(
    "exponent", [Fraction(0), Fraction(1, 10**60), Fraction(157), Fraction(10**9), Fraction(10**400)]
)
def test_extreme_exponents(exponent: Fraction) -> None:
    expected = ONE if exponent < Fraction(1, 10**70) else None
    drawn = exponential(exponent)
    assert 0 <= drawn <= ONE
    if expected is not None:
        assert drawn == expected
    if exponent >= 157:
        assert drawn == 0


def test_one_over_e_golden() -> None:
    # 1/e to 60 decimals, from any table of constants; 2**-224 is below 1e-67.
    digits = "0.367879441171442321595523770161460867445811131031767834507836"
    assert abs(Fraction(exponential(Fraction(1)), ONE) - Fraction(digits)) < Fraction(1, 10**60)


def test_a_callers_decimal_context_does_not_reach_the_noise() -> None:
    before = exponential(Fraction(1, 3))
    with decimal.localcontext() as context:
        context.prec = 3
        context.rounding = decimal.ROUND_UP
        context.traps[decimal.Inexact] = True
        assert exponential(Fraction(1, 3)) == before


@given(st.integers(0, ONE), st.integers(0, ONE))
def test_products_are_rounded_down(first: int, second: int) -> None:
    exact = Fraction(first * second, 1 << FRACTION_BITS)
    assert 0 <= exact - multiply(first, second) < 1
