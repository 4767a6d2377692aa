"""Laws that every accountant keeps, and the one way in which events are taken apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.accounting.accountant import MOST_SAMPLED, EventTally, PrivacyAccountant, simple_events
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DiscreteGaussianDpEvent,
    DpEvent,
    GaussianDpEvent,
    LaplaceDpEvent,
    NonPrivateDpEvent,
    NoOpDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
)
from dpsynth.accounting.pld import PldAccountant
from dpsynth.accounting.rdp import RdpAccountant
from dpsynth.errors import InvalidBudget, InvalidInput
from tests.accounting.events_drawn import any_events
from tests.accounting.events_drawn import simple_events as drawn_events

ENGINES = pytest.mark.parametrize("engine", [RdpAccountant, PldAccountant], ids=["rdp", "pld"])
Engine = Callable[[], PrivacyAccountant]
UNSUPPORTED = PoissonSampledDpEvent(0.5, DiscreteGaussianDpEvent(Fraction(1), 1))
few = settings(max_examples=8)


def total(engine: Engine, events: list[DpEvent], delta: float = 1e-6) -> float:
    accountant = engine()
    for event in events:
        accountant.compose(event)
    return accountant.get_epsilon(delta)


@ENGINES
@few
@given(events=st.lists(drawn_events, max_size=4))
def test_the_order_of_composition_does_not_matter(engine: Engine, events: list[DpEvent]) -> None:
    forward = total(engine, events)
    assert forward == total(engine, events[::-1])
    assert forward == total(engine, [ComposedDpEvent(tuple(events))])


@ENGINES
@few
@given(events=st.lists(drawn_events, max_size=3), more=drawn_events)
def test_more_events_never_cost_less(engine: Engine, events: list[DpEvent], more: DpEvent) -> None:
    assert total(engine, [*events, more]) >= total(engine, events) * (1 - 1e-4) - 1e-9


@ENGINES
@few
@given(events=st.lists(drawn_events, max_size=3))
def test_epsilon_falls_in_delta_and_delta_in_epsilon(engine: Engine, events: list[DpEvent]) -> None:
    accountant = engine().compose(ComposedDpEvent(tuple(events)))
    assert accountant.get_epsilon(1e-4) <= accountant.get_epsilon(1e-8) * (1 + 1e-4) + 1e-9
    assert accountant.get_delta(1.0) <= accountant.get_delta(0.5) * (1 + 1e-4) + 1e-12
    assert accountant.get_delta(accountant.get_epsilon(1e-6)) <= 1e-6 * (1 + 1e-2)


@ENGINES
@few
@given(event=drawn_events, count=st.integers(0, 6))
def test_a_count_is_a_self_composition(engine: Engine, event: DpEvent, count: int) -> None:
    once = engine().compose(event, count).get_epsilon(1e-6)
    assert once == engine().compose(SelfComposedDpEvent(event, count)).get_epsilon(1e-6)
    assert once == total(engine, [event] * count)


@ENGINES
def test_asking_changes_nothing(engine: Engine) -> None:
    accountant = engine().compose(GaussianDpEvent(2.0))
    first = accountant.get_epsilon(1e-6)
    accountant.get_delta(1.0)
    accountant.get_epsilon(1e-9)
    assert accountant.get_epsilon(1e-6) == first


@ENGINES
@pytest.mark.parametrize(
    "event",
    [
        UNSUPPORTED,
        ComposedDpEvent((GaussianDpEvent(0.1), UNSUPPORTED)),
        ComposedDpEvent((GaussianDpEvent(0.1), SelfComposedDpEvent(ComposedDpEvent((UNSUPPORTED,)), 2))),
    ],
    ids=["alone", "after another", "deep inside"],
)
def test_an_unsupported_event_leaves_nothing_half_charged(engine: Engine, event: DpEvent) -> None:
    accountant = engine().compose(GaussianDpEvent(5.0))
    before = accountant.get_epsilon(1e-6)
    assert not accountant.supports(event)
    with pytest.raises(InvalidInput, match="DiscreteGaussian"):
        accountant.compose(event)
    assert accountant.get_epsilon(1e-6) == before


@ENGINES
@pytest.mark.parametrize("count", [-1, True, 1.5])
def test_a_count_that_means_nothing_is_refused(engine: Engine, count: int) -> None:
    accountant = engine()
    with pytest.raises(InvalidInput):
        accountant.compose(GaussianDpEvent(1.0), count)
    assert accountant.get_epsilon(1e-6) == 0


@ENGINES
def test_nothing_costs_nothing(engine: Engine) -> None:
    for event in (NoOpDpEvent(), ComposedDpEvent(()), SelfComposedDpEvent(NonPrivateDpEvent(), 0)):
        accountant = engine().compose(event)
        assert accountant.get_epsilon(0) == 0
        assert accountant.get_epsilon(1e-6) == 0
        assert accountant.get_delta(0) == 0


@ENGINES
def test_unprotected_reading_costs_infinity(engine: Engine) -> None:
    accountant = engine().compose(ComposedDpEvent((GaussianDpEvent(5.0), NonPrivateDpEvent())))
    assert accountant.get_epsilon(0.5) == math.inf
    assert accountant.get_delta(50.0) == 1


@ENGINES
def test_at_delta_zero_only_pure_events_have_an_epsilon(engine: Engine) -> None:
    tenth = ApproximateDpEvent(Decimal("0.1"), Decimal(0))
    assert engine().compose(tenth, 3).get_epsilon(0) == 0.3
    assert engine().compose(tenth, 3).get_delta(Decimal("0.3")) == 0
    assert engine().compose(GaussianDpEvent(1.0)).get_epsilon(0) == math.inf


@ENGINES
def test_deltas_of_events_are_part_of_the_delta(engine: Engine) -> None:
    accountant = engine().compose(ApproximateDpEvent(Decimal("0.5"), Decimal("1e-6")), 2)
    assert accountant.get_epsilon(1e-6) == math.inf
    assert accountant.get_epsilon(Decimal("2e-6")) <= 1
    assert 1.9e-6 < accountant.get_delta(1.0) <= 2e-6
    large = engine().compose(ApproximateDpEvent(Decimal("0.5"), Decimal("0.9")))
    assert large.get_delta(0.1) >= 0.9


@ENGINES
@pytest.mark.parametrize("delta", [-1e-9, 1.0, float("nan"), float("inf")])
def test_a_delta_that_means_nothing_is_refused(engine: Engine, delta: float) -> None:
    with pytest.raises(InvalidBudget):
        engine().get_epsilon(delta)


@ENGINES
@pytest.mark.parametrize("epsilon", [-1e-9, float("nan")])
def test_an_epsilon_that_means_nothing_is_refused(engine: Engine, epsilon: float) -> None:
    with pytest.raises(InvalidBudget):
        engine().get_delta(epsilon)


@given(any_events)
def test_both_engines_support_the_same_events(event: DpEvent) -> None:
    assert RdpAccountant().supports(event) == PldAccountant().supports(event)


def test_trees_become_counted_lists() -> None:
    gaussian = GaussianDpEvent(1.0)
    tree = SelfComposedDpEvent(
        ComposedDpEvent(
            (gaussian, SelfComposedDpEvent(gaussian, 3), NoOpDpEvent(), PoissonSampledDpEvent(1.0, gaussian))
        ),
        2,
    )
    assert simple_events(tree) == {gaussian: 10}
    assert simple_events(PoissonSampledDpEvent(0.0, UNSUPPORTED)) == {}


def test_a_very_deep_tree_is_no_problem() -> None:
    event: DpEvent = GaussianDpEvent(1.0)
    for _ in range(10_000):
        event = ComposedDpEvent((event,))
    assert simple_events(event) == {GaussianDpEvent(1.0): 1}


def test_a_sampled_pure_event_becomes_its_amplified_guarantee() -> None:
    found = simple_events(PoissonSampledDpEvent(0.01, SelfComposedDpEvent(LaplaceDpEvent(2.0), 2)))
    ((event, count),) = found.items()
    assert isinstance(event, ApproximateDpEvent)
    assert count == 1
    assert float(event.epsilon) == pytest.approx(math.log1p(0.01 * math.expm1(1.0)), rel=1e-10)


def test_many_sampled_gaussians_are_counted_as_few_worse_ones() -> None:
    tally = EventTally()
    sampled = [PoissonSampledDpEvent(0.01, GaussianDpEvent(1 + place / 100)) for place in range(0, 100, 3)]
    tally.add(ComposedDpEvent(tuple(sampled)), 1)
    merged = tally.items()
    assert len(merged) <= MOST_SAMPLED
    assert sum(count for _, count in merged) == 34
    exact = RdpAccountant().compose(sampled[0], 34).get_epsilon(1e-6)
    coarse = RdpAccountant().compose(ComposedDpEvent(tuple(sampled))).get_epsilon(1e-6)
    assert RdpAccountant().compose(sampled[17], 34).get_epsilon(1e-6) / 1.2 < coarse < exact
