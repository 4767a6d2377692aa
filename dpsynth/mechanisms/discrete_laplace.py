"""Integer Laplace noise on integer vectors."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.events import DiscreteLaplaceDpEvent
from dpsynth.errors import InvalidInput
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.fixed_point import ONE, exponential, multiply
from dpsynth.mechanisms.inverse_table import InverseTable
from dpsynth.mechanisms.rounding import rounded_up
from dpsynth.mechanisms.saturation import add_saturating, require_integers
from dpsynth.randomness import NoiseSource

LARGEST_TABLE_SCALE = 128
"""Up to here one table draws the noise; above, the digits of two geometric numbers do."""

LARGEST_SCALE = 1 << 40
"""Noise of a larger scale is refused: no count is that large."""

DIGIT = 1024
"""Base of the digits."""

_NEGLIGIBLE = ONE >> 160


@dataclass(frozen=True, slots=True)
class DiscreteLaplaceMechanism:
    """Adds to each entry independent integer noise with P(x) proportional to exp(-|x| / `scale`).

    Attributes:
        scale: exact parameter, in counts.

    Raises:
        InvalidInput: when the scale is no fraction, not positive or above 2**40.

    Source: Ghosh, Roughgarden, Sundararajan, "Universally utility-maximizing privacy mechanisms" (0811.2841).
    """

    scale: Fraction

    def __post_init__(self) -> None:
        """Refuse scales that are not exact or not usable."""
        if not isinstance(self.scale, Fraction):
            raise InvalidInput("a scale must be a Fraction, so that what is charged is exactly what is drawn")
        if not 0 < self.scale <= LARGEST_SCALE:
            raise InvalidInput(
                f"a scale must be above 0 and at most 2**40; got {float(self.scale):.3g}. "
                "So much noise means that the budget of this query is too small to learn anything"
            )

    @classmethod
    def for_epsilon(cls, epsilon: Fraction, sensitivity: Sensitivity) -> DiscreteLaplaceMechanism:
        """Return the mechanism that costs at most `epsilon` and at least 0.9995 of it.

        Raises:
            InvalidInput: when epsilon is not positive, or so small that the noise would not fit.
        """
        if epsilon <= 0:
            raise InvalidInput(f"epsilon must be above 0; asked for {float(epsilon):.3g}")
        return cls(rounded_up(sensitivity.l1 / epsilon))

    def event(self, sensitivity: Sensitivity) -> DiscreteLaplaceDpEvent:
        """Return the cost: l1 / scale, pure differential privacy."""
        return DiscreteLaplaceDpEvent(self.scale, sensitivity.l1)

    def __call__(
        self,
        value: NDArray[np.int64],
        *,
        sensitivity: Sensitivity,  # noqa: ARG002  the noise is fixed by the scale; the sensitivity sets the cost
        noise: NoiseSource,
    ) -> NDArray[np.int64]:
        """Return `value` with noise, same shape, in counts; results beyond int64 are held at its limits.

        Raises:
            InvalidInput: when `value` is not an int64 array.

        Privacy: costs `event(sensitivity)` and `distance_from_ideal(value.size)` of delta's kind.
        """
        require_integers(value)
        if self.scale <= LARGEST_TABLE_SCALE:
            drawn = laplace_table(self.scale).draw(noise, value.size)
        else:
            # The difference of two independent geometric numbers is discrete Laplace, exactly.
            drawn = _geometric(self.scale, noise, value.size) - _geometric(self.scale, noise, value.size)
        return add_saturating(value, drawn)

    def distance_from_ideal(self, cells: int) -> Fraction:
        """Upper bound on the total variation distance between the noise on `cells` entries and the exact one."""
        if self.scale <= LARGEST_TABLE_SCALE:
            return cells * laplace_table(self.scale).distance
        return 2 * cells * sum((table.distance for _, table in geometric_digits(self.scale)), Fraction(0))


@lru_cache(maxsize=32)
def laplace_table(scale: Fraction) -> InverseTable:
    """Return the table of the discrete Laplace distribution of this exact scale."""
    return InverseTable.symmetric(_powers(exponential(1 / scale)))


@lru_cache(maxsize=32)
def geometric_digits(scale: Fraction) -> tuple[tuple[int, InverseTable], ...]:
    """Return (place value, table) of independent digits whose sum G has P(G >= g) = exp(-g / scale).

    exp(-g / scale) factors over the digits of g, so they are independent: the leading one is geometric, the others are
    geometric numbers cut off at the base.
    """
    digits: list[tuple[int, InverseTable]] = []
    place = 1
    while scale > LARGEST_TABLE_SCALE * place:
        digits.append((place, InverseTable.one_sided(_powers(exponential(place / scale), longest=DIGIT))))
        place *= DIGIT
    digits.append((place, InverseTable.one_sided(_powers(exponential(place / scale)))))
    return tuple(digits)


def _geometric(scale: Fraction, noise: NoiseSource, count: int) -> NDArray[np.int64]:
    drawn = np.zeros(count, dtype=np.int64)
    for place, table in geometric_digits(scale):
        drawn += place * table.draw(noise, count)
    return drawn


def _powers(ratio: int, longest: int | None = None) -> list[int]:
    """Return 1, ratio, ratio**2, ... in fixed point, down to negligible or the `longest` list allowed."""
    weights = [ONE]
    while len(weights) != longest and (weight := multiply(weights[-1], ratio)) > _NEGLIGIBLE:
        weights.append(weight)
    return weights
