"""Integer Gaussian noise on integer vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.events import DiscreteGaussianDpEvent
from dpsynth.errors import InvalidInput
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.fixed_point import ONE, exponential, multiply
from dpsynth.mechanisms.inverse_table import InverseTable
from dpsynth.mechanisms.rounding import chargeable, rounded_up
from dpsynth.mechanisms.saturation import add_saturating, require_integers
from dpsynth.randomness import NoiseSource

LARGEST_TABLE_VARIANCE = 1 << 18
"""Up to here one table draws the noise; above, a sum of two narrower draws does."""

LARGEST_VARIANCE = 1 << 80
"""Noise of a larger variance does not fit into 64-bit counts with certainty."""

CONVOLUTION_DISTANCE = Fraction(1, 1 << 160)
"""Upper bound on the total variation distance that one splitting of a variance adds; see `split_variance`."""

_NEGLIGIBLE = ONE >> 160  # weights below this share of the largest move no threshold of a table


@dataclass(frozen=True, slots=True)
class DiscreteGaussianMechanism:
    """Adds to each entry independent integer noise with P(x) proportional to exp(-x**2 / (2 * `variance`)).

    Attributes:
        variance: exact parameter sigma**2, in squared counts.

    Raises:
        InvalidInput: when the variance is no fraction, not positive or above 2**80.

    Source: Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2004.00010), Definition 1.
    """

    variance: Fraction

    def __post_init__(self) -> None:
        """Refuse variances that are not exact or not usable."""
        if not isinstance(self.variance, Fraction):
            raise InvalidInput("a variance must be a Fraction, so that what is charged is exactly what is drawn")
        if not 0 < self.variance <= LARGEST_VARIANCE:
            raise InvalidInput(
                f"a variance must be above 0 and at most 2**80; got {float(self.variance):.3g}. "
                "So much noise means that the budget of this query is too small to learn anything"
            )

    @classmethod
    def for_rho(cls, rho: Fraction, sensitivity: Sensitivity) -> DiscreteGaussianMechanism:
        """Return the mechanism that costs at most `rho` and at least 0.9995 of it (of its first 12 decimals).

        Raises:
            InvalidInput: when rho is below 1e-12, or so small that the noise would not fit.
        """
        return cls(rounded_up(sensitivity.squared_l2 / (2 * chargeable(rho))))

    def event(self, sensitivity: Sensitivity) -> DiscreteGaussianDpEvent:
        """Return the cost: squared_l2 / (2 * variance) zero-concentrated differential privacy."""
        return DiscreteGaussianDpEvent(self.variance, sensitivity.squared_l2)

    def __call__(
        self,
        value: NDArray[np.int64],
        *,
        sensitivity: Sensitivity,  # noqa: ARG002  the noise is fixed by the variance; the sensitivity sets the cost
        noise: NoiseSource,
    ) -> NDArray[np.int64]:
        """Return `value` with noise, same shape, in counts; results beyond int64 are held at its limits.

        Raises:
            InvalidInput: when `value` is not an int64 array.

        Privacy: costs `event(sensitivity)` and `distance_from_ideal(value.size)` of delta's kind.
        """
        require_integers(value)
        drawn = np.zeros(value.size, dtype=np.int64)
        for factor, variance in convolution_parts(self.variance):
            drawn += factor * gaussian_table(variance).draw(noise, value.size)
        return add_saturating(value, drawn)

    def distance_from_ideal(self, cells: int) -> Fraction:
        """Upper bound on the total variation distance between the noise on `cells` entries and the exact one."""
        parts = convolution_parts(self.variance)
        tables = sum((gaussian_table(variance).distance for _, variance in parts), Fraction(0))
        return cells * (tables + (len(parts) - 1) * CONVOLUTION_DISTANCE)


@lru_cache(maxsize=64)
def gaussian_table(variance: Fraction) -> InverseTable:
    """Return the table of the discrete Gaussian of this exact variance.

    Weights follow w(i+1) = w(i) r(i) and r(i+1) = r(i) exp(-1 / variance), with r(0) = exp(-1 / (2 variance)).
    """
    ratio = exponential(1 / (2 * variance))
    step = exponential(1 / variance)
    weights = [ONE]
    while (weight := multiply(weights[-1], ratio)) > _NEGLIGIBLE:
        weights.append(weight)
        ratio = multiply(ratio, step)
    return InverseTable.symmetric(weights)


def split_variance(variance: Fraction) -> tuple[int, Fraction, Fraction]:
    """Return (k, narrow, wide) such that X + k Y is Gaussian of this variance when X and Y have those variances.

    P(X + kY = z) is the Gaussian weight of z times a sum of Gaussian weights of variance v = narrow * wide / variance
    around a center that depends on z. By Poisson summation that sum is the same for every center to within a relative
    2 exp(-2 pi**2 v) and smaller terms; v >= 6 makes it less than 2**-169.

    Source: the convolution of Peikert (eprint 2010/088) and of Micciancio, Walter (eprint 2017/259); the proof for this
    case is in docs/design/noise.md.
    """
    # wide >= 6 (1 + k**2) is what gives v >= 6, because narrow >= wide.
    factor = math.isqrt(math.isqrt(math.floor(variance) // 6) - 1)
    wide = math.floor(variance / (1 + factor**2))
    return factor, variance - factor**2 * wide, Fraction(wide)


@lru_cache(maxsize=64)
def convolution_parts(variance: Fraction) -> tuple[tuple[int, Fraction], ...]:
    """Return (factor, variance) of independent table draws whose weighted sum has this variance."""
    if variance <= LARGEST_TABLE_VARIANCE:
        return ((1, variance),)
    factor, narrow, wide = split_variance(variance)
    widened = tuple((factor * inner, part) for inner, part in convolution_parts(wide))
    return convolution_parts(narrow) + widened
