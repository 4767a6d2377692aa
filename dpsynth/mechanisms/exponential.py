"""Private choice of one candidate by its score."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.events import ExponentialDpEvent
from dpsynth.accounting.gaussian_dp import range_of_mu_squared
from dpsynth.errors import InvalidInput
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.fixed_point import FRACTION_BITS, ONE, exponential, multiply
from dpsynth.mechanisms.rounding import chargeable
from dpsynth.mechanisms.saturation import require_integers
from dpsynth.randomness import NoiseSource, uniform_below

LARGEST_EPSILON = 1000
SMALLEST_EPSILON = Fraction(1, 1 << 40)

_DIGIT_BITS = 8
_WEIGHT_ERROR_BITS = FRACTION_BITS - 12  # every weight is within 2**-212 of its ideal


@dataclass(frozen=True, slots=True)
class ExponentialMechanism:
    """Chooses index i with probability proportional to exp(`epsilon` * score[i] / (2 * linf sensitivity)).

    Attributes:
        epsilon: exact parameter.

    Raises:
        InvalidInput: when epsilon is no fraction, or not between 2**-40 and 1000.

    Source: McSherry, Talwar, "Mechanism design via differential privacy" (FOCS 2007).
    """

    epsilon: Fraction

    def __post_init__(self) -> None:
        """Refuse parameters that are not exact or not usable."""
        if not isinstance(self.epsilon, Fraction):
            raise InvalidInput("epsilon must be a Fraction, so that what is charged is exactly what is drawn")
        if not SMALLEST_EPSILON <= self.epsilon <= LARGEST_EPSILON:
            raise InvalidInput(
                f"epsilon of a choice must be between 1e-12 and {LARGEST_EPSILON}; got {float(self.epsilon):.3g}"
            )

    @classmethod
    def for_mu_squared(cls, mu_squared: Fraction) -> ExponentialMechanism:
        """Return the mechanism that costs at most `mu_squared` and at least 0.9999 of it (of its first 12 decimals).

        Raises:
            InvalidInput: when squared mu is below 1e-12, or above what an epsilon of 1000 costs.

        Source: docs/design/gaussian_filter.md: what is epsilon-bounded-range is 2 Phi^-1(1 / (1 + exp(-epsilon / 2)))
        Gaussian differentially private.
        """
        return cls(range_of_mu_squared(chargeable(mu_squared)))

    def event(self, sensitivity: Sensitivity) -> ExponentialDpEvent:  # noqa: ARG002  the weights are scaled by it
        """Return the cost: `epsilon`, pure and as a range of losses."""
        return ExponentialDpEvent(self.epsilon)

    def __call__(self, value: NDArray[np.int64], *, sensitivity: Sensitivity, noise: NoiseSource) -> int:
        """Return the index of the chosen candidate.

        Args:
            value: scores, higher is better, shape (candidates,); only differences to the largest matter.
            sensitivity: of the scores; `linf` is how far any one score moves between neighbors.
            noise: where the choice is drawn from.

        Raises:
            InvalidInput: when the scores are not a non-empty one-dimensional int64 array.

        Privacy: costs `event(sensitivity)` and `distance_from_ideal(value.size)` of delta's kind.
        """
        require_integers(value)
        if value.ndim != 1 or value.size == 0:
            raise InvalidInput("a choice needs a one-dimensional array with at least one candidate")
        # Modulo 2**64 the difference is right even when it does not fit into int64.
        distances = value.max().astype(np.uint64) - value.astype(np.uint64)
        weigher = _weigher(self.epsilon / (2 * sensitivity.linf))
        # Weights are computed from private scores: they are never cached.
        cumulative = list(accumulate(weigher.weight(distance) for distance in distances.tolist()))
        return bisect_right(cumulative, uniform_below(noise, cumulative[-1]))

    def distance_from_ideal(self, candidates: int) -> Fraction:
        """Upper bound on the total variation distance between the choice among `candidates` and the exact one."""
        return Fraction(candidates, 1 << _WEIGHT_ERROR_BITS)


@dataclass(frozen=True, slots=True)
class _Weigher:
    """exp(-rate * distance) for integer distances, as a product over the base-256 digits of the distance."""

    cutoff: int
    digits: tuple[tuple[int, ...], ...]

    def weight(self, distance: int) -> int:
        """Return the fixed-point weight, rounded down; the same work for every distance short of the cutoff."""
        if distance >= self.cutoff:
            return 0  # lighter than 2**-224 of the best candidate
        weight = ONE
        for powers in self.digits:
            weight = multiply(weight, powers[distance & 255])
            distance >>= _DIGIT_BITS
        return weight


@lru_cache(maxsize=32)
def _weigher(rate: Fraction) -> _Weigher:
    cutoff = min(math.ceil(Fraction(7 * FRACTION_BITS, 10) / rate), 1 << 64)  # 0.7 > log 2
    digits: list[tuple[int, ...]] = []
    for place in range(0, cutoff.bit_length(), _DIGIT_BITS):
        ratio = exponential(rate * (1 << place))
        digits.append(tuple(accumulate([ratio] * 255, multiply, initial=ONE)))
    return _Weigher(cutoff, tuple(digits))
