"""Intervals against their definitions: the binomial tail at the bound is exactly the error allowed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dpsynth.attacks import Interval
from dpsynth.attacks.bounds import clopper_pearson, difference_of_proportions, excess_risk
from dpsynth.errors import InvalidInput


@given(
    st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.8, 0.95, 0.99])
)
def test_clopper_pearson_inverts_the_binomial_tails(counts: tuple[int, int], confidence: float) -> None:
    successes, trials = counts
    interval = clopper_pearson(successes, trials, confidence=confidence)
    if successes:
        assert stats.binom.sf(successes - 1, trials, interval.lower) == pytest.approx(1 - confidence, rel=1e-6)
    else:
        assert interval.lower == 0
    if successes < trials:
        assert stats.binom.cdf(successes, trials, interval.upper) == pytest.approx(1 - confidence, rel=1e-6)
    else:
        assert interval.upper == 1


def test_clopper_pearson_golden_values() -> None:
    # Nothing in n trials: the upper bound p solves (1 - p)**n = 0.05, the "rule of three".
    assert clopper_pearson(0, 2000, confidence=0.95).upper == pytest.approx(1 - 0.05 ** (1 / 2000), rel=1e-12)
    # Everything in n trials: the lower bound p solves p**n = 0.05.
    assert clopper_pearson(10, 10, confidence=0.95).lower == pytest.approx(0.05**0.1, rel=1e-12)
    assert clopper_pearson(0, 0, confidence=0.95) == Interval(0.5, 0.0, 1.0, 0.95)


@pytest.mark.parametrize(("first", "second"), [(0.0, 0.0), (0.02, 0.0), (0.3, 0.25), (0.9, 0.7), (1.0, 0.5)])
def test_the_bounds_of_a_difference_hold_as_often_as_they_say(first: float, second: float) -> None:
    # All outcomes of 60 and 40 trials are enumerated, so the coverage is exact and nothing is random here. Square and
    # add is no exact method; with exact bounds inside it stays at or above its level for these cases.
    trials = (60, 40)
    one = [clopper_pearson(k, trials[0], confidence=0.95) for k in range(trials[0] + 1)]
    two = [clopper_pearson(k, trials[1], confidence=0.95) for k in range(trials[1] + 1)]
    weights = np.outer(stats.binom.pmf(range(61), 60, first), stats.binom.pmf(range(41), 40, second))
    intervals = [[difference_of_proportions(a, b) for b in two] for a in one]
    truth = first - second
    above = np.array([[interval.lower <= truth + 1e-12 for interval in row] for row in intervals])
    below = np.array([[interval.upper >= truth - 1e-12 for interval in row] for row in intervals])
    assert (weights * above).sum() >= 0.95
    assert (weights * below).sum() >= 0.95


def test_a_difference_is_antisymmetric() -> None:
    one, two = clopper_pearson(30, 60, confidence=0.95), clopper_pearson(3, 40, confidence=0.95)
    there, back = difference_of_proportions(one, two), difference_of_proportions(two, one)
    assert (there.estimate, there.lower, there.upper) == pytest.approx((-back.estimate, -back.upper, -back.lower))


@pytest.mark.parametrize(
    "interval", [(0.5, 0.6, 0.7, 0.95), (0.5, 0.1, 0.4, 0.95), (0.5, 0, 1, 1.0), (np.nan, 0, 1, 0.95)]
)
def test_intervals_that_contradict_themselves_are_refused(interval: tuple[float, float, float, float]) -> None:
    with pytest.raises(InvalidInput):
        Interval(*interval)


@pytest.mark.parametrize(("successes", "trials"), [(-1, 3), (4, 3)])
def test_impossible_counts_are_refused(successes: int, trials: int) -> None:
    with pytest.raises(InvalidInput):
        clopper_pearson(successes, trials, confidence=0.95)


def test_excess_risk_by_hand() -> None:
    # 60 of 100 against 20 of 100: of the 80 % that fails without membership, half succeeds with it.
    found = excess_risk(60, 100, 20, 100, confidence=0.95)
    assert found.estimate == pytest.approx(0.5)
    # Of the ratio of failures, 0.4 to 0.8, logarithmic distances to Clopper-Pearson's bounds are squared and added.
    member, control = clopper_pearson(60, 100, confidence=0.95), clopper_pearson(20, 100, confidence=0.95)
    up = math.hypot(math.log((1 - member.lower) / 0.4), math.log(0.8 / (1 - control.upper)))
    down = math.hypot(math.log(0.4 / (1 - member.upper)), math.log((1 - control.lower) / 0.8))
    assert found.lower == pytest.approx(1 - 0.5 * math.exp(up))
    assert found.upper == pytest.approx(1 - 0.5 * math.exp(-down))


def test_excess_risk_of_somebody_who_is_always_right_shares_the_error_between_two_bounds() -> None:
    found = excess_risk(100, 100, 20, 100, confidence=0.95)
    member, control = clopper_pearson(100, 100, confidence=0.975), clopper_pearson(20, 100, confidence=0.975)
    assert (found.estimate, found.upper) == (1, 1)
    assert found.lower == pytest.approx(1 - (1 - member.lower) / (1 - control.upper))


def test_an_excess_risk_of_nothing_is_shown_by_two_thousand_guesses_of_which_half_fail() -> None:
    # Two bounds that share the error would still leave 7.7 % open.
    assert excess_risk(1000, 2000, 1000, 2000, confidence=0.95).upper < 0.052


@pytest.mark.parametrize("rates", [(0.3, 0.3), (0.05, 0.0), (0.9, 0.8), (0.02, 0.4)])
def test_bounds_of_the_excess_risk_hold_by_enumeration(rates: tuple[float, float]) -> None:
    # All outcomes of 25 members and 30 controls: each bound may miss with probability 5 % at most.
    true = (rates[0] - rates[1]) / (1 - rates[1])
    low = high = 0.0
    for member in range(26):
        for control in range(31):
            chance = stats.binom.pmf(member, 25, rates[0]) * stats.binom.pmf(control, 30, rates[1])
            found = excess_risk(member, 25, control, 30, confidence=0.95)
            low += chance * (found.lower > true)
            high += chance * (found.upper < true)
    assert max(low, high) <= 0.05


@pytest.mark.parametrize("counts", [(0, 0, 0, 0), (5, 5, 5, 5), (0, 5, 5, 5), (5, 5, 0, 5), (0, 0, 3, 3)])
def test_excess_risk_at_the_ends_is_an_interval(counts: tuple[int, int, int, int]) -> None:
    found = excess_risk(*counts, confidence=0.95)
    assert -1 <= found.lower <= found.estimate <= found.upper <= 1


def test_everything_known_without_membership_leaves_nothing_to_add_and_nothing_to_say() -> None:
    found = excess_risk(5, 5, 5, 5, confidence=0.95)
    assert (found.estimate, found.lower) == (0, -1)
    assert found.upper == 1
