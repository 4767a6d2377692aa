"""The slow reference: exact rejection samplers in integers and fractions, one draw at a time.

Nothing is shared with the tables of the package: no cumulative function, no fixed point, no array. Every coin has a
rational probability and is decided by uniform integers.

Source: Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2004.00010), algorithms 1 and 2;
Karney, "Sampling Exactly from the Normal Distribution" (2016), algorithm N.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

UniformBelow = Callable[[int], int]
"""Returns a uniform integer in 0 .. bound - 1."""


def coin(probability: Fraction, uniform_below: UniformBelow) -> bool:
    """Return true with this probability."""
    return uniform_below(probability.denominator) < probability.numerator


def exponential_coin(exponent: Fraction, uniform_below: UniformBelow) -> bool:
    """Return true with probability exp(-exponent), exponent >= 0 (Algorithm 1)."""
    while exponent > 1:
        if not exponential_coin(Fraction(1), uniform_below):
            return False
        exponent -= 1
    trials = 1
    while coin(exponent / trials, uniform_below):
        trials += 1
    return trials % 2 == 1


def discrete_laplace(scale: Fraction, uniform_below: UniformBelow) -> int:
    """Return one draw with P(x) proportional to exp(-|x| / scale) (Algorithm 2)."""
    while True:
        remainder = uniform_below(scale.numerator)
        if not exponential_coin(Fraction(remainder, scale.numerator), uniform_below):
            continue
        wholes = 0
        while exponential_coin(Fraction(1), uniform_below):
            wholes += 1
        magnitude = (remainder + scale.numerator * wholes) // scale.denominator
        negative = uniform_below(2) == 1
        if negative and magnitude == 0:
            continue
        return -magnitude if negative else magnitude


def rounded_gaussian(variance: Fraction, uniform_below: UniformBelow) -> int:
    """Return one normal number of this variance, rounded (algorithm N, its uniform deviate to 64 binary digits)."""
    while True:
        whole = 0
        while exponential_coin(Fraction(1, 2), uniform_below):
            whole += 1
        part = Fraction(uniform_below(1 << 64), 1 << 64)
        if exponential_coin(Fraction(whole * (whole - 1), 2), uniform_below) and exponential_coin(
            part * (2 * whole + part) / 2, uniform_below
        ):
            magnitude = (math.isqrt(math.floor(4 * variance * (whole + part) ** 2)) + 1) // 2
            return magnitude if uniform_below(2) else -magnitude


def exponential_choice(scores: Sequence[int], rate: Fraction, uniform_below: UniformBelow) -> int:
    """Return index i with probability proportional to exp(rate * scores[i]), by rejection from uniform indices."""
    best = max(scores)
    while True:
        index = uniform_below(len(scores))
        if exponential_coin(rate * (best - scores[index]), uniform_below):
            return index
