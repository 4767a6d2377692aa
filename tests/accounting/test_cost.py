"""Exact costs: sums, resolution, and what has none."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.accounting.cost import ZERO_COST, PrivacyCost, cost_of, total_cost
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DiscreteGaussianDpEvent,
    DiscreteLaplaceDpEvent,
    DpEvent,
    ExponentialDpEvent,
    GaussianDpEvent,
    GdpEvent,
    LaplaceDpEvent,
    NonPrivateDpEvent,
    NoOpDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
    ZCDpEvent,
)
from dpsynth.accounting.gaussian_dp import mu_squared_of_range
from tests.accounting.events_drawn import any_events

TENTH = ApproximateDpEvent(Decimal("0.1"), Decimal(0))


@pytest.mark.parametrize(
    ("event", "rho", "epsilon", "delta"),
    [
        (GaussianDpEvent(2.0), Fraction(1, 8), None, 0),
        (DiscreteGaussianDpEvent(Fraction(10), 3), Fraction(3, 20), None, 0),
        (DiscreteGaussianDpEvent(Fraction(10), 0), 0, 0, 0),
        (ZCDpEvent(Fraction(1, 4)), Fraction(1, 4), None, 0),
        (LaplaceDpEvent(10.0), Fraction(1, 200), Fraction(1, 10), 0),
        (LaplaceDpEvent(0.1), "10", "10", 0),  # beyond 2 the pure bound on rho is the better one
        (DiscreteLaplaceDpEvent(Fraction(10), 3), Fraction(9, 200), Fraction(3, 10), 0),
        (ExponentialDpEvent(Fraction(1, 10)), Fraction(1, 800), Fraction(1, 10), 0),
        (ApproximateDpEvent(Decimal("0.1"), Decimal("1e-7")), Fraction(1, 200), Fraction(1, 10), Fraction(1, 10**7)),
        (NoOpDpEvent(), 0, 0, 0),
        (NonPrivateDpEvent(), None, None, 0),
        (PoissonSampledDpEvent(0.0, NonPrivateDpEvent()), 0, 0, 0),
        (PoissonSampledDpEvent(1.0, TENTH), Fraction(1, 200), Fraction(1, 10), 0),
        (PoissonSampledDpEvent(0.5, GaussianDpEvent(2.0)), None, None, 0),
        (SelfComposedDpEvent(NonPrivateDpEvent(), 0), 0, 0, 0),
        (SelfComposedDpEvent(TENTH, 10), Fraction(1, 20), 1, 0),
        (ComposedDpEvent(()), 0, 0, 0),
        (ComposedDpEvent((TENTH, GaussianDpEvent(2.0))), Fraction(26, 200), None, 0),
    ],
    ids=repr,
)
def test_cost_of_events(
    event: DpEvent, rho: Fraction | str | None, epsilon: Fraction | str | None, delta: Fraction | int
) -> None:
    cost = cost_of(event)
    for found, expected in ((cost.rho, rho), (cost.epsilon, epsilon)):
        if isinstance(expected, str):
            assert found is not None
            assert 0 <= found - Fraction(expected) <= Fraction(2, 10**12)
        else:
            assert found == expected
    assert cost.delta == delta


@pytest.mark.parametrize(
    ("event", "mu_squared"),
    [
        (GaussianDpEvent(2.0), Fraction(1, 4)),
        (GdpEvent(Fraction(1, 4)), Fraction(1, 4)),
        (GdpEvent(Fraction(1, 3)), Fraction(333_333_333_334, 10**12)),
        (GdpEvent(Fraction(0)), Fraction(0)),
        (ZCDpEvent(Fraction(1, 4)), None),
        (ZCDpEvent(Fraction(0)), Fraction(0)),
        (DiscreteGaussianDpEvent(Fraction(10), 3), None),
        (DiscreteGaussianDpEvent(Fraction(10), 0), Fraction(0)),
        (ExponentialDpEvent(Fraction(1)), mu_squared_of_range(Fraction(1))),
        (LaplaceDpEvent(1.0), mu_squared_of_range(Fraction(2))),
        (DiscreteLaplaceDpEvent(Fraction(10), 5), mu_squared_of_range(Fraction(1))),
        (ApproximateDpEvent(Decimal("0.5"), Decimal("1e-7")), mu_squared_of_range(Fraction(1))),
        (ApproximateDpEvent(Decimal(5000), Decimal(0)), None),
        (PoissonSampledDpEvent(0.5, GaussianDpEvent(2.0)), None),
        (NonPrivateDpEvent(), None),
        (SelfComposedDpEvent(GaussianDpEvent(2.0), 12), Fraction(3)),
    ],
    ids=repr,
)
def test_squared_mu_of_events(event: DpEvent, mu_squared: Fraction | None) -> None:
    assert cost_of(event).mu_squared == mu_squared


def test_a_choice_that_costs_much_has_the_rho_of_its_mu() -> None:
    """Beyond about 12 the mu of a bounded range is the better bound on its rho, too."""
    cost = cost_of(ExponentialDpEvent(Fraction(20)))
    assert cost.mu_squared is not None
    assert cost.rho == cost.mu_squared / 2
    assert cost.rho < Fraction(400, 8)


def test_a_third_is_rounded_up_to_the_resolution_of_the_ledger() -> None:
    cost = cost_of(ExponentialDpEvent(Fraction(1, 3)))
    assert cost.epsilon == Fraction(333_333_333_334, 10**12)
    assert cost.rho == Fraction(13_888_888_889, 10**12)
    assert cost_of(ZCDpEvent(Fraction(1, 10**20))).rho == Fraction(1, 10**12)


def test_sampling_amplifies_a_pure_event() -> None:
    cost = cost_of(PoissonSampledDpEvent(0.01, ApproximateDpEvent(Decimal(1), Decimal("1e-6"))))
    exact = math.log1p(0.01 * math.expm1(1.0))
    assert cost.epsilon is not None
    assert exact <= cost.epsilon <= exact + 2e-12
    assert 0 <= cost.delta - Fraction(1, 10**8) <= Fraction(1, 10**20)
    assert cost_of(PoissonSampledDpEvent(0.5, ApproximateDpEvent(Decimal(1000), Decimal(0)))).epsilon == 1000


@given(st.lists(any_events, max_size=4))
def test_the_cost_of_a_list_is_the_sum_and_order_does_not_matter(events: list[DpEvent]) -> None:
    whole = cost_of(ComposedDpEvent(tuple(events)))
    assert whole == sum(map(cost_of, events), ZERO_COST)
    assert whole == cost_of(ComposedDpEvent(tuple(reversed(events))))


@given(any_events, st.integers(1, 5))
def test_repetition_multiplies(event: DpEvent, count: int) -> None:
    assert cost_of(SelfComposedDpEvent(event, count)) == sum([cost_of(event)] * count, ZERO_COST)


@given(any_events)
def test_pure_events_are_zero_concentrated_and_costs_are_never_negative(event: DpEvent) -> None:
    cost = cost_of(event)
    assert cost.delta >= 0
    assert cost.rho is not None or cost.epsilon is None
    for amount in (cost.rho, cost.epsilon, cost.mu_squared):
        assert amount is None or (amount >= 0 and (amount * 2 * 10**12).denominator == 1)
    assert cost.mu_squared is None or (cost.rho is not None and cost.rho <= cost.mu_squared / 2)


def test_infinity_stays() -> None:
    infinite = PrivacyCost(None, None, Fraction(0))
    assert infinite + cost_of(TENTH) == infinite
    assert cost_of(TENTH) + infinite == infinite


def test_a_total_is_the_sum_to_the_last_digit() -> None:
    parts = [
        cost_of(GaussianDpEvent(3.7)),
        cost_of(ExponentialDpEvent(Fraction(1, 7))),
        cost_of(ApproximateDpEvent(Decimal("0.3"), Decimal("1e-9"))),
        # Not what any event costs: an amount that is no multiple of the resolution.
        PrivacyCost(Fraction(1, 7), Fraction(1, 3), Fraction(1, 10**31), Fraction(2, 7)),
    ]
    for chosen in (parts, parts[1:3], parts[:1], parts[3:], [*parts, cost_of(NonPrivateDpEvent())], []):
        assert total_cost(chosen) == sum(chosen, ZERO_COST)
    assert cost_of(SelfComposedDpEvent(GaussianDpEvent(3.7), 1)) == cost_of(GaussianDpEvent(3.7))
