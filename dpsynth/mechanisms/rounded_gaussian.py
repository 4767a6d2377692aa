"""Gaussian noise on integer vectors, rounded to whole numbers: exactly as private as the Gaussian mechanism.

The answer to an integer query is integer + round(z) = round(integer + z): the continuous Gaussian mechanism, seen
through a function that does not look at the data. So it is (L2 sensitivity / sigma)-GDP in any dimension, which integer
noise of discrete Gaussian shape is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.events import GaussianDpEvent
from dpsynth.errors import InvalidInput
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.gaussian_cells import gaussian_masses
from dpsynth.mechanisms.inverse_table import InverseTable
from dpsynth.mechanisms.rounding import chargeable, next_larger, root_rounded_down, rounded_up
from dpsynth.mechanisms.saturation import add_saturating, require_integers
from dpsynth.randomness import NoiseSource

LARGEST_TABLE_VARIANCE = 1 << 16
"""Up to here one table draws the noise; above, a sum of two narrower draws does."""

LARGEST_VARIANCE = 1 << 80
"""Noise of a larger variance does not fit into 64-bit counts with certainty."""

SPLIT_DISTANCE = Fraction(1, 1 << 160)
"""Upper bound on the total variation distance that one splitting of a variance adds; see `split_variance`."""


@dataclass(frozen=True, slots=True)
class RoundedGaussianMechanism:
    """Adds to each entry an independent normal number of the given variance, rounded to the nearest integer.

    Attributes:
        variance: exact parameter sigma**2 of the normal number before rounding, in squared counts.

    Raises:
        InvalidInput: when the variance is no fraction, not positive or above 2**80.

    Source: Dong, Roth, Su, "Gaussian Differential Privacy" (1905.02383), theorem 2.7 and proposition 2.8 (processing).
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
    def for_mu_squared(cls, mu_squared: Fraction, sensitivity: Sensitivity) -> RoundedGaussianMechanism:
        """Return the mechanism that costs at most `mu_squared` and at least 0.999 of it (of its first 12 decimals).

        Raises:
            InvalidInput: when squared mu is below 1e-12, or so small that the noise would not fit.
        """
        asked = chargeable(mu_squared)
        mechanism = cls(rounded_up(sensitivity.squared_l2 / asked))
        cost = cost_of(mechanism.event(sensitivity)).mu_squared
        # The noise multiplier is a float: rounded down, it can cost 1e-12 more than the variance does.
        return mechanism if cost is not None and cost <= asked else cls(next_larger(mechanism.variance))

    @property
    def stddev(self) -> float:
        """Standard deviation of the noise in counts, what rounding adds included; too large below a variance of 1/2."""
        return math.sqrt(self.variance + Fraction(1, 12))

    def event(self, sensitivity: Sensitivity) -> GaussianDpEvent:
        """Return the cost: Gaussian noise of `variance` at this L2 sensitivity, the multiplier rounded down."""
        return GaussianDpEvent(float(root_rounded_down(self.variance / sensitivity.squared_l2, bits=52)))

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
        for factor, variance in split_parts(self.variance):
            drawn += factor * gaussian_table(variance).draw(noise, value.size)
        return add_saturating(value, drawn)

    def distance_from_ideal(self, cells: int) -> Fraction:
        """Upper bound on the total variation distance between the noise on `cells` entries and an exact one.

        Exact is a normal number of `variance`, plus, above `LARGEST_TABLE_VARIANCE`, something independent of it and of
        the data, rounded.
        """
        parts = split_parts(self.variance)
        tables = sum((gaussian_table(variance).distance for _, variance in parts), Fraction(0))
        return cells * (tables + (len(parts) - 1) * SPLIT_DISTANCE)


@lru_cache(maxsize=64)
def gaussian_table(variance: Fraction) -> InverseTable:
    """Return the table of a normal number of this exact variance, rounded."""
    return InverseTable.symmetric(gaussian_masses(variance))


def split_variance(variance: Fraction) -> tuple[int, Fraction, Fraction]:
    """Return (k, narrow, wide) such that X + k Y serves for this variance when X and Y serve for those.

    X + k Y is round(Z + k Y) with a normal Z of variance `narrow`, and k Y lies on a grid that Z smooths out: by
    Poisson summation Z + k Y is within exp(-2 pi**2 v) of a normal number of `variance` plus something independent,
    where v = narrow * wide / variance; v >= 6 makes that less than 2**-170.

    Source: the proof is in docs/design/noise.md.
    """
    # wide >= 6 (1 + k**2) is what gives v >= 6, because narrow >= wide.
    factor = math.isqrt(math.isqrt(math.floor(variance) // 6) - 1)
    wide = math.floor(variance / (1 + factor**2))
    return factor, variance - factor**2 * wide, Fraction(wide)


@lru_cache(maxsize=64)
def split_parts(variance: Fraction) -> tuple[tuple[int, Fraction], ...]:
    """Return (factor, variance) of independent table draws whose weighted sum serves for this variance."""
    if variance <= LARGEST_TABLE_VARIANCE:
        return ((1, variance),)
    factor, narrow, wide = split_variance(variance)
    widened = tuple((factor * inner, part) for inner, part in split_parts(wide))
    return split_parts(narrow) + widened
