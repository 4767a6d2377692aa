"""Rounding never gives less noise, and hardly more."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput
from dpsynth.mechanisms.rounding import chargeable, next_larger, root_rounded_down, rounded_up

positive = st.builds(Fraction, st.integers(1, 10**30), st.integers(1, 10**30))


@given(positive)
def test_rounded_up_is_never_below_and_within_half_a_thousandth(parameter: Fraction) -> None:
    rounded = rounded_up(parameter)
    assert parameter <= rounded <= parameter * (1 + Fraction(1, 2048))
    assert rounded_up(rounded) == rounded
    assert rounded < next_larger(rounded) == rounded_up(rounded * (1 + Fraction(1, 10**9)))
    assert rounded.numerator < 2**12 or rounded.denominator == 1


@given(st.integers(1, 4096), st.integers(-40, 40))
def test_short_binary_numbers_stay_as_they_are(mantissa: int, exponent: int) -> None:
    number = mantissa * Fraction(2) ** exponent
    assert rounded_up(number) == number


@given(positive)
def test_roots_are_floats_never_above_and_as_near_as_floats_are(square: Fraction) -> None:
    root = root_rounded_down(square, bits=52)
    assert root**2 <= square <= (root * (1 + Fraction(1, 2**52))) ** 2
    assert Fraction(float(root)) == root


@given(st.fractions(Fraction(1, 10**12), 100))
def test_chargeable_is_a_whole_number_of_ledger_units(amount: Fraction) -> None:
    rounded = chargeable(amount)
    assert 0 <= amount - rounded < Fraction(1, 10**12)
    assert (rounded * 10**12).denominator == 1


@pytest.mark.parametrize("amount", [Fraction(0), Fraction(-1), Fraction(1, 10**13)])
def test_nothing_left_to_charge_is_refused(amount: Fraction) -> None:
    with pytest.raises(InvalidInput):
        chargeable(amount)
