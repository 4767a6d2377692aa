"""Partition selection: what it costs, where its threshold lies, and what it names."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.events import ApproximateDpEvent
from dpsynth.errors import InvalidInput
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.partition_selection import PartitionSelection
from dpsynth.mechanisms.rounded_gaussian import RoundedGaussianMechanism
from dpsynth.randomness import SeededNoise


def units(most: int) -> Sensitivity:
    return Sensitivity(l1=most, squared_l2=most, linf=1)


@given(
    st.fractions(Fraction(1, 1000), 2, max_denominator=10**6),
    st.integers(4, 14).map(lambda digits: Fraction(1, 10**digits)),
    st.integers(1, 20),
)
def test_the_cost_stays_within_both_amounts_and_the_threshold_is_the_lowest(
    mu_squared: Fraction, delta: Fraction, most: int
) -> None:
    mechanism = PartitionSelection.for_cost(mu_squared, delta, units(most))
    cost = cost_of(mechanism.event(units(most)))
    assert cost.mu_squared is not None
    assert Fraction(99, 100) * mu_squared <= cost.mu_squared <= mu_squared
    assert 0 < cost.delta <= delta
    if mechanism.threshold > 2:
        lower = PartitionSelection(mechanism.variance, mechanism.threshold - 1)
        assert lower.failure(units(most)) > delta


def test_the_failure_is_the_normal_tail_beyond_the_threshold() -> None:
    """By hand: variance 4, threshold 10, one person: z >= 10 - 1 - 1/2 = 8.5, that is 4.25 standard deviations."""
    tail = math.erfc(4.25 / math.sqrt(2)) / 2
    failure = PartitionSelection(Fraction(4), 10).failure(units(1))
    assert tail <= failure <= tail * (1 + 1e-8)
    assert PartitionSelection(Fraction(4), 10).failure(units(3)) == 3 * failure
    (_, outright) = PartitionSelection(Fraction(4), 10).event(units(3)).events
    assert isinstance(outright, ApproximateDpEvent)
    assert outright.epsilon == 0
    assert 3 * tail <= float(outright.delta) <= 3 * tail * (1 + 1e-8)


def test_the_noise_is_that_of_the_gaussian_mechanism() -> None:
    mechanism = PartitionSelection(Fraction(9), 20)
    (noise, _) = mechanism.event(units(4)).events
    assert noise == RoundedGaussianMechanism(Fraction(9)).event(units(4))


def test_common_partitions_are_named_in_falling_order_and_others_are_not() -> None:
    mechanism = PartitionSelection.for_cost(Fraction(1, 10), Fraction(1, 10**9), units(1))
    named = mechanism({"rare": 1, "b": 500, "a": 900, "none": 0}, sensitivity=units(1), noise=SeededNoise(1))
    assert [name for name, _ in named] == ["a", "b"]
    assert [count for _, count in named] == sorted((count for _, count in named), reverse=True)
    assert abs(named[0][1] - 900) < 30


def test_order_of_arrival_does_not_matter() -> None:
    mechanism = PartitionSelection(Fraction(4), 5)
    forth = {f"v{place}": 10 + place for place in range(20)}
    back = dict(reversed(forth.items()))
    assert mechanism(forth, sensitivity=units(1), noise=SeededNoise(3)) == mechanism(
        back, sensitivity=units(1), noise=SeededNoise(3)
    )


def test_budgets_that_buy_nothing_are_refused() -> None:
    with pytest.raises(InvalidInput, match="too small"):
        PartitionSelection.for_cost(Fraction(1, 10**6), Fraction(1, 10**9), units(1))
    with pytest.raises(InvalidInput, match="delta"):
        PartitionSelection.for_cost(Fraction(1, 10), Fraction(0), units(1))


def test_nothing_comes_of_nothing() -> None:
    assert PartitionSelection(Fraction(4), 5)({}, sensitivity=units(1), noise=SeededNoise(1)) == ()
