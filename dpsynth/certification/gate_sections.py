"""Sections of the certificate about gates, audits and attempts, and whether they agree with one another."""

from __future__ import annotations

from dpsynth.certification.document import AttemptSection, CertificateDocument
from dpsynth.certification.facts import ReleaseFacts
from dpsynth.certification.gate_document import AuditResultSection, AuditsSection, RecordGateSection
from dpsynth.certification.implementation_audits import VersionAudits, as_layer
from dpsynth.certification.policy import Policy, Verdict
from dpsynth.certification.policy_file import PRESETS, load_policy
from dpsynth.certification.record_evidence import MatchCounts, bounds_on_excess

_DIGITS = 6
_ROUNDING = 1e-5
_KINDS = 3
_PURPOSE = "matches of members and controls"
"""How the curator names the charge."""


def record_gate_section(facts: ReleaseFacts, policy: Policy) -> RecordGateSection | None:
    """Return what the record gate counted and decided; None where it was not asked."""
    evidence, gate = facts.record, facts.gate
    if evidence is None or gate is None or gate.record is None:
        return None
    counts = evidence.counts
    bounds = [(-1.0, 1.0), (-1.0, 1.0)]
    if counts is not None:
        bounds = [(round(found.lower, _DIGITS), round(found.upper, _DIGITS)) for found in evidence.excesses]
    return RecordGateSection(
        epsilon=str(gate.record.epsilon),
        delta=str(gate.record.delta),
        members=() if counts is None else counts.members,
        controls=() if counts is None else counts.controls,
        noise_stddev=0.0 if counts is None else counts.stddev,
        significance=float(policy.significance),
        copy_tolerance=float(policy.record_copy_tolerance),
        tolerance=float(policy.record_tolerance),
        copy_lower=bounds[0][0],
        copy_upper=bounds[0][1],
        near_lower=bounds[1][0],
        near_upper=bounds[1][1],
        verdict=evidence.verdict.value,
        reasons=evidence.reasons,
    )


def audits_section(audits: VersionAudits) -> AuditsSection:
    """Return what is recorded about the running version."""
    return AuditsSection(
        software_version=audits.software_version,
        source_sha256=audits.source_sha256,
        results=tuple(
            AuditResultSection(
                id=line.id,
                campaign=line.campaign,
                generator=line.generator,
                layer=as_layer(line.layer),
                result="PASS" if line.result == "PASS" else "FAIL",
                date=line.date,
                file=line.file,
            )
            for line in audits.results
        ),
        missing=audits.missing,
    )


def attempt_sections(facts: ReleaseFacts, verdict: Verdict) -> tuple[AttemptSection, ...]:
    """Return every training since the last export; the verdict of this one is `verdict`."""
    return tuple(
        AttemptSection(
            release_id=attempt.release_id,
            time=attempt.time,
            asked=attempt.asked,
            verdict=verdict.value if attempt.release_id == facts.release_id else attempt.verdict,
            configuration=attempt.configuration,
        )
        for attempt in facts.attempts
    )


def problem_of_gates(document: CertificateDocument) -> str | None:
    """Return what the gates of a certificate contradict, computed again from its numbers; None where nothing."""
    said = {check.name: check.verdict for check in document.checks}
    section, canaries = document.record_gate, document.canaries.verdict
    if section is None:
        gates_agree = said["canaries"] == canaries and said.get("record gate", "PASS") == "PASS"
        return None if gates_agree else "its checks say something else than its gates"
    left_open = (canaries, said["canaries"]) == ("INCONCLUSIVE", "PASS")
    if said.get("record gate") != section.verdict or not (left_open or said["canaries"] == canaries):
        return "its checks say something else than its gates"
    if not section.members:
        return None if section.verdict == "INCONCLUSIVE" else "its record gate decides without an answer"
    if len(section.members) != _KINDS or len(section.controls) != _KINDS:
        return "its record gate does not hold six numbers"
    if _PURPOSE not in {charge.purpose for charge in document.claim.charges}:
        return "its record gate holds numbers that nobody was charged for"
    members, controls = ((a, b, c) for a, b, c in (section.members, section.controls))
    found = bounds_on_excess(
        MatchCounts(members, controls, section.noise_stddev),
        tolerances=(section.copy_tolerance, section.tolerance),
        significance=section.significance,
    )
    stated = (section.copy_lower, section.copy_upper, section.near_lower, section.near_upper)
    computed = (bound for excess in found for bound in (excess.lower, excess.upper))
    if any(abs(one - other) > _ROUNDING for one, other in zip(stated, computed, strict=True)):
        return "its record gate states other bounds than follow from its numbers"
    if Verdict(section.verdict) is not Verdict.worst(excess.verdict for excess in found):
        return "the verdict of its record gate does not follow from its numbers"
    return None


def problem_of_audits(document: CertificateDocument) -> str | None:
    """Return whether the check of the audits says something else than the audits that it lists; None where it does not.

    Where the policy is a preset of this version, what that asks for has to be on the list, whatever else is said.
    """
    said = {check.name: check.verdict for check in document.checks}.get("implementation audits")
    if document.audits is None or said is None:
        return None
    policy = next((one for one in map(load_policy, PRESETS) if one.digest == document.policy_sha256), None)
    asked = set() if policy is None else set(policy.audit_layers.split())
    results = {(line.layer, line.result) for line in document.audits.results}
    missing = {*document.audits.missing, *(asked - {layer for layer, result in results if result == "PASS"})}
    found = Verdict.INCONCLUSIVE if missing else Verdict.PASS
    if "FAIL" in {result for _, result in results}:
        found = Verdict.FAIL
    return None if said == found.value else "its check of the audits says something else than the audits that it lists"


def remark_on_policy(document: CertificateDocument) -> str:
    """Return what a reader has to know who goes by the name of the policy; empty where that is not misleading."""
    if document.policy not in PRESETS or document.policy_sha256 in {None, load_policy(document.policy).digest}:
        return ""
    return (
        f"; its policy is called '{document.policy}', but is not what comes with this version by that name: read the "
        "limits of its checks"
    )
