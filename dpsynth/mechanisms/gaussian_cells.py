"""The mass of a normal density on cells of width one, in wide fixed point.

With y(x) = exp(-x**2 / (2 variance)), the cell around k holds y(k) times the integral of cosh(k t / variance) y(t) over
|t| <= 1/2. The hyperbolic cosine is a power series in (k / reach)**2 whose coefficients, integrals of even powers of t,
are the same for all cells; every term is positive, so nothing cancels.
"""

from __future__ import annotations

import math
from fractions import Fraction

from dpsynth.mechanisms.fixed_point import FRACTION_BITS, ONE, exponential, multiply

_NEGLIGIBLE = ONE >> 176  # cells whose middle is lower than this hold less than 2**-160 together
_LEAST_VARIANCE = 2


def gaussian_masses(variance: Fraction) -> list[int]:
    """Return, in proportion, the normal mass of the cells around 0, 1, 2, ... for an exact `variance`.

    Where the variance is small, each cell is the sum of an odd number of narrower ones. Each mass is within 2**-210 of
    the height of the density, and the list ends where all that is left is below 2**-160.
    """
    if 8 * variance * 7 * FRACTION_BITS < 10:
        return [ONE]  # even the edge of the first cell lies lower than 2**-224
    parts = 1
    while variance * parts**2 < _LEAST_VARIANCE:
        parts += 2
    narrow = _unit_cells(variance * parts**2)
    half = parts // 2
    narrow += [0] * (parts - 1)
    first = narrow[0] + 2 * sum(narrow[1 : half + 1])
    starts = range(half + 1, len(narrow) - parts + 1, parts)
    return [first, *(sum(narrow[start : start + parts]) for start in starts)]


def _unit_cells(variance: Fraction) -> list[int]:
    """Return the masses of cells of width one over the height of the density, for a variance of at least 2."""
    heights = _heights(variance)
    series = _even_moments(variance, len(heights))
    reach_squared = len(heights) ** 2
    masses = []
    for place, height in enumerate(heights):
        square = (place * place << FRACTION_BITS) // reach_squared
        total = 0
        for coefficient in reversed(series):
            total = coefficient + multiply(total, square)
        masses.append(multiply(height, total))
    return masses


def _heights(variance: Fraction) -> list[int]:
    """Return exp(-k**2 / (2 variance)) for k = 0, 1, ... down to negligible.

    Heights follow y(k+1) = y(k) r(k) and r(k+1) = r(k) exp(-1 / variance), with r(0) = exp(-1 / (2 variance)).
    """
    ratio = exponential(1 / (2 * variance))
    step = exponential(1 / variance)
    heights = [ONE]
    while (height := multiply(heights[-1], ratio)) > _NEGLIGIBLE:
        heights.append(height)
        ratio = multiply(ratio, step)
    return heights


def _even_moments(variance: Fraction, reach: int) -> list[int]:
    """Return a_j with sum of a_j (k / reach)**(2j) the integral of cosh(k t / variance) y(t) over |t| <= 1/2.

    With t = s / 2: a_j = (reach / (2 variance))**(2j) / (2j)! * sum of (-1 / (8 variance))**i / i! / (2j + 2i + 1).
    """
    damping = []
    power = ONE
    for place in range(FRACTION_BITS):
        damping.append(power if place % 2 == 0 else -power)
        power = math.floor(power / (8 * variance * (place + 1)))
        if power == 0:
            break
    growth = (reach / (2 * variance)) ** 2
    series, factor = [], ONE
    for place in range(FRACTION_BITS):
        inner = sum(term // (2 * place + 2 * turn + 1) for turn, term in enumerate(damping))
        series.append(multiply(factor, inner))
        factor = math.floor(factor * growth / ((2 * place + 1) * (2 * place + 2)))
        if factor == 0:
            break
    return series
