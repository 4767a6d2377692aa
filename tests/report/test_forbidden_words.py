"""What a pass must never be made to say occurs in no output: no page, certificate, screen or page of documentation.

A sentence that denies it is allowed where it is pinned here; everything else has to find other words.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dpsynth.attacks.bounds import Interval
from dpsynth.attacks.findings import SuiteFindings
from dpsynth.attacks.result import AttackResult, Statistic
from dpsynth.certification.audit import AuditReport
from dpsynth.certification.certificate import Certificate, assess
from dpsynth.certification.limits import LIMITS, UNPROTECTED_QUANTITIES
from dpsynth.cli import attack_command
from dpsynth.report import render_internal_report, wording
from dpsynth.report.annex import annex_page
from tests.certification.made_releases import (
    CLAIM,
    ISSUED,
    POLICY,
    SOFTWARE,
    drawn,
    facts_about,
    honest_release,
    page,
    settled_ledger,
    survey_rows,
    survey_schema,
    table_of,
    training_rows,
)

DOCS = Path(__file__).resolve().parents[2] / "docs"

FORBIDDEN = (
    r"\banonymous\b",
    r"\banonymi[sz]ed\b",
    r"\bfully (private|safe|secure)\b",
    r"\b(gdpr|hipaa|iso|ema|nist|legally)[- ]complian",
    r"\bcompl(y|ies|iant) with\b",
    r"\bin compliance with\b",
    r"\b(meets|satisfies|fulfils) (the )?(requirements of|gdpr|hipaa|iso|ema)",
    r"\bno re-?identification\b",
    r"\bcannot be re-?identified\b",
    r"\bre-?identification is impossible\b",
    r"\bis the true epsilon\b",
    r"\b(safe|secure|protected) (against|from) (all|any|future)\b",
    r"\bevery (individual|person|one)('s row)? is (safe|protected)\b",
    r"\bno risk (of|for|to)\b",
    r"\bguarantees? anonymity\b",
    r"\bnot personal data\b",
)


def said(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", text, flags=re.DOTALL)).lower()


def forbidden_in(text: str) -> list[str]:
    return [pattern for pattern in FORBIDDEN if re.search(pattern, said(text))]


def refused() -> Certificate:
    plan = drawn(1)
    judged = plan.judge(table_of(training_rows(plan, 400, np.random.default_rng(1))), CLAIM, POLICY)
    return assess(facts_about(judged.table, settled_ledger()), judged, POLICY, issued_at=ISSUED, software=SOFTWARE)


def undecided() -> Certificate:
    judged = drawn(1, units=100).judge(
        table_of(survey_rows(90, np.random.default_rng(1)), survey_schema(100)), CLAIM, POLICY
    )
    return assess(facts_about(judged.table, settled_ledger()), judged, POLICY, issued_at=ISSUED, software=SOFTWARE)


def passed() -> Certificate:
    return honest_release(rows=400).certificate


@pytest.mark.parametrize("make", [passed, undecided, refused])
def test_in_no_certificate_and_no_report(make: object) -> None:
    certificate = make()  # type: ignore[operator]
    assert forbidden_in(certificate.to_json().decode()) == []
    assert forbidden_in(page(certificate)) == []


def test_in_no_internal_report() -> None:
    result = AttackResult(
        attack="exact-match",
        statistic=Statistic.EXACT_MATCH_EXCESS,
        interval=Interval(0.0, -0.001, 0.001, 0.95),
        tolerance=0.002,
        p_value=1.0,
        adjusted_p_value=1.0,
        significance=0.05,
        smallest_detectable=0.01,
        members=2_000,
        controls=2_000,
    )
    for results in ((), (result,), (replace(result, interval=Interval(0.1, 0.09, 0.11, 0.95), adjusted_p_value=0.0),)):
        report = AuditReport("release-1", "default", SuiteFindings(results), (), members=2_000, controls=2_000)
        assert forbidden_in(render_internal_report(report.to_json())) == []


def test_in_no_fixed_text() -> None:
    fixed = (*LIMITS, *UNPROTECTED_QUANTITIES, *wording.VERDICT_SENTENCES.values(), annex_page())
    assert forbidden_in(" ".join([*fixed, *attack_command.MEANINGS.values()])) == []


DENIALS = {
    "trust.md": (
        "A pass does **not** mean that the table is anonymous, that it complies with the GDPR, HIPAA or any other law, "
        "that nobody\ncan be re-identified, or that future attacks will fail."
    ),
}


def test_in_no_page_of_the_documentation_but_to_deny_it() -> None:
    found = {}
    for file in sorted(DOCS.rglob("*.md")):
        if {"_build", "_notebooks"} & set(file.parts):
            continue
        text = file.read_text(encoding="utf-8")
        denial = DENIALS.get(str(file.relative_to(DOCS)), "")
        assert denial in text
        if hits := forbidden_in(text.replace(denial, "") if denial else text):
            found[str(file.relative_to(DOCS))] = hits
    assert found == {}


@pytest.mark.parametrize(
    "claim",
    [
        "The table is anonymous.",
        "This release is GDPR-compliant.",
        "It complies with HIPAA.",
        "No re-identification is possible.",
        "The measured value is the true epsilon.",
        "The release is safe against future attacks.",
        "Every individual is safe.",
    ],
)
def test_a_planted_claim_is_found(claim: str) -> None:
    assert forbidden_in(f"<p>{claim}</p>")
