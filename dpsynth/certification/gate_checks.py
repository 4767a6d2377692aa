"""The questions of a policy about the two gates, the attempts and the audits of the implementation."""

from __future__ import annotations

from dpsynth.certification.canary_evidence import CanaryEvidence
from dpsynth.certification.facts import Attempt, ReleaseFacts
from dpsynth.certification.implementation_audits import FOREIGN, NOT_INSTALLED, VersionAudits
from dpsynth.certification.policy import Check, Policy, Verdict


def canary_check(evidence: CanaryEvidence, facts: ReleaseFacts, policy: Policy) -> Check:
    """Return what the canaries say; where there cannot be enough of them they may refute, and leave the rest open."""
    said = " ".join(evidence.reasons)
    limit = (
        f"claim not refuted; at most {100 * float(policy.canary_tolerance):.3g} % of the planted rows given away "
        f"beyond chance, with {policy.describe_confidence()} confidence"
    )
    verdict = evidence.verdict
    leaves_it = facts.record is not None and facts.gate is not None and not facts.gate.canaries_decide
    if leaves_it and verdict is Verdict.INCONCLUSIVE:
        limit = "claim not refuted; there cannot be enough canaries in this table, so the record gate decides the rest"
        verdict = Verdict.PASS
    return Check("canaries", said, limit, policy.reasons["canary_tolerance"], verdict)


def record_check(facts: ReleaseFacts, policy: Policy) -> Check:
    """Return what the record gate says."""
    evidence = facts.record
    return Check(
        name="record gate",
        value="not asked, and not charged: the canaries decide" if evidence is None else " ".join(evidence.reasons),
        limit=(
            f"at most {100 * float(policy.record_copy_tolerance):.3g} % of the people in training with an equal row, "
            f"and {100 * float(policy.record_tolerance):.3g} % with a near one, beyond chance"
        ),
        reason=policy.reasons["record_tolerance"],
        verdict=Verdict.PASS if evidence is None else evidence.verdict,
    )


def audits_check(audits: VersionAudits, policy: Policy) -> Check:
    """Return whether audits of the very version that runs are recorded, and what came of them."""
    verdict = Verdict.INCONCLUSIVE if audits.missing else Verdict.PASS
    return Check(
        name="implementation audits",
        value=audits_found(audits),
        limit=f"a passed audit of: {', '.join(audits.required)}"
        if audits.required
        else "none failed; this policy asks for none, and lists them",
        reason=policy.reasons["audit_layers"],
        verdict=Verdict.FAIL if audits.failed else verdict,
    )


def audits_found(audits: VersionAudits) -> str:
    """Return which audits of the code that runs are on record, and which are asked for and are not, in words."""
    if audits.failed:
        return f"{audits.described} failed {', '.join(audits.failed)}"
    if audits.changed:
        return f"none counts: the release was begun by other code than what ended it ({audits.described})"
    if not audits.results:
        return f"no recorded audit for this version ({audits.described})"
    passed = ", ".join(f"{result.id} ({result.layer})" for result in audits.results)
    missing = f"; not on record: {', '.join(audits.missing)}" if audits.missing else ""
    return f"{audits.described} passed {passed}{missing}"


def audits_against(audits: VersionAudits, policy: Policy) -> tuple[str, ...]:
    """Return why no release can pass with the code that runs, and what to do about it, in sentences; none if it can."""
    if audits.failed:
        return (
            f"the code that runs ({audits.described}) has failed {', '.join(audits.failed)}, and no policy lets that "
            "pass: what it claims is refuted until it is mended and audited anew. Use another version or generator",
        )
    if not audits.missing:
        return ()
    asked, missing = ", ".join(audits.required), ", ".join(audits.missing)
    return (
        f"policy '{policy.name}' asks for passed audits of the very code that runs, in {asked}; of {audits.generator}, "
        f"{audits.described}, none is on record in {missing}. {_remedy(audits)} Or state a policy of your own, a file "
        "that extends a preset and leaves `audit_layers` empty, and name it with --policy FILE: the certificate then "
        "says that no audit was asked for",
    )


def _remedy(audits: VersionAudits) -> str:
    if audits.generator == FOREIGN:
        return "Audits on record bind what comes with dpsynth, and no other package: take a generator of the registry."
    if audits.software_version == NOT_INSTALLED:
        return (
            "A checkout that is only on the path has no version, and records are of versions: install it, "
            "`pip install -e .`."
        )
    return (
        "They come with a published version. Whoever changed its code records them anew in a checkout: `python -m "
        "privacy_audits.register --check` names what is stale, and `dpsynth audit implementation --generator "
        f"{audits.generator.split(': ')[-1]}` tries noise and games beforehand."
    )


def attempts_check(facts: ReleaseFacts, policy: Policy) -> Check:
    """Return whether there were too many trainings, or one like this that failed before."""
    repeated = failed_before(facts.attempts, facts.release_id)
    too_many = len(facts.attempts) > policy.attempts_allowed
    value = f"{len(facts.attempts)} since the last export"
    if repeated is not None:
        value += f"; {repeated.release_id} had the same configuration and failed"
    return Check(
        name="attempts",
        value=value,
        limit=f"at most {policy.attempts_allowed}, and none with the configuration of one that failed",
        reason=policy.reasons["attempts_allowed"],
        verdict=Verdict.FAIL if too_many or repeated is not None else Verdict.PASS,
    )


def failed_before(attempts: tuple[Attempt, ...], release_id: str) -> Attempt | None:
    """Return an earlier attempt that failed with the configuration of this one, or None."""
    own = next((attempt for attempt in attempts if attempt.release_id == release_id), None)
    return None if own is None else failed_with(attempts, own.configuration, release_id)


def failed_with(attempts: tuple[Attempt, ...], configuration: str, release_id: str = "") -> Attempt | None:
    """Return an attempt other than `release_id` that failed with this configuration, or None."""
    return next(
        (
            attempt
            for attempt in attempts
            if attempt.release_id != release_id
            and attempt.verdict == Verdict.FAIL.value
            and configuration
            and attempt.configuration == configuration
        ),
        None,
    )
