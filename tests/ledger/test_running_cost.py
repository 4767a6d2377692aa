"""Exact sums in whole units: the same as those of fractions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.accounting.cost import ZERO_COST, PrivacyCost, cost_of
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DiscreteGaussianDpEvent,
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
from dpsynth.ledger.running_cost import NO_UNITS, RunningCost, units_of_event, units_of_parts

AMOUNTS = st.fractions(min_value=0, max_value=1000, max_denominator=10**12).filter(
    lambda part: part == 0 or part > 1e-20
)
DECIMALS = st.decimals(min_value=0, max_value=Decimal("0.5"), places=20)
SINGLE = st.one_of(
    st.builds(GaussianDpEvent, st.floats(1e-3, 1e6)),
    st.builds(LaplaceDpEvent, st.floats(1e-3, 1e6)),
    st.builds(DiscreteGaussianDpEvent, AMOUNTS.filter(bool), st.integers(0, 1000)),
    st.builds(ExponentialDpEvent, AMOUNTS),
    st.builds(ZCDpEvent, AMOUNTS),
    st.builds(GdpEvent, AMOUNTS),
    st.builds(ApproximateDpEvent, DECIMALS, DECIMALS),
    st.sampled_from([NoOpDpEvent(), NonPrivateDpEvent()]),
)
EVENTS: st.SearchStrategy[DpEvent] = st.one_of(
    SINGLE,
    st.builds(SelfComposedDpEvent, SINGLE, st.integers(0, 10**6)),
    st.builds(PoissonSampledDpEvent, st.floats(0, 1), st.builds(LaplaceDpEvent, st.floats(1e-3, 1e6))),
    st.builds(ComposedDpEvent, st.lists(SINGLE, max_size=3).map(tuple)),
)


@given(EVENTS)
def test_units_hold_a_cost_exactly(event: DpEvent) -> None:
    assert units_of_event(event).cost == cost_of(event)


@given(st.lists(EVENTS, max_size=5))
def test_parts_add_up_exactly(events: list[DpEvent]) -> None:
    assert units_of_parts(events).cost == sum(map(cost_of, events), ZERO_COST)


@settings(max_examples=40)
@given(st.lists(st.tuples(EVENTS, EVENTS), max_size=6))
def test_the_sum_and_its_largest_value_are_exact(steps: list[tuple[DpEvent, DpEvent]]) -> None:
    total, counted, sums = RunningCost(), [NO_UNITS] * len(steps), [ZERO_COST]
    for reserving in (True, False):
        for place, (reserved, settled) in enumerate(steps):
            after = units_of_event(reserved if reserving else settled)
            foreseen = total.after(counted[place], after)
            total.exchange(counted[place], after)
            counted[place] = after
            sums.append(sum((one.cost for one in counted), ZERO_COST))
            assert total.total == foreseen == sums[-1]
    assert total.peak == _largest(sums)


def test_what_was_added_and_taken_away_leaves_nothing() -> None:
    total = RunningCost()
    for event in (ZCDpEvent(Fraction(1, 3)), NonPrivateDpEvent(), ApproximateDpEvent(Decimal("0.1"), Decimal("1e-30"))):
        total.exchange(NO_UNITS, units_of_event(event))
        total.exchange(units_of_event(event), NO_UNITS)
    assert total.total == ZERO_COST
    assert total.gaussian_part == (0, 0)


def _largest(sums: list[PrivacyCost]) -> PrivacyCost:
    def most(name: str) -> Fraction | None:
        parts = [getattr(cost, name) for cost in sums]
        return None if None in parts else max(parts)

    delta = most("delta")
    assert delta is not None
    return PrivacyCost(rho=most("rho"), epsilon=most("epsilon"), delta=delta, mu_squared=most("mu_squared"))
