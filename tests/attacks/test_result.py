"""Three readings, by their rules, and limits that make sense."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dpsynth.attacks import AttackResult, Interval, Reading, Statistic, Tolerances, overall_reading
from dpsynth.errors import InvalidInput

RESULT = AttackResult(
    attack="nearest-neighbour",
    statistic=Statistic.AUC,
    interval=Interval(0.6, 0.56, 0.64, 0.95),
    tolerance=0.55,
    p_value=0.001,
    adjusted_p_value=0.01,
    significance=0.05,
    smallest_detectable=0.54,
    members=900,
    controls=800,
)


@pytest.mark.parametrize(
    ("lower", "upper", "adjusted_p_value", "reading"),
    [
        (0.56, 0.64, 0.01, Reading.FAIL),
        (0.56, 0.64, 0.06, Reading.INCONCLUSIVE),  # large but perhaps chance
        (0.54, 0.64, 0.01, Reading.INCONCLUSIVE),  # certainly there, perhaps tolerable
        (0.40, 0.60, 1.00, Reading.INCONCLUSIVE),  # absence of evidence is no pass
        (0.51, 0.55, 0.01, Reading.PASS),  # certainly there, certainly tolerable
        (0.45, 0.54, 1.00, Reading.PASS),
    ],
)
def test_a_reading_needs_size_and_significance(
    lower: float, upper: float, adjusted_p_value: float, reading: Reading
) -> None:
    interval = Interval((lower + upper) / 2, lower, upper, 0.95)
    assert replace(RESULT, interval=interval, adjusted_p_value=adjusted_p_value).reading is reading


def test_one_failure_fails_the_suite_and_only_unanimity_passes_it() -> None:
    failed = RESULT
    passed = replace(RESULT, interval=Interval(0.5, 0.45, 0.54, 0.95), adjusted_p_value=1.0)
    undecided = replace(RESULT, interval=Interval(0.5, 0.4, 0.6, 0.95), adjusted_p_value=1.0)
    assert overall_reading([passed, undecided, failed]) is Reading.FAIL
    assert overall_reading([passed, undecided]) is Reading.INCONCLUSIVE
    assert overall_reading([passed, passed]) is Reading.PASS
    assert overall_reading([]) is Reading.INCONCLUSIVE


def test_every_statistic_has_a_limit() -> None:
    assert {statistic: Tolerances().limit(statistic) for statistic in Statistic} == {
        Statistic.AUC: 0.55,
        Statistic.TPR_AT_FPR: 0.03,
        Statistic.EXACT_MATCH_EXCESS: 0.002,
        Statistic.WEIGHTED_MATCH_EXCESS: 0.002,
        Statistic.NEAR_MATCH_EXCESS: 0.02,
        Statistic.TPR_AT_LOW_FPR: 0.005,
        Statistic.EXCESS_RISK: 0.05,
    }


@pytest.mark.parametrize(
    "limits",
    [
        {"fpr": 0},
        {"fpr": 0.03},
        {"tpr": 1},
        {"auc": 0.4},
        {"auc": 1},
        {"exact_match_excess": -0.1},
        {"near_match_excess": 1},
        {"low_fpr": 0.005},
        {"low_tpr": 1},
        {"excess_risk": 1},
    ],
)
def test_limits_that_cannot_be_kept_or_broken_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        Tolerances(**limits)


def test_the_power_statement_names_what_could_have_been_found() -> None:
    assert RESULT.power_statement == (
        "With 900 members and 800 controls, 'nearest-neighbour' would find AUC 0.54 or more with probability 80 %."
    )


@pytest.mark.parametrize(
    ("statistic", "control_value", "sentence"),
    [
        (
            Statistic.AUC,
            0.5,
            "A random member scores above a random control with probability 0.600: between 0.560 and 0.640, "
            "each bound with 95 % confidence; 0.500 if nothing leaks, lower is safer, limit 0.550: FAIL.",
        ),
        (
            Statistic.TPR_AT_FPR,
            0.01,
            "A threshold that accuses 1 % of the controls finds 60 % of the members: between 56 % and 64 %, "
            "each bound with 95 % confidence; 1 % if nothing leaks, lower is safer, limit 55 %: FAIL.",
        ),
        (
            Statistic.EXACT_MATCH_EXCESS,
            0.02,
            "The share of members with a match is 60 % above that of the controls, 2 %: between 56 % and 64 %, "
            "each bound with 95 % confidence; 0 % if nothing leaks, lower is safer, limit 55 %: FAIL.",
        ),
        (
            Statistic.WEIGHTED_MATCH_EXCESS,
            0.02,
            "Weighted, the share of members with a match is 60 % above that of the controls, 2 %: between 56 % and "
            "64 %, each bound with 95 % confidence; 0 % if nothing leaks, lower is safer, limit 55 %: FAIL.",
        ),
        (
            Statistic.EXCESS_RISK,
            0.3,
            "Controls are hit at a rate of 30 %; of what fails there, 60 % succeeds on members: between 56 % and 64 %, "
            "each bound with 95 % confidence; 0 % if nothing leaks, lower is safer, limit 55 %: FAIL.",
        ),
    ],
)
def test_a_number_says_what_it_counts_and_how_it_reads(
    statistic: Statistic, control_value: float, sentence: str
) -> None:
    assert replace(RESULT, statistic=statistic, control_value=control_value).sentence == sentence


def test_a_sentence_names_the_people_it_is_about() -> None:
    assert ", among 'most isolated 1 %':" in replace(RESULT, stratum="most isolated 1 %").sentence


def test_a_small_stratum_that_cannot_pass_does_not_keep_the_others_from_passing_but_may_fail() -> None:
    passed = replace(RESULT, interval=Interval(0.5, 0.45, 0.54, 0.95), adjusted_p_value=1.0)
    few = replace(RESULT, interval=Interval(0.5, 0.1, 0.9, 0.95), adjusted_p_value=1.0, stratum="few", decisive=False)
    assert overall_reading([passed, few]) is Reading.PASS
    assert overall_reading([few]) is Reading.INCONCLUSIVE
    assert overall_reading([passed, replace(RESULT, stratum="few", decisive=False)]) is Reading.FAIL


def test_wider_limits_are_farther_from_no_risk_at_the_same_rates() -> None:
    wide = Tolerances().widened(2)
    assert (wide.auc, wide.tpr, wide.exact_match_excess) == pytest.approx((0.6, 0.06, 0.004))
    assert (wide.near_match_excess, wide.low_tpr, wide.excess_risk) == pytest.approx((0.04, 0.01, 0.1))
    assert (wide.fpr, wide.low_fpr) == (0.01, 0.001)
    assert Tolerances().widened(1) == Tolerances()
    assert Tolerances().widened(1000).auc < 1
