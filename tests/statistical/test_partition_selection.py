"""A partition that one unit alone has is named as rarely as booked, and a threshold one lower would be noticed."""

from __future__ import annotations

from fractions import Fraction

import pytest
from scipy.stats import binom

from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.partition_selection import PartitionSelection
from dpsynth.randomness import NoiseSource
from tests.statistical.significance import SIGNIFICANCE, seeded_noise

ROUNDS = 200
PARTITIONS = 1000
DELTA = Fraction(1, 1000)
NULL_DECISIONS = 2
ONE = Sensitivity(l1=1, squared_l2=1, linf=1)


def times_named(mechanism: PartitionSelection, noise: NoiseSource) -> int:
    """Return how many of many partitions with a single unit each are named; their noise is independent."""
    alone = {f"only {place}": 1 for place in range(PARTITIONS)}
    return sum(len(mechanism(alone, sensitivity=ONE, noise=noise)) for _ in range(ROUNDS))


@pytest.mark.parametrize("mu_squared", [Fraction(1, 100), Fraction(1)])
def test_what_one_unit_has_is_named_as_rarely_as_booked(mu_squared: Fraction) -> None:
    mechanism = PartitionSelection.for_cost(mu_squared, DELTA, ONE)
    booked = float(mechanism.failure(ONE))
    trials = ROUNDS * PARTITIONS
    named = times_named(mechanism, seeded_noise(71))
    assert binom.sf(named - 1, trials, booked) > SIGNIFICANCE
    # Power: without the unit's own count in the bound, the threshold would lie one lower.
    understated = PartitionSelection(
        mechanism.variance, mechanism.threshold - 1 - round(float(mechanism.variance) ** 0.5 / 4)
    )
    assert binom.sf(times_named(understated, seeded_noise(72)) - 1, trials, booked) < SIGNIFICANCE
