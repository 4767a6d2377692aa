"""Certificates in which everything that a page can show about gates, audits and attempts is there."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from dpsynth.certification.budget_shares import BudgetShares
from dpsynth.certification.certificate import Certificate, Override
from dpsynth.certification.facts import Attempt
from dpsynth.certification.gate_document import AuditResultSection
from dpsynth.certification.negative_control import negative_controls
from dpsynth.certification.record_evidence import MatchCounts, unanswered, weigh_matches
from dpsynth.certification.record_gate import plan_gate
from tests.certification.made_releases import CLAIM, POLICY, honest_judged, honest_release, survey_schema

ANSWERED = MatchCounts((-12, 410, 27_700), (9, 170, 11_840), 14.2)
"""Of 40,000 people, three tenths held back; one number fell below zero."""

ATTEMPTS = (
    Attempt("release-0", "2026-02-28T09:15:00Z", "(1, 1e-6)", "ab" * 32, "INCONCLUSIVE"),
    Attempt("release-00", "2026-02-28T11:00:00Z", "(1, 1e-6)"),
    Attempt("release-1", "2026-03-01T12:00:00Z", "(1, 1e-6)", "cd" * 32),
)


def audit(name: str, layer: str, result: str = "PASS") -> AuditResultSection:
    return AuditResultSection.model_validate(
        {
            "id": name,
            "campaign": "worst_case",
            "generator": "all",
            "layer": layer,
            "result": result,
            "date": "2026-02-14",
            "file": f"worst_case/results/{name}.json",
        }
    )


@cache
def full_certificate(answered: MatchCounts | None = ANSWERED) -> Certificate:
    """Return a certificate with three attempts, and where the record gate is answered audits and negative controls."""
    policy = replace(POLICY, record_gate="always")
    reason = "The ledger did not let the record gate ask: closed."
    made = honest_release(
        rows=400,
        shares=BudgetShares(0.3, 0.2, 0.5),
        gate=plan_gate(survey_schema(), policy, CLAIM),
        record=unanswered(reason) if answered is None else weigh_matches(answered, POLICY),
        attempts=ATTEMPTS,
        override=None if answered else Override(by="A. Person", reason="test"),
    )
    document = made.certificate.document
    if answered is None or document.audits is None:
        return made.certificate
    audits = document.audits.model_copy(update={"results": (audit("worst-case-1", "L2"), audit("primitives-1", "L3"))})
    controls = negative_controls(honest_judged(400).table).section()
    return Certificate(document.model_copy(update={"audits": audits, "negative_controls": controls}))
