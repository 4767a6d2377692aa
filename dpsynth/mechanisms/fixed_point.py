"""Exponentials of exact rationals as wide fixed-point integers: the one place where a real number enters the noise."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from fractions import Fraction

FRACTION_BITS = 224
"""Binary digits after the point: 128 that the tables keep and 96 that absorb every rounding on the way."""

ONE = 1 << FRACTION_BITS
"""The fixed-point integer that means 1."""

# 2**224 has 68 decimal digits; 40 more make the error of division and exponential far smaller than one unit. The
# context is spelt out: a caller's precision, rounding or traps must not reach the noise.
_CONTEXT = Context(
    prec=110,
    rounding=ROUND_HALF_EVEN,
    Emin=-999_999,
    Emax=999_999,
    clamp=0,
    flags=[],
    traps=[DivisionByZero, InvalidOperation, Overflow],
)


def exponential(exponent: Fraction) -> int:
    """Return exp(-`exponent`) in units of 2**-224, to within one unit.

    Args:
        exponent: not negative.

    Source: the correctly rounded `exp` of the General Decimal Arithmetic Specification, which Python's decimal follows.
    """
    if 10 * exponent >= 7 * FRACTION_BITS:
        return 0  # exp(-0.7 b) < 2**-b: below one unit
    quotient = _CONTEXT.divide(Decimal(-exponent.numerator), Decimal(exponent.denominator))
    return int(_CONTEXT.multiply(_CONTEXT.exp(quotient), Decimal(ONE)))


def multiply(first: int, second: int) -> int:
    """Return the product of two fixed-point integers, rounded down."""
    return (first * second) >> FRACTION_BITS
