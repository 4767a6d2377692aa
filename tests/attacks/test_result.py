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
