"""Rounding never gives less noise, and hardly more."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput
from dpsynth.mechanisms.rounding import chargeable, root_rounded_down, rounded_up

positive = st.builds(Fraction, st.integers(1, 10**30), st.integers(1, 10**30))


@given(positive)
def test_rounded_up_is_never_below_and_within_half_a_thousandth(parameter: Fraction) -> None:
    rounded = rounded_up(parameter)
    assert parameter <= rounded <= parameter * (1 + Fraction(1, 2048))
    assert rounded_up(rounded) == rounded
    assert rounded.numerator < 2**12 or rounded.denominator == 1


@given(st.integers(1, 4096), st.integers(-40, 40))
def test_short_binary_numbers_stay_as_they_are(mantissa: int, exponent: int) -> None:
    number = mantissa * Fraction(2) ** exponent
    assert rounded_up(number) == number


@given(positive)
def test_roots_are_never_above_and_within_a_millionth(square: Fraction) -> None:
    root = root_rounded_down(square)
    assert root**2 <= square <= (root * (1 + Fraction(1, 2**22))) ** 2


@given(st.fractions(Fraction(1, 10**12), 100))
def test_chargeable_is_a_whole_number_of_ledger_units(rho: Fraction) -> None:
    rounded = chargeable(rho)
    assert 0 <= rho - rounded < Fraction(1, 10**12)
    assert (rounded * 10**12).denominator == 1


@pytest.mark.parametrize("rho", [Fraction(0), Fraction(-1), Fraction(1, 10**13)])
def test_nothing_left_to_charge_is_refused(rho: Fraction) -> None:
    with pytest.raises(InvalidInput):
        chargeable(rho)
