"""Rounding of noise parameters, always toward more noise: the one place where a mechanism's parameter is rounded.

Source: what is rounded is variance = squared_l2 / squared mu, Dong, Roth, Su (1905.02383), theorem 2.7, and scale =
l1 / epsilon. The epsilon of a choice is rounded by `accounting.gaussian_dp.range_of_mu_squared`.
"""

from __future__ import annotations

import math
from fractions import Fraction

from dpsynth.accounting.budget import SMALLEST
from dpsynth.errors import InvalidInput

_GRID_BITS = 12
_RESOLUTION = Fraction(SMALLEST)


def rounded_up(parameter: Fraction) -> Fraction:
    """Return the smallest number of 12 binary digits that is at least `parameter`, at most 0.05 % above it.

    A coarse grid keeps tables few: releases of nearly the same noise share one.
    """
    unit = Fraction(2) ** (_floor_log2(parameter) - _GRID_BITS + 1)
    return math.ceil(parameter / unit) * unit


def next_larger(rounded: Fraction) -> Fraction:
    """Return the number of 12 binary digits that follows `rounded`, which is one."""
    return rounded + Fraction(2) ** (_floor_log2(rounded) - _GRID_BITS + 1)


def root_rounded_down(square: Fraction, *, bits: int) -> Fraction:
    """Return the largest number of `bits` + 1 binary digits that is at most sqrt(`square`)."""
    shift = bits - _floor_log2(square) // 2
    scaled = square * Fraction(4) ** shift
    return math.isqrt(math.floor(scaled)) * Fraction(2) ** -shift


def chargeable(amount: Fraction) -> Fraction:
    """Return `amount` rounded down to the ledger's resolution of 1e-12.

    A mechanism built for the result is still charged at most `amount` after its own cost has been rounded up.

    Raises:
        InvalidInput: when nothing remains.
    """
    units = math.floor(amount / _RESOLUTION)
    if units < 1:
        raise InvalidInput(f"what a query may cost must be at least {SMALLEST}; asked for {float(amount):.3g}")
    return units * _RESOLUTION


def _floor_log2(number: Fraction) -> int:
    exponent = number.numerator.bit_length() - number.denominator.bit_length()
    return exponent if number >= Fraction(2) ** exponent else exponent - 1
