"""Sections of the certificate about gates, audits and attempts, and whether they agree with one another."""

from __future__ import annotations

from dpsynth.certification.document import AttemptSection, CertificateDocument
from dpsynth.certification.facts import ReleaseFacts
from dpsynth.certification.gate_document import AuditResultSection, AuditsSection, RecordGateSection
from dpsynth.certification.implementation_audits import VersionAudits, as_layer
from dpsynth.certification.policy import Policy, Verdict
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
