from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal
from fractions import Fraction

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.attacks.result import Tolerances
from dpsynth.certification.policy import Check, Policy, Verdict, default_policy, written_delta
from dpsynth.certification.policy_file import load_policy
from dpsynth.errors import InvalidBudget, InvalidInput


def test_every_threshold_has_a_reason() -> None:
    policy = default_policy()
    thresholds = {field.name for field in fields(Policy)} - {"name", "purpose", "reasons", "sources"}
    assert set(policy.reasons) == set(policy.sources) == thresholds
    assert all(len(reason) > 40 for reason in policy.reasons.values())


def test_a_threshold_without_a_reason_is_refused() -> None:
    policy = default_policy()
    with pytest.raises(InvalidInput, match="canary_tolerance"):
        replace(policy, reasons={**policy.reasons, "canary_tolerance": " "})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("significance", Fraction(0)),
        ("canary_tolerance", Fraction(1)),
        ("canaries", 0),
        ("attempts_allowed", 0),
        ("max_epsilon", Decimal(0)),
    ],
)
def test_a_threshold_that_switches_a_check_off_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=name):
        replace(default_policy(), **{name: value})  # type: ignore[arg-type]


def test_claims_beyond_the_policy_are_refused_before_anything_is_spent() -> None:
    policy = default_policy()
    policy.require_admissible(PrivacyBudget(10, "1e-5"), 20_000)
    with pytest.raises(InvalidBudget, match=r"up to 10.*Nothing was spent"):
        policy.require_admissible(PrivacyBudget("10.1", "1e-6"), 20_000)
    with pytest.raises(InvalidBudget, match=r"at most 1e-5.*Nothing was spent"):
        policy.require_admissible(PrivacyBudget(1, "2e-5"), None)


def test_delta_must_stay_below_one_over_the_declared_units() -> None:
    policy = default_policy()
    policy.require_admissible(PrivacyBudget(1, "9e-7"), 1_000_000)
    with pytest.raises(InvalidBudget, match="1/1,000,000"):
        policy.require_admissible(PrivacyBudget(1, "1e-6"), 1_000_000)


def test_the_worst_verdict_wins() -> None:
    assert Verdict.worst([]) is Verdict.PASS
    assert Verdict.worst([Verdict.PASS, Verdict.INCONCLUSIVE]) is Verdict.INCONCLUSIVE
    assert Verdict.worst([Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.PASS]) is Verdict.FAIL


def test_only_a_met_limit_passes() -> None:
    check = Check("rows", "12", "at least 100", "too few", Verdict.INCONCLUSIVE)
    assert not check.passed
    assert str(check) == "rows: 12 (limit: at least 100)"


@pytest.mark.parametrize(("delta", "text"), [("0.000001", "1e-6"), ("1E-5", "1e-5"), ("0", "0"), ("0.01", "0.01")])
def test_delta_is_written_as_people_write_it(delta: str, text: str) -> None:
    assert written_delta(Decimal(delta)) == text


def test_what_the_internal_audit_tolerates_is_the_policys() -> None:
    assert load_policy("default").tolerances == Tolerances()
    assert load_policy("ema-0070").tolerances.excess_risk == 0.09
    wider = replace(load_policy("default"), audit_tpr=Fraction(1, 10)).tolerances
    assert (wider.tpr, wider.near_match_excess) == (0.1, pytest.approx(0.09))
    for wrong in ({"audit_tpr": Fraction(1, 100)}, {"audit_auc": Fraction(1, 3)}, {"audit_excess_risk": Fraction(1)}):
        with pytest.raises(InvalidInput, match="out of range"):
            replace(load_policy("default"), **wrong)
