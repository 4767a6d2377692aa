"""A plan keeps its budget whatever its adversary adapts, and a rule that adds up totals as they come does not."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DpEvent,
    ExponentialDpEvent,
    GaussianDpEvent,
    GdpEvent,
    LaplaceDpEvent,
    NonPrivateDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
    ZCDpEvent,
)
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.accounting.locked_plan import MOST_EVENTS, LockedPlan
from dpsynth.accounting.pld import PldAccountant
from dpsynth.errors import InvalidBudget, InvalidInput

BUDGET = PrivacyBudget(1, "1e-6")
TRAINING = SelfComposedDpEvent(PoissonSampledDpEvent(0.01, GaussianDpEvent(1.5)), 500)


def pure(epsilon: str, delta: str = "0") -> ApproximateDpEvent:
    return ApproximateDpEvent(Decimal(epsilon), Decimal(delta))


# --------------------------------------------------------------------------------------------------- what may be locked


def test_three_tenths_fit_exactly_and_nothing_more() -> None:
    plan = LockedPlan.lock(PrivacyBudget("0.3", 0), [pure("0.1")] * 3)
    assert plan.total_epsilon == Decimal("0.3")
    with pytest.raises(InvalidBudget, match="costs epsilon"):
        LockedPlan.lock(PrivacyBudget("0.3", 0), [*[pure("0.1")] * 3, pure("0.000000001")])


def test_exact_gaussians_fill_the_budget() -> None:
    whole = mu_squared_from_budget(BUDGET)
    parts = [GdpEvent(Fraction(share, 100)) for share in (3, 1)]
    parts.append(GdpEvent(whole - Fraction(4, 100)))
    assert LockedPlan.lock(BUDGET, parts).total_epsilon == 1
    with pytest.raises(InvalidBudget):
        LockedPlan(BUDGET, [*parts, GdpEvent(Fraction(1, 1000))])


def test_sampled_gaussians_have_a_total_here_although_no_sum_bounds_them() -> None:
    plan = LockedPlan.lock(BUDGET, [TRAINING, LaplaceDpEvent(20.0)])
    assert 0.4 < plan.total_epsilon < 1
    losses = PldAccountant().compose(ComposedDpEvent(plan.events)).get_epsilon(BUDGET.delta)
    assert Decimal(losses) <= plan.total_epsilon <= Decimal(losses) + Decimal("1e-4")


def test_deltas_of_events_count_against_the_delta_of_the_budget() -> None:
    assert LockedPlan.lock(BUDGET, [pure("0.5", "4e-7")] * 2).total_epsilon == 1
    with pytest.raises(InvalidBudget, match="inf"):
        LockedPlan(BUDGET, [pure("0.1", "4e-7")] * 3)


@pytest.mark.parametrize(
    "events",
    [
        [],
        [NonPrivateDpEvent()],
        [pure("0.1")] * (MOST_EVENTS + 1),
        [PoissonSampledDpEvent(0.1, ZCDpEvent(Fraction(1)))],
    ],
    ids=["nothing", "unprotected", "too long", "unknown"],
)
def test_other_lists_are_refused(events: list[DpEvent]) -> None:
    with pytest.raises(InvalidInput):
        LockedPlan(BUDGET, events)


def test_a_plan_without_a_margin_can_be_read_but_not_be_locked() -> None:
    exact = PldAccountant().compose(TRAINING).get_epsilon(BUDGET.delta)
    barely = PrivacyBudget(Decimal(f"{exact * (1 + 1e-6):.9f}"), BUDGET.delta)
    with pytest.raises(InvalidBudget, match="later version"):
        LockedPlan.lock(barely, [TRAINING])
    assert LockedPlan(barely, [TRAINING]).total_epsilon == barely.epsilon
    LockedPlan.lock(PrivacyBudget(Decimal(f"{exact * (1 + 1e-4):.9f}"), BUDGET.delta), [TRAINING])


# -------------------------------------------------------------------------------------------------- what may be charged


@given(st.permutations(range(4)), st.integers(-3, 7))
def test_every_position_once_in_any_order(order: list[int], other: int) -> None:
    plan = LockedPlan(PrivacyBudget(1, 0), [pure("0.25")] * 4)
    spent: set[int] = set()
    for position in order:
        assert plan.admits(spent, position)
        spent.add(position)
        assert not plan.admits(spent, position)
    assert not plan.admits(spent, other)


def test_an_event_pays_for_its_parts_and_for_nothing_else() -> None:
    steps = SelfComposedDpEvent(PoissonSampledDpEvent(0.01, GaussianDpEvent(1.5)), 300)
    plan = LockedPlan(
        PrivacyBudget(5, "1e-5"),
        [ComposedDpEvent((TRAINING, pure("0.1"))), GdpEvent(Fraction(1, 10)), ZCDpEvent(Fraction(1, 50))],
    )
    assert plan.covers(0, [])
    assert plan.covers(0, [steps, pure("0.1")])
    assert not plan.covers(0, [steps, steps])
    assert not plan.covers(0, [pure("0.05")])
    assert not plan.covers(0, [PoissonSampledDpEvent(0.01, GaussianDpEvent(1.4))])
    assert plan.covers(1, [GaussianDpEvent(5.0), ExponentialDpEvent(Fraction(1, 10))])
    assert not plan.covers(1, [GaussianDpEvent(3.0)])
    assert not plan.covers(1, [pure("0.01", "1e-9")])
    assert plan.covers(2, [ExponentialDpEvent(Fraction(1, 10)), ZCDpEvent(Fraction(18, 1000))])
    assert not plan.covers(2, [ZCDpEvent(Fraction(21, 1000))])
    assert not plan.covers(2, [steps])
    with pytest.raises(InvalidInput, match="positions"):
        plan.covers(3, [])


def test_what_costs_as_much_in_sums_does_not_pay_for_something_else() -> None:
    """Two events may cost as much in squared mu, rho and epsilon, and only one of them keep the total of the list."""
    plan = LockedPlan(PrivacyBudget(2, "1e-6"), [LaplaceDpEvent(1.0), LaplaceDpEvent(1.0)])
    assert not plan.covers(0, [pure("1")])
    assert not plan.covers(0, [LaplaceDpEvent(2.0), LaplaceDpEvent(2.0)])
    assert plan.covers(0, [LaplaceDpEvent(1.0)])


# -------------------------------------------------------------------------------------------------------- the adversary

Floats = NDArray[np.float64]
Step = Callable[[Floats], Floats]
GRID = 0.001
EPSILON, DELTA = 1.0, 1e-6
LOSSES = np.arange(-3.0, EPSILON + 4.0, GRID)


def gaussian_step(mu_squared: float) -> Step:
    """Return what turns the value after a Gaussian answer into the expected value before it."""
    deviation = math.sqrt(mu_squared)
    reach = math.ceil((9 * deviation + mu_squared) / GRID)
    weights = norm.pdf(np.arange(-reach, reach + 1) * GRID, mu_squared / 2, deviation) * GRID
    return lambda value: np.convolve(np.pad(value, reach, mode="edge"), weights[::-1], mode="valid")


def coin_step(epsilon: float) -> Step:
    """Return the same for a randomised response."""
    parts = [(epsilon, expit(epsilon)), (-epsilon, expit(-epsilon))]
    return lambda value: sum(chance * np.interp(LOSSES + loss, LOSSES, value) for loss, chance in parts)


def best_adversary(steps: list[Step], allowed: Callable[[frozenset[int]], bool]) -> float:
    """Return the delta of the best strategy that looks at every loss, and may stop or take any allowed next step."""
    known: dict[frozenset[int], Floats] = {}

    def value(taken: frozenset[int]) -> Floats:
        if taken not in known:
            options = [np.maximum(0.0, -np.expm1(EPSILON - LOSSES))]
            for place, step in enumerate(steps):
                after = taken | {place}
                if place not in taken and allowed(after):
                    options.append(step(value(after)))
            known[taken] = np.max(options, axis=0)
        return known[taken]

    return float(np.interp(0.0, LOSSES, value(frozenset())))


def coin_that_fits_beside(mu_squared: float) -> float:
    """Return the epsilon of a randomised response that brings the exact total with a Gaussian answer to DELTA."""
    step = gaussian_step(mu_squared)
    stop = np.maximum(0.0, -np.expm1(EPSILON - LOSSES))

    def excess(epsilon: float) -> float:
        return float(np.interp(0.0, LOSSES, step(coin_step(epsilon)(stop)))) - DELTA

    return float(brentq(excess, 0.01, 0.9))


def test_a_total_as_a_stopping_rule_overspends_and_a_plan_refuses_the_switch() -> None:
    """After a first answer two continuations are left, each of which alone keeps the budget by its exact total.

    A rule that grants what keeps the total of privacy losses so far grants either, after the first answer was seen, and
    never both. Who takes the one or the other by the loss of that answer gets more than the budget. A plan holds one
    of them, or is refused.
    """
    whole = float(mu_squared_from_budget(BUDGET))
    coin = coin_that_fits_beside(0.6 * whole) * (1 - 1e-4)
    first = GdpEvent(Fraction(0.6 * whole).limit_denominator(10**12))
    events: list[DpEvent] = [first, GdpEvent(Fraction(0.399 * whole).limit_denominator(10**12)), pure(f"{coin:.9f}")]
    steps = [gaussian_step(0.6 * whole), gaussian_step(0.399 * whole), coin_step(coin)]

    def total_fits(taken: frozenset[int]) -> bool:
        list_so_far = ComposedDpEvent(tuple(events[place] for place in taken))
        return PldAccountant().compose(list_so_far).get_epsilon(BUDGET.delta) <= EPSILON

    assert [total_fits(frozenset(taken)) for taken in ({0, 1}, {0, 2}, {0, 1, 2})] == [True, True, False]
    assert best_adversary(steps, total_fits) > 1.05 * DELTA  # teeth: the tempting rule is led beyond the budget
    for chosen in ([0, 1], [0, 2]):
        plan = LockedPlan.lock(BUDGET, [events[place] for place in chosen])
        assert not plan.admits({0, 1}, 2)
        assert not plan.covers(1, [events[3 - chosen[1]]])
        assert best_adversary([steps[place] for place in chosen], lambda _: True) <= DELTA
    with pytest.raises(InvalidBudget):
        LockedPlan(BUDGET, events)


@pytest.mark.parametrize("shares", [(0.5, 0.2, 0.05), (0.2, 0.2, 0.3), (0.05, 0.6, 0.1)])
def test_order_and_stopping_by_what_was_seen_gain_nothing(shares: tuple[float, float, float]) -> None:
    """The best strategy over all orders and stopping moments gets what the whole list costs, to the grid's accuracy."""
    whole = float(mu_squared_from_budget(BUDGET))
    coin = coin_that_fits_beside(sum(shares) * whole)
    steps = [*(gaussian_step(share * whole) for share in shares), coin_step(coin)]
    assert best_adversary(steps, lambda _: True) == pytest.approx(DELTA, rel=2e-3)
    events: list[DpEvent] = [GdpEvent(Fraction(share * whole).limit_denominator(10**12)) for share in shares]
    assert LockedPlan.lock(BUDGET, [*events, pure(f"{coin * 0.999:.9f}")]).total_epsilon <= 1
    with pytest.raises(InvalidBudget):
        LockedPlan(BUDGET, [*events, pure(f"{coin * 1.02:.9f}")])
