"""Private choice of the partitions that are worth naming: noisy counts above a threshold.

Which partitions exist is private: a value that a single person has must not come out because that person is there. So
each count gets Gaussian noise, and only those that reach a threshold are named. docs/design/open_categories.md has the
proof.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np

from dpsynth.accounting.events import ApproximateDpEvent, ComposedDpEvent
from dpsynth.errors import InvalidInput
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.rounded_gaussian import LARGEST_TABLE_VARIANCE, RoundedGaussianMechanism
from dpsynth.randomness import NoiseSource

_ROUNDING = 1 + Fraction(1, 10**9)
_DELTA_DIGITS = 30


@dataclass(frozen=True, slots=True)
class PartitionSelection:
    """Adds rounded Gaussian noise to the count of every partition that occurs and names those that reach a threshold.

    Attributes:
        variance: of the normal numbers before rounding, in squared counts.
        threshold: the smallest noisy count that is named.

    Raises:
        InvalidInput: when the variance is not usable or above 2**16, where one table no longer draws the noise.

    Source: Desfontaines, Voss, Gipson and Mandayam 2022, "Differentially private partition selection"; Swanberg,
        Desfontaines and Haney 2023, "DP-SIPS", section 2 (weighted Gaussian thresholding).
    """

    variance: Fraction
    threshold: int

    def __post_init__(self) -> None:
        """Refuse noise whose tail this class does not bound."""
        if RoundedGaussianMechanism(self.variance).variance > LARGEST_TABLE_VARIANCE:
            raise InvalidInput("the budget is too small to find categories: the noise would be above 256 people")

    @classmethod
    def for_cost(cls, mu_squared: Fraction, delta: Fraction, sensitivity: Sensitivity) -> PartitionSelection:
        """Return the lowest threshold that costs at most `mu_squared` and fails with a chance of at most `delta`.

        Raises:
            InvalidInput: when either is too small.
        """
        variance = RoundedGaussianMechanism.for_mu_squared(mu_squared, sensitivity).variance
        if not delta > 0:
            raise InvalidInput("finding categories needs a delta above 0")
        made = cls(variance, sensitivity.linf + 1)
        while made._delta(sensitivity) > delta:
            made = cls(variance, made.threshold + 1)
        return made

    def event(self, sensitivity: Sensitivity) -> ComposedDpEvent:
        """Return the cost: Gaussian noise on the partitions that both tables have, and a delta for all others."""
        outright = ApproximateDpEvent(Decimal(0), self._delta(sensitivity))
        return ComposedDpEvent((RoundedGaussianMechanism(self.variance).event(sensitivity), outright))

    def failure(self, sensitivity: Sensitivity) -> Fraction:
        """Return an upper bound on the chance that a partition is named which only one unit has.

        There are at most `l1` of them, each with a count of at most `linf`. Such a count reaches the threshold if its
        normal number, before rounding, is at least threshold - linf - 1/2.
        """
        noise = RoundedGaussianMechanism(self.variance)
        reach = (self.threshold - sensitivity.linf - 0.5) / math.sqrt(self.variance)
        tail = Fraction(math.erfc(reach / math.sqrt(2)) / 2) * _ROUNDING
        return min(Fraction(1), sensitivity.l1 * (tail + noise.distance_from_ideal(1)))

    def _delta(self, sensitivity: Sensitivity) -> Decimal:
        """Return `failure`, rounded up at the thirtieth decimal."""
        return Decimal(math.ceil(self.failure(sensitivity) * 10**_DELTA_DIGITS)).scaleb(-_DELTA_DIGITS)

    def __call__(
        self, value: Mapping[str, int], *, sensitivity: Sensitivity, noise: NoiseSource
    ) -> tuple[tuple[str, int], ...]:
        """Return (partition, noisy count) for each that reaches the threshold, the largest noisy count first.

        Privacy: costs `event(sensitivity)`, if `value` holds just the partitions that occur.
        """
        names = sorted(name for name, count in value.items() if count > 0)
        counts = np.array([value[name] for name in names], dtype=np.int64)
        noisy = RoundedGaussianMechanism(self.variance)(counts, sensitivity=sensitivity, noise=noise).tolist()
        named = [(name, count) for name, count in zip(names, noisy, strict=True) if count >= self.threshold]
        return tuple(sorted(named, key=lambda entry: (-entry[1], entry[0])))
