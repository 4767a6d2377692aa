"""Rounding of noise parameters, always toward more noise: the one place where a mechanism's parameter is rounded.

Source: what is rounded is variance = squared_l2 / (2 rho), Bun, Steinke (1605.02065), Proposition 1.6, and epsilon =
sqrt(8 rho), Cesar, Rogers (2004.07223).
"""

from __future__ import annotations

import math
from fractions import Fraction

from dpsynth.accounting.budget import SMALLEST
from dpsynth.errors import InvalidInput

_GRID_BITS = 12
_ROOT_BITS = 24
_RESOLUTION = Fraction(SMALLEST)


def rounded_up(parameter: Fraction) -> Fraction:
    """Return the smallest number of 12 binary digits that is at least `parameter`, at most 0.05 % above it.

    A coarse grid keeps tables few: releases of nearly the same noise share one.
    """
    unit = Fraction(2) ** (_floor_log2(parameter) - _GRID_BITS + 1)
    return math.ceil(parameter / unit) * unit


def root_rounded_down(square: Fraction) -> Fraction:
    """Return a number of at least 24 binary digits that is at most sqrt(`square`), at most 1.2e-7 of it below."""
    shift = _ROOT_BITS - _floor_log2(square) // 2
    scaled = square * Fraction(4) ** shift
    return math.isqrt(math.floor(scaled)) * Fraction(2) ** -shift


def chargeable(rho: Fraction) -> Fraction:
    """Return `rho` rounded down to the ledger's resolution of 1e-12.

    A mechanism built for the result is still charged at most `rho` after its own cost has been rounded up.

    Raises:
        InvalidInput: when nothing remains.
    """
    units = math.floor(rho / _RESOLUTION)
    if units < 1:
        raise InvalidInput(f"rho must be at least {SMALLEST}; asked for {float(rho):.3g}")
    return units * _RESOLUTION


def _floor_log2(number: Fraction) -> int:
    exponent = number.numerator.bit_length() - number.denominator.bit_length()
    return exponent if number >= Fraction(2) ** exponent else exponent - 1
