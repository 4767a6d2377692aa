"""Scores become evidence: golden values, independent implementations, honest coverage, ties as ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from dpsynth.attacks.ranking import auc_evidence, tpr_evidence

SCORES = st.lists(st.integers(0, 6).map(float), min_size=2, max_size=25).map(np.array)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_auc_by_hand() -> None:
    # Pairs won by members: 4 beats 1, 2 and 3; 2 beats 1 and ties with 2. 4.5 of 6.
    assert auc_evidence(np.array([4.0, 2.0]), np.array([1.0, 2.0, 3.0]), confidence=0.95).interval.estimate == 0.75


@given(SCORES, SCORES)
def test_auc_counts_pairs_and_its_p_value_is_mann_whitneys(members: np.ndarray, controls: np.ndarray) -> None:
    evidence = auc_evidence(members, controls, confidence=0.95)
    pairs = (members[:, None] > controls).mean() + (members[:, None] == controls).mean() / 2
    assert evidence.interval.estimate == pytest.approx(pairs)
    if np.unique(np.concatenate([members, controls])).size > 1:
        oracle = stats.mannwhitneyu(members, controls, alternative="greater", method="asymptotic")
        assert evidence.p_value == pytest.approx(oracle.pvalue, rel=1e-9)
    else:
        assert evidence.p_value == 1


@given(SCORES, SCORES)
def test_swapping_members_and_controls_mirrors_the_auc(members: np.ndarray, controls: np.ndarray) -> None:
    one = auc_evidence(members, controls, confidence=0.95).interval
    two = auc_evidence(controls, members, confidence=0.95).interval
    assert (one.estimate, one.lower, one.upper) == pytest.approx((1 - two.estimate, 1 - two.upper, 1 - two.lower))


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.5])
def test_auc_bounds_hold_as_often_as_they_say(shift: float) -> None:
    # Normal scores, true AUC = Phi(shift / sqrt 2). 600 samples; each bound may fail in 5 %: 30 +- 5.3; more than 51
    # have probability 1e-4. Power: bounds at 88 % would fail 72 +- 8 times. The other side: fewer than 5 failures would
    # mean idle bounds; near AUC 1 the normal law is skewed and the lower bound may be too careful, not the upper one.
    truth = float(special.ndtr(shift / np.sqrt(2)))
    draws = rng(5)
    failed_below = failed_above = 0
    for _ in range(600):
        interval = auc_evidence(draws.normal(shift, 1, 80), draws.normal(0, 1, 60), confidence=0.95).interval
        failed_below += interval.lower > truth
        failed_above += interval.upper < truth
    assert (0 if shift > 1 else 5) <= failed_below <= 51
    assert 5 <= failed_above <= 51


@pytest.mark.parametrize(("members", "controls"), [(0, 9), (9, 0), (0, 0)])
def test_without_people_nothing_is_known(members: int, controls: int) -> None:
    one, two = np.ones(members), np.zeros(controls)
    for evidence in (
        auc_evidence(one, two, confidence=0.95),
        tpr_evidence(one, two, fpr=0.01, confidence=0.95, rng=rng()),
    ):
        assert (evidence.interval.lower, evidence.interval.upper, evidence.p_value) == (0, 1, 1)


def test_a_perfect_separation_of_few_people_claims_no_certainty() -> None:
    interval = auc_evidence(np.array([5.0, 6.0, 7.0]), np.array([1.0, 2.0, 3.0]), confidence=0.95).interval
    assert interval.estimate == 1
    assert interval.lower < 0.6
    many = auc_evidence(np.arange(1000.0) + 1000, np.arange(1000.0), confidence=0.95).interval
    assert many.lower > 0.99


def test_tpr_of_a_perfect_attack_and_of_none() -> None:
    perfect = tpr_evidence(np.arange(500.0) + 500, np.arange(500.0), fpr=0.01, confidence=0.95, rng=rng())
    assert perfect.interval.estimate == 1
    assert perfect.p_value < 1e-100
    constant = tpr_evidence(np.zeros(2000), np.zeros(2000), fpr=0.01, confidence=0.95, rng=rng())
    assert constant.interval.lower < 0.01 < constant.interval.upper < 0.03
    assert constant.p_value > 0.01


def test_ties_at_the_threshold_are_broken_fairly() -> None:
    # All members and 60 % of controls share the top score. A false-positive rate of 1 % takes 1/60 of that tie, so a
    # fair attacker finds 1.67 % of the members: neither none of them (strict threshold) nor all.
    members, controls = np.ones(20_000), (np.arange(20_000) < 12_000).astype(float)
    interval = tpr_evidence(members, controls, fpr=0.01, confidence=0.95, rng=rng()).interval
    assert 0.010 < interval.lower < 1 / 60 < interval.upper < 0.025


def test_tpr_bounds_hold_as_often_as_they_say() -> None:
    # Normal scores shifted by 1: TPR at FPR 1 % is Phi(1 + Phi^-1(0.01)) = 9.2 %. 400 samples of 400 and 400: the upper
    # bound may fail in 5 %, 20 +- 4.4; more than 38 have probability 1e-4. A bound at the threshold itself, which
    # forgets that the threshold is random, fails more often than that: the check has power.
    truth = float(special.ndtr(1 + special.ndtri(0.01)))
    draws = rng(6)
    failed = 0
    naive = 0
    for _ in range(400):
        members, controls = draws.normal(1, 1, 400), draws.normal(0, 1, 400)
        evidence = tpr_evidence(members, controls, fpr=0.01, confidence=0.95, rng=draws)
        failed += evidence.interval.upper < truth
        hits = round(evidence.interval.estimate * 400)
        naive += stats.beta.ppf(0.95, hits + 1, 400 - hits) < truth
    assert failed <= 38
    assert naive > 38


def test_p_values_of_exchangeable_scores_are_not_too_small() -> None:
    # 500 samples; a p-value below 5 % has probability 5 % at most: more than 44 have probability 1.2e-4.
    draws = rng(7)
    small = np.zeros(2)
    for _ in range(500):
        members, controls = draws.integers(0, 50, 250).astype(float), draws.integers(0, 50, 250).astype(float)
        small[0] += auc_evidence(members, controls, confidence=0.95).p_value < 0.05
        small[1] += tpr_evidence(members, controls, fpr=0.01, confidence=0.95, rng=draws).p_value < 0.05
    assert (small <= 44).all()


@given(SCORES, SCORES, st.randoms(use_true_random=False))
def test_the_order_of_rows_has_no_effect(members: np.ndarray, controls: np.ndarray, shuffler: object) -> None:
    controls = np.tile(controls, 120)
    order = rng(1)
    first = tpr_evidence(members, controls, fpr=0.01, confidence=0.95, rng=rng())
    second = tpr_evidence(order.permutation(members), order.permutation(controls), fpr=0.01, confidence=0.95, rng=rng())
    assert first == second


@pytest.mark.parametrize(("controls", "usable"), [(100, False), (196, False), (198, True)])
def test_too_few_controls_place_no_threshold(controls: int, usable: bool) -> None:
    evidence = tpr_evidence(np.ones(500), np.zeros(controls), fpr=0.01, confidence=0.95, rng=rng())
    assert (evidence.interval.lower > 0) is usable
    assert (evidence.p_value < 0.05) is usable
