from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.certification.canary_evidence import CanaryCounts, decisive_number, no_evidence, weigh
from dpsynth.certification.policy import Verdict
from tests.certification.made_releases import CLAIM, POLICY


def verdict(included: int, excluded: int, right: int, wrong: int, claim: PrivacyBudget = CLAIM) -> Verdict:
    return weigh(CanaryCounts(included + excluded, included, right, wrong), 0.1, claim, POLICY).verdict


# Limits worked out by hand: with 100 included, the 95 % upper bound is 2.95 % for none and 4.66 % for one recognised,
# and 6.16 % for two; a pass needs at most 5 % beyond chance.
@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        (0, 0, Verdict.PASS),
        (1, 0, Verdict.PASS),
        (2, 0, Verdict.INCONCLUSIVE),
        (2, 2, Verdict.PASS),
        (5, 0, Verdict.INCONCLUSIVE),
        (20, 0, Verdict.FAIL),
        (20, 20, Verdict.INCONCLUSIVE),
        (100, 0, Verdict.FAIL),
        (100, 100, Verdict.INCONCLUSIVE),
    ],
)
def test_verdicts_of_one_hundred_pairs(right: int, wrong: int, expected: Verdict) -> None:
    assert verdict(100, 100, right, wrong) is expected


@pytest.mark.parametrize("pairs", [0, 1, 5, 20, 50])
def test_a_small_game_never_passes(pairs: int) -> None:
    assert verdict(pairs, pairs, 0, 0) is Verdict.INCONCLUSIVE


def test_ten_right_guesses_refute_epsilon_one() -> None:
    evidence = weigh(CanaryCounts(400, 200, 10, 0), 0.1, CLAIM, POLICY)
    assert evidence.verdict is Verdict.FAIL
    assert evidence.epsilon_lower > 1
    assert evidence.p_value is not None
    assert evidence.p_value < 0.05
    assert "refutes the claim" in evidence.reasons[0]


def test_a_large_claim_is_not_refuted_but_risk_still_fails() -> None:
    evidence = weigh(CanaryCounts(400, 200, 40, 0), 0.1, PrivacyBudget(8, "1e-6"), POLICY)
    assert evidence.epsilon_lower < 8
    assert evidence.verdict is Verdict.FAIL
    assert "more than the tolerated 5 %" in evidence.reasons[0]


def test_without_canaries_nothing_is_decided() -> None:
    evidence = no_evidence("No canaries: none asked for.", POLICY)
    assert evidence.verdict is Verdict.INCONCLUSIVE
    assert (evidence.excess.lower, evidence.excess.upper) == (-1, 1)


def test_an_inconclusive_game_says_how_many_canaries_would_decide() -> None:
    counts = CanaryCounts(80, 40, 0, 0)
    evidence = weigh(counts, 0.1, CLAIM, POLICY)
    assert evidence.verdict is Verdict.INCONCLUSIVE
    # 1 - 0.05 ** (1 / 59) = 4.95 %: 59 included are the fewest that pass when none is recognised.
    assert "about 118 canaries would decide it" in evidence.reasons[1]
    # Of 118 fair coins, 76 or fewer fall on one side but for one chance in a thousand: .5 % of 15,200.
    assert "15,200 declared units" in evidence.reasons[1]


def test_rates_at_the_tolerance_are_never_decided() -> None:
    assert "no reasonable number" in decisive_number(CanaryCounts(400_000, 200_000, 10_000, 0), POLICY)


@settings(max_examples=40)
@given(
    included=st.integers(1, 300),
    excluded=st.integers(1, 300),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_giving_away_more_never_improves_the_verdict(included: int, excluded: int, shares: tuple[float, float]) -> None:
    order = [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL]
    right, wrong = int(shares[0] * included), int(shares[1] * excluded)
    now = weigh(CanaryCounts(included + excluded, included, right, wrong), 0.1, CLAIM, POLICY)
    if right < included:
        worse = weigh(CanaryCounts(included + excluded, included, right + 1, wrong), 0.1, CLAIM, POLICY)
        assert order.index(worse.verdict) >= order.index(now.verdict)
        assert worse.epsilon_lower >= now.epsilon_lower
    assert now.epsilon_lower <= now.refutable_epsilon
    assert now.recognised.lower <= right / included <= now.recognised.upper


def test_a_stricter_tolerance_never_passes_more() -> None:
    counts = CanaryCounts(400, 200, 1, 0)
    assert weigh(counts, 0.1, CLAIM, POLICY).verdict is Verdict.PASS
    strict = replace(POLICY, canary_tolerance=POLICY.canary_tolerance / 10)
    assert weigh(counts, 0.1, CLAIM, strict).verdict is Verdict.INCONCLUSIVE
