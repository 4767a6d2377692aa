"""The filter is exact, says what would fit, and cannot be led beyond the budget by somebody who adapts."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.cost import ZERO_COST, PrivacyCost, cost_of
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    DiscreteGaussianDpEvent,
    DpEvent,
    GaussianDpEvent,
    GdpEvent,
    NonPrivateDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
    ZCDpEvent,
)
from dpsynth.accounting.filter import AdaptiveFilter, FilterKind
from dpsynth.accounting.gaussian import gaussian_delta
from dpsynth.accounting.gaussian_dp import delta_from_mu_squared, mu_squared_from_budget
from dpsynth.accounting.zcdp import rho_from_budget
from dpsynth.errors import InvalidBudget
from tests.accounting.events_drawn import simple_events


def pure(epsilon: str, delta: str = "0") -> PrivacyCost:
    return cost_of(ApproximateDpEvent(Decimal(epsilon), Decimal(delta)))


def gaussian(mu_squared: Fraction) -> PrivacyCost:
    return cost_of(GdpEvent(mu_squared))


@pytest.mark.parametrize(("budget", "count"), [("0.3", 3), ("1.0", 10), ("0.7", 7)])
@pytest.mark.parametrize("delta", ["0", "1e-6"])
def test_tenths_add_up_exactly_and_nothing_more_fits(budget: str, count: int, delta: str) -> None:
    """A trap: floats refuse the third tenth of 0.3, or the tenth of 1.0, in other libraries."""
    fits = AdaptiveFilter(PrivacyBudget(budget, delta))
    spent = ZERO_COST
    for _ in range(count):
        assert fits.admits(spent, pure("0.1"))
        spent += pure("0.1")
    assert not fits.admits(spent, pure("1e-9"))
    assert not fits.admits(spent, pure("1e-12"))
    assert fits.admits(spent, ZERO_COST)
    assert fits.largest_epsilon(spent, Decimal(delta)) == 0
    assert fits.largest_epsilon(ZERO_COST + pure("0.1"), Decimal(0)) == Decimal(budget) - Decimal("0.1")


def test_many_small_answers_may_exceed_the_pure_sum() -> None:
    fits = AdaptiveFilter(PrivacyBudget(1, "1e-6"))
    spent = cost_of(SelfComposedDpEvent(ApproximateDpEvent(Decimal("0.01"), Decimal(0)), 200))
    assert spent.epsilon == 2
    assert fits.admits(ZERO_COST, spent)
    assert not AdaptiveFilter(PrivacyBudget(1, 0)).admits(ZERO_COST, spent)


@settings(max_examples=30)
@given(
    st.decimals(min_value=Decimal("0.01"), max_value=20, places=3).filter(lambda x: x > 0),
    st.sampled_from(["1e-9", "1e-6", "1e-3"]),
)
def test_one_calibrated_release_spends_the_whole_budget(epsilon: Decimal, delta: str) -> None:
    budget = PrivacyBudget(epsilon, delta)
    fits = AdaptiveFilter(budget)
    whole = gaussian(mu_squared_from_budget(budget))
    assert fits.admits(ZERO_COST, whole)
    assert not fits.admits(whole, gaussian(Fraction(1, 10**12)))
    assert fits.largest_epsilon(ZERO_COST, budget.delta) == epsilon
    assert fits.largest_epsilon(whole, budget.delta) == 0


@settings(max_examples=30)
@given(
    st.fractions(min_value=0, max_value=Fraction(1, 20), max_denominator=10**6),
    st.sampled_from(["1e-6", "1e-8", "1e-3"]),
)
def test_the_largest_epsilon_fits_and_the_next_does_not(amount: Fraction, delta: str) -> None:
    fits = AdaptiveFilter(PrivacyBudget(1, "1e-6"))
    spent = gaussian(amount)
    largest = fits.largest_epsilon(spent, Decimal(delta))
    assert largest == largest.quantize(Decimal("0.0001"))
    if largest > 0:
        assert fits.admits(spent, gaussian(mu_squared_from_budget(PrivacyBudget(largest, delta))))
    step = largest + Decimal("0.0001")
    try:
        next_mu_squared = mu_squared_from_budget(PrivacyBudget(step, delta))
    except InvalidBudget:
        return
    assert not fits.admits(spent, gaussian(next_mu_squared))


@settings(max_examples=30)
@given(st.lists(simple_events, max_size=4), simple_events)
def test_what_is_admitted_keeps_the_promise_and_less_is_admitted_too(events: list[DpEvent], asked: DpEvent) -> None:
    budget = PrivacyBudget(1, "1e-6")
    fits = AdaptiveFilter(budget)
    spent = sum(map(cost_of, events), ZERO_COST)
    total = spent + cost_of(asked)
    if fits.admits(spent, cost_of(asked)):
        assert fits.admits(ZERO_COST, spent)
        assert total.epsilon is not None or total.mu_squared is not None
        assert (total.epsilon is not None and total.epsilon <= 1) or (
            total.mu_squared is not None and delta_from_mu_squared(total.mu_squared, 1) <= budget.delta
        )
    assert fits.admits(spent, cost_of(asked)) == fits.admits(ZERO_COST, total)


@pytest.mark.parametrize("event", [NonPrivateDpEvent(), PoissonSampledDpEvent(0.01, GaussianDpEvent(1e6))], ids=repr)
def test_what_has_no_finite_cost_is_never_admitted(event: DpEvent) -> None:
    fits = AdaptiveFilter(PrivacyBudget(100, "0.1"))
    assert not fits.admits(ZERO_COST, cost_of(event))
    assert not fits.admits(cost_of(event), pure("0.1"))
    assert fits.largest_epsilon(cost_of(event), Decimal("1e-6")) == 0
    assert fits.largest_epsilon(cost_of(event), Decimal(0)) == 0


def test_events_that_may_fail_need_a_share_that_was_set_aside() -> None:
    failing = pure("0.1", "1e-7")
    assert not AdaptiveFilter(PrivacyBudget(1, "1e-6")).admits(ZERO_COST, failing)
    fits = AdaptiveFilter(PrivacyBudget(1, "1e-6"), event_delta="2e-7")
    assert fits.admits(failing, failing)
    assert not fits.admits(failing + failing, failing)
    assert not fits.admits(ZERO_COST, gaussian(mu_squared_from_budget(PrivacyBudget(1, "1e-6"))))
    assert fits.admits(ZERO_COST, gaussian(mu_squared_from_budget(PrivacyBudget(1, "8e-7"))))
    everything = AdaptiveFilter(PrivacyBudget(1, "1e-6"), event_delta="1e-6")
    assert everything.admits(ZERO_COST, pure("1", "1e-6"))
    assert not everything.admits(ZERO_COST, gaussian(Fraction(1, 10**9)))
    assert everything.largest_epsilon(ZERO_COST, Decimal("1e-6")) == 0


@pytest.mark.parametrize("share", ["-1e-9", "2e-6", "nan", True])
def test_a_share_that_means_nothing_is_refused(share: str) -> None:
    with pytest.raises(InvalidBudget):
        AdaptiveFilter(PrivacyBudget(1, "1e-6"), event_delta=share)


def test_what_is_left_is_said_in_words() -> None:
    fits = AdaptiveFilter(PrivacyBudget(1, "1e-6"))
    assert fits.describe_remaining(ZERO_COST) == "epsilon 1 at delta 1e-06"
    half = gaussian(mu_squared_from_budget(PrivacyBudget("0.5", "1e-6")))
    assert fits.describe_remaining(half) == "epsilon 0.8411 at delta 1e-06"
    assert fits.describe_remaining(pure("0.9")) == "epsilon 0 at delta 1e-06, or epsilon 0.1 (pure)"
    assert AdaptiveFilter(PrivacyBudget("0.3", 0)).describe_remaining(pure("0.1")) == "epsilon 0.2 (pure)"
    assert AdaptiveFilter(PrivacyBudget("0.3", 0)).describe_remaining(pure("0.3")) == "epsilon 0 (pure)"


def test_events_without_a_finite_mu_do_not_fit_by_it() -> None:
    fits = AdaptiveFilter(PrivacyBudget(1, "1e-6"))
    assert not fits.admits(ZERO_COST, cost_of(ZCDpEvent(Fraction(1, 10**6))))
    assert not fits.admits(ZERO_COST, cost_of(DiscreteGaussianDpEvent(Fraction(10**6), 1)))


def test_a_budget_by_rho_keeps_its_meaning_and_takes_gaussian_releases() -> None:
    """Filters of before: rho is what adds up, also where it was spent by what has no finite mu."""
    budget = PrivacyBudget(1, "1e-6")
    fits = AdaptiveFilter(budget, kind=FilterKind.ZERO_CONCENTRATED)
    rho = rho_from_budget(budget)
    assert fits.admits(ZERO_COST, cost_of(ZCDpEvent(rho)))
    assert not fits.admits(cost_of(ZCDpEvent(rho)), cost_of(ZCDpEvent(Fraction(1, 10**12))))
    assert fits.admits(ZERO_COST, gaussian(2 * rho))
    assert not fits.admits(ZERO_COST, gaussian(mu_squared_from_budget(budget)))
    assert AdaptiveFilter(budget).admits(ZERO_COST, gaussian(mu_squared_from_budget(budget)))
    for spent in (ZERO_COST, cost_of(ZCDpEvent(rho / 3)), gaussian(rho / 2)):
        largest = fits.largest_epsilon(spent, budget.delta)
        assert fits.admits(spent, gaussian(mu_squared_from_budget(PrivacyBudget(largest, budget.delta))))
        beyond = PrivacyBudget(largest + Decimal("0.0001"), budget.delta)
        assert not fits.admits(spent, gaussian(mu_squared_from_budget(beyond)))


# ------------------------------------------------------------------------------------------------------- adversaries


def hockey_stick_of_normal_loss(amount: float, epsilon: np.ndarray) -> np.ndarray:
    """Return the profile of a Gaussian of rho `amount` at any epsilon, negative ones by the reversed pair."""
    noise = 1 / math.sqrt(2 * amount)
    values = np.array([gaussian_delta(abs(float(x)), noise) for x in epsilon])
    return np.where(epsilon >= 0, values, -np.expm1(np.minimum(epsilon, 0)) + np.exp(np.minimum(epsilon, 0)) * values)


def delta_of_the_adversary(
    epsilon: float, first: float, then: float, threshold: float, otherwise_fails: float
) -> float:
    """Return the exact delta at `epsilon` of somebody who adapts.

    He asks for a Gaussian answer of rho `first`. If its privacy loss came out above `threshold` he asks for another of
    rho `then`; if not, for an answer that fails with probability `otherwise_fails` and says nothing else.
    """
    mean, deviation = first, math.sqrt(2 * first)
    losses = np.linspace(threshold, first + 12 * deviation, 1501)
    continued = hockey_stick_of_normal_loss(then, epsilon - losses) * norm.pdf(losses, mean, deviation)
    return float(otherwise_fails * norm.cdf(threshold, mean, deviation) + np.trapezoid(continued, losses))


def largest_delta_of_adversaries(budget: PrivacyBudget, conversion_delta: float, follows: bool) -> float:
    """Return the largest delta over adversaries; `follows`: the rule takes deltas off the budget as they come."""
    whole = float(mu_squared_from_budget(PrivacyBudget(budget.epsilon, conversion_delta))) / 2
    epsilon, worst = float(budget.epsilon), 0.0
    for share in (0.4, 0.65, 0.9):
        left = float(budget.delta) - (
            delta_from_mu_squared(Fraction(2 * share * whole), epsilon) if follows else conversion_delta
        )
        for deviations in (1.5, 2.5, 3.5):
            threshold = share * whole + deviations * math.sqrt(2 * share * whole)
            if threshold < epsilon:
                attack = delta_of_the_adversary(epsilon, share * whole, (1 - share) * whole, threshold, left)
                worst = max(worst, attack)
    return worst / float(budget.delta)


@pytest.mark.parametrize(("epsilon", "delta"), [("1", "1e-6"), ("0.3", "1e-6"), ("3", "1e-4")])
def test_taking_deltas_off_as_they_come_is_no_valid_filter(epsilon: str, delta: str) -> None:
    budget = PrivacyBudget(epsilon, delta)
    assert largest_delta_of_adversaries(budget, float(delta), follows=True) > 1.8


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_share_fixed_in_advance_withstands_the_same_adversaries(share: float) -> None:
    budget = PrivacyBudget(1, "1e-6")
    assert largest_delta_of_adversaries(budget, (1 - share) * 1e-6, follows=False) <= 1.0


def test_this_filter_refuses_the_adversary() -> None:
    budget = PrivacyBudget(1, "1e-6")
    first = gaussian(mu_squared_from_budget(budget) * Fraction(65, 100))
    fits = AdaptiveFilter(budget)
    assert fits.admits(ZERO_COST, first)
    assert not fits.admits(first, pure("0", "1e-7"))


@pytest.mark.parametrize("first", [0.02, 0.1, 0.15])
@pytest.mark.parametrize("continue_after", [1, -1])
def test_choosing_between_both_sums_gains_nothing(first: float, continue_after: int) -> None:
    """Somebody answers purely first; after one outcome he goes on purely to epsilon, after the other by mu."""
    budget = PrivacyBudget(1, "1e-6")
    spent = cost_of(ApproximateDpEvent(Decimal(str(first)), Decimal(0))).mu_squared
    assert spent is not None
    left = float(mu_squared_from_budget(budget) - spent) / 2
    chosen = 1 / (1 + math.exp(-continue_after * first))
    loss = np.array([continue_after * first])
    by_mu = chosen * float(hockey_stick_of_normal_loss(left, 1.0 - loss)[0])
    assert by_mu <= 1e-6  # the other branch never has a loss above epsilon
