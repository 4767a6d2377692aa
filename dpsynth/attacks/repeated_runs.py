"""What many runs in two worlds prove about the privacy of a mechanism: lower bounds that hold at finite numbers.

A run in the world without the unit and one in the world with it make a pair. A statistic that orders the pairs right
more often than the claim allows refutes the claim. Pairs are independent, so their number is binomial, and bounds are
exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import scipy
from numpy.typing import NDArray

from dpsynth.attacks.bounds import clopper_pearson
from dpsynth.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class PairedRuns:
    """How often the statistic of a pair is in the right order.

    Attributes:
        pairs: number of pairs.
        right: pairs in which the run with the unit has the higher statistic; a tie is decided by a coin.
    """

    pairs: int
    right: int

    def __post_init__(self) -> None:
        """Refuse counts that contradict themselves.

        Raises:
            InvalidInput: not 0 <= right <= pairs.
        """
        if not 0 <= self.right <= self.pairs:
            raise InvalidInput("of so many pairs, between none and all can be in the right order")

    @classmethod
    def of(
        cls, without: NDArray[np.float64], with_unit: NDArray[np.float64], *, rng: np.random.Generator
    ) -> PairedRuns:
        """Return the counts of two equally long lists of statistics, shape (pairs,), paired in order.

        Raises:
            InvalidInput: lists of different length.
        """
        if without.shape != with_unit.shape or without.ndim != 1:
            raise InvalidInput("paired runs need as many statistics without the unit as with it")
        tied = (without == with_unit) & (rng.random(without.size) < 0.5)
        return cls(without.size, int(((with_unit > without) | tied).sum()))

    @property
    def mu(self) -> float:
        """The estimate of the Gaussian-DP parameter that the statistic shows; 0 or above."""
        return mu_of_order(self.right / self.pairs) if self.pairs else 0.0

    def mu_lower(self, *, confidence: float = 0.95) -> float:
        """Return what the Gaussian-DP parameter mu of the mechanism exceeds with probability `confidence`.

        A mu-GDP mechanism lets no statistic order more than Phi(mu / sqrt 2) of all pairs right: its trade-off curve
        lies above that of N(0, 1) against N(mu, 1), so the area between is smaller.

        Source: Dong, Roth and Su 2019, definition 2.6 and lemma 2.2; Clopper and Pearson 1934.
        """
        return mu_of_order(clopper_pearson(self.right, self.pairs, confidence=confidence).lower)

    def refutes(self, mu: float, *, significance: float) -> bool:
        """Return whether so many right orders have at most probability `significance` under mu-GDP."""
        allowed = float(scipy.special.ndtr(mu / math.sqrt(2)))
        return float(scipy.special.bdtrc(self.right - 1, self.pairs, allowed)) <= significance if self.right else False


def mu_of_order(share: float) -> float:
    """Return the mu at which the best statistic orders `share` of all pairs right; 0 for half of them or fewer."""
    return max(0.0, math.sqrt(2) * float(scipy.special.ndtri(share)))


def epsilon_lower(
    without: NDArray[np.float64],
    with_unit: NDArray[np.float64],
    *,
    delta: Decimal,
    threshold: float,
    confidence: float = 0.95,
) -> float:
    """Return what epsilon exceeds with probability `confidence`, from rates at a threshold that was fixed before.

    Both rates are bounded at half the error each, and whichever of them, or of their complements, says more counts.

    Args:
        without: statistics of independent runs without the unit.
        with_unit: statistics of independent runs with it.
        delta: of the claim.
        threshold: fixed without looking at these runs; above it the unit is taken to be there.
        confidence: of the bound.

    Source: Kairouz, Oh and Viswanath 2015, theorem 2.1; Clopper and Pearson 1934.
    """
    each = (1 + confidence) / 2
    false_positives = clopper_pearson(int((without > threshold).sum()), without.size, confidence=each)
    true_positives = clopper_pearson(int((with_unit > threshold).sum()), with_unit.size, confidence=each)
    candidates = (
        (true_positives.lower, false_positives.upper),
        (1 - false_positives.upper, 1 - true_positives.lower),
    )
    ratios = [(likely - float(delta)) / unlikely for likely, unlikely in candidates if unlikely > 0]
    return max([0.0, *(math.log(ratio) for ratio in ratios if ratio > 1)])
