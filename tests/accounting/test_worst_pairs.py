"""Which rule is used for integer Gaussians on vectors, and that each is sound where it is used."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from dpsynth.accounting.dominating_pairs import DiscreteGaussianPair, GaussianPair
from dpsynth.accounting.events import (
    DiscreteGaussianDpEvent,
    DiscreteLaplaceDpEvent,
    ExponentialDpEvent,
    GaussianDpEvent,
    LaplaceDpEvent,
    NoOpDpEvent,
    PoissonSampledDpEvent,
    ZCDpEvent,
)
from dpsynth.accounting.gaussian import gaussian_epsilon
from dpsynth.accounting.pld import PldAccountant
from dpsynth.accounting.worst_pairs import MOST_PAIRS, RangeTreatment, WorstPairs
from tests.accounting import slow_methods as slow


def vectors(squared: int, largest: int) -> list[tuple[int, ...]]:
    """Return the ways to write `squared` as a sum of squares of whole numbers."""
    if squared == 0:
        return [()]
    return [
        (entry, *others)
        for entry in range(min(largest, math.isqrt(squared)), 0, -1)
        for others in vectors(squared - entry * entry, entry)
    ]


def test_a_single_shift_does_not_dominate_a_vector() -> None:
    """The trap: four cells that change by one are worse than one cell that changes by two, at some epsilon."""
    one_cell, four_cells = slow.discrete_gaussian_law(4.0, (2,)), slow.discrete_gaussian_law(4.0, (1, 1, 1, 1))
    ratios = [slow.hockey_stick(four_cells, e) / slow.hockey_stick(one_cell, e) for e in np.arange(0.0, 4.0, 0.25)]
    assert max(ratios) > 1.2
    assert min(ratios) < 1


@pytest.mark.parametrize("squared", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("variance", [2, 30, 400, 1000])
def test_no_vector_costs_more_than_its_event(squared: int, variance: int) -> None:
    found = PldAccountant().compose(DiscreteGaussianDpEvent(Fraction(variance), squared))
    for delta in (1e-3, 1e-9):
        epsilon = found.get_epsilon(delta)
        for vector in vectors(squared, squared):
            assert slow.hockey_stick(slow.discrete_gaussian_law(float(variance), vector), epsilon) <= delta * (1 + 1e-6)


@pytest.mark.parametrize("squared", [1, 2, 3])
def test_few_changed_cells_are_exact(squared: int) -> None:
    law = slow.discrete_gaussian_law(7.0, (1,) * squared)
    exact = slow.epsilon_of(lambda e: slow.hockey_stick(law, e), 1e-6, 20.0)
    found = PldAccountant().compose(DiscreteGaussianDpEvent(Fraction(7), squared)).get_epsilon(1e-6)
    assert exact * (1 - 1e-9) <= found <= exact * (1 + 1e-4)


@pytest.mark.parametrize(("variance", "squared"), [(10_000, 1), (10_000, 4), (10**6, 2), (10**12, 100)])
def test_much_noise_costs_what_continuous_noise_costs(variance: int, squared: int) -> None:
    found = PldAccountant().compose(DiscreteGaussianDpEvent(Fraction(variance), squared), 20).get_epsilon(1e-6)
    exact = gaussian_epsilon(1e-6, math.sqrt(variance / (20 * squared)))
    assert exact * (1 - 1e-6) <= found <= exact * (1 + 2e-4) + 1e-9


def test_rounding_a_continuous_gaussian_at_random_makes_the_discrete_one() -> None:
    """The identity behind that rule: its error is below 1e-15 where two of the variance go into the rounding."""
    variance, smoothing = 30.0, 2.0
    values, masses = slow.discrete_gaussian_masses(variance)
    points = np.linspace(-80, 80, 160_001)
    density = np.exp(-points * points / (2 * (variance - smoothing)))
    kernel = np.exp(-((np.arange(-40, 41)[:, None] - points[None, :]) ** 2) / (2 * smoothing))
    everywhere = sum(np.exp(-((k - points) ** 2) / (2 * smoothing)) for k in range(-120, 121))
    rounded = (kernel * (density / density.sum() / everywhere)).sum(axis=1)
    expected = masses[np.isin(values, np.arange(-40, 41))]
    assert np.abs(rounded / expected - 1).max() < 1e-12


def test_events_are_sorted() -> None:
    worst = WorstPairs.of(
        [
            (GaussianDpEvent(2.0), 4),
            (DiscreteGaussianDpEvent(Fraction(10**6), 9), 1),
            (DiscreteGaussianDpEvent(Fraction(50), 2), 3),
            (DiscreteGaussianDpEvent(Fraction(50), 4), 3),
            (DiscreteGaussianDpEvent(Fraction(50), 0), 3),
            (DiscreteLaplaceDpEvent(Fraction(5), 0), 3),
            (ExponentialDpEvent(Fraction(1, 10)), 7),
            (ExponentialDpEvent(Fraction(0)), 7),
            (ZCDpEvent(Fraction(1, 100)), 2),
            (NoOpDpEvent(), 1),
            (PoissonSampledDpEvent(0.1, GaussianDpEvent(1.0)), 5),
        ],
        RangeTreatment.BY_MOMENTS,
    )
    assert worst.pairs[DiscreteGaussianPair(50.0)] == 6
    assert worst.rho == 3 * Fraction(4, 100) + Fraction(2, 100)
    assert worst.ranges == {0.1: 7}
    assert worst.has_directions
    (gaussian,) = (pair for pair in worst.pairs if isinstance(pair, GaussianPair))
    assert gaussian.shift**2 == pytest.approx(1.0 + 9 / (10**6 - 2))
    assert len(worst.pairs) == 3


def test_very_many_mechanisms_enter_by_their_rho() -> None:
    events = [(LaplaceDpEvent(1000.0 + place), 1) for place in range(MOST_PAIRS + 50)]
    ranges = [(ExponentialDpEvent(Fraction(1, 1000 + place)), 1) for place in range(MOST_PAIRS + 50)]
    worst = WorstPairs.of([*events, *ranges], RangeTreatment.BY_MOMENTS)
    assert len(worst.pairs) == MOST_PAIRS
    assert len(worst.ranges) == MOST_PAIRS
    assert worst.rho > 0


@pytest.mark.parametrize("event", [GaussianDpEvent(1e-9), DiscreteGaussianDpEvent(Fraction(1, 10**30), 1)], ids=repr)
def test_hopeless_noise_is_bounded_without_a_grid(event: GaussianDpEvent | DiscreteGaussianDpEvent) -> None:
    assert WorstPairs.of([(event, 1)], RangeTreatment.BY_MOMENTS).hopeless
    assert 1e6 < PldAccountant().compose(event).get_epsilon(1e-6) < math.inf


def test_many_different_events_are_rounded_up_and_by_next_to_nothing() -> None:
    noises = [40 + 0.013 * place for place in range(500)]
    choices = [Fraction(1, 300) + Fraction(place, 10**9) for place in range(500)]
    events = [(GaussianDpEvent(noise), 2) for noise in noises] + [(ExponentialDpEvent(one), 1) for one in choices]
    worst = WorstPairs.of(events, RangeTreatment.BY_MOMENTS)  # type: ignore[arg-type]
    exact = sum(2 / Fraction(noise) ** 2 for noise in noises)
    ((pair, rho),) = worst.rho_of_pair.items()
    assert isinstance(pair, GaussianPair)
    assert exact <= 2 * rho <= exact * (1 + Fraction(1, 10**50))
    assert pair.shift == pytest.approx(math.sqrt(exact), rel=1e-15)
    ranges = sum(count * Fraction(epsilon) ** 2 for epsilon, count in worst.ranges.items())
    whole = sum(Fraction(float(one)) ** 2 for one in choices) / 8
    assert len(worst.ranges) == MOST_PAIRS
    assert whole <= worst.rho + ranges / 8 <= whole * (1 + Fraction(1, 10**50))
