"""The certificate of one release: issued, refused, or exported by a named person in spite of its verdict.

It is made from public and charged values only, so it can be rebuilt without the rows: nothing here can open a sealed
value, and no parameter accepts one. The same arguments give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import rfc8785
from pydantic import ValidationError

from dpsynth.accounting.agreement import cross_check
from dpsynth.certification import gate_sections, sections
from dpsynth.certification.artefacts import digest_of_table
from dpsynth.certification.binding_document import DependenciesSection
from dpsynth.certification.canaries import JudgedTable
from dpsynth.certification.checks import policy_checks
from dpsynth.certification.dependencies import dependencies_of
from dpsynth.certification.document import SCHEMA_VERSION, ArtefactsSection, CertificateDocument, OverrideSection
from dpsynth.certification.facts import ReleaseFacts
from dpsynth.certification.layout import TABLES
from dpsynth.certification.limits import LIMITS, UNPROTECTED_QUANTITIES
from dpsynth.certification.negative_control import NegativeControls
from dpsynth.certification.policy import Check, Policy, Verdict
from dpsynth.certification.power import power_section
from dpsynth.certification.utility import utility_of
from dpsynth.errors import BundleError, CertificationRefused, InvalidInput


@dataclass(frozen=True, slots=True)
class Override:
    """A person's decision to export in spite of the verdict; it is written on the certificate.

    Attributes:
        by: who decides, by name.
        reason: why.
    """

    by: str
    reason: str

    def __post_init__(self) -> None:
        """Refuse nameless decisions and decisions without a reason."""
        if not self.by.strip() or not self.reason.strip() or not (self.by + self.reason).isprintable():
            raise InvalidInput("an override needs the name of a person and a reason, each in one line")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate; `document` holds all of it."""

    document: CertificateDocument

    @property
    def verdict(self) -> Verdict:
        """PASS, FAIL or INCONCLUSIVE; an override does not change it."""
        return Verdict(self.document.verdict)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why, in sentences."""
        return self.document.reasons

    @property
    def exportable(self) -> bool:
        """Whether the table may leave: every check passed, or a named person decided so."""
        return self.verdict is Verdict.PASS or self.document.override is not None

    def to_json(self) -> bytes:
        """Return the certificate as canonical JSON (RFC 8785)."""
        return rfc8785.dumps(self.document.model_dump(mode="json"))

    @classmethod
    def from_json(cls, raw: bytes) -> Certificate:
        """Return the certificate that `to_json` wrote.

        Raises:
            BundleError: for anything that is not the canonical JSON of a certificate.
        """
        try:
            certificate = cls(CertificateDocument.model_validate_json(raw))
            canonical = certificate.to_json()
        except (ValidationError, rfc8785.CanonicalizationError) as fault:
            raise BundleError("this is not a certificate in the published form") from fault
        if canonical != raw:
            raise BundleError("the certificate is not in the canonical form in which it was written")
        return certificate


def assess(
    facts: ReleaseFacts,
    judged: JudgedTable,
    policy: Policy,
    *,
    issued_at: datetime,
    table_file: str = TABLES[0],
    override: Override | None = None,
    software: Mapping[str, str] | None = None,
    dependencies: DependenciesSection | None = None,
    negative_controls: NegativeControls | None = None,
) -> Certificate:
    """Return the certificate of a release whatever its verdict; see `certify`."""
    if issued_at.tzinfo is None:
        raise InvalidInput("issued_at needs a time zone")
    planned = facts.planned
    agreement = cross_check(facts.event, facts.claim, planned=None if planned is None else planned.event)
    checks = policy_checks(facts, judged, policy, agreement)
    verdict = Verdict.worst(check.verdict for check in checks)
    table = judged.table
    canaries = sections.canaries_section(judged.evidence, policy)
    record = gate_sections.record_gate_section(facts, policy)
    document = CertificateDocument(
        schema_version=SCHEMA_VERSION,
        issued_at=sections.written_instant(issued_at),
        validity=sections.validity_section(issued_at, policy),
        verdict=verdict.value,
        reasons=_reasons(checks),
        override=None if override is None else OverrideSection(by=override.by, reason=override.reason),
        scope=sections.scope_section(facts, table),
        claim=sections.claim_section(facts),
        accountants=sections.accountants_section(agreement),
        ledger=sections.ledger_section(facts),
        commitment=sections.commitment_section(facts),
        generator=sections.generator_section(facts),
        artefacts=ArtefactsSection(
            table_file=table_file,
            table_sha256=digest_of_table(table, table_file),
            schema_sha256=table.schema.digest,
        ),
        canaries=canaries,
        record_gate=record,
        power=power_section(canaries, record, epsilon=float(facts.claim.epsilon), delta=float(facts.claim.delta)),
        negative_controls=None if negative_controls is None else negative_controls.section(),
        policy=policy.name,
        policy_sha256=policy.digest,
        audits=gate_sections.audits_section(facts.audits(policy)),
        checks=sections.check_sections(checks),
        utility=utility_of(table, facts.marginals),
        error_bars=sections.error_bars_section(facts),
        unprotected_quantities=UNPROTECTED_QUANTITIES,
        noise=sections.noise_section(facts),
        attempts=gate_sections.attempt_sections(facts, verdict),
        software=dict(sections.software_versions() if software is None else software),
        dependencies=dependencies_of(facts.generator, facts.parameters) if dependencies is None else dependencies,
        limits=LIMITS,
    )
    return Certificate(document)


def certify(
    facts: ReleaseFacts,
    judged: JudgedTable,
    policy: Policy,
    *,
    issued_at: datetime,
    table_file: str = TABLES[0],
    override: Override | None = None,
    software: Mapping[str, str] | None = None,
    dependencies: DependenciesSection | None = None,
    negative_controls: NegativeControls | None = None,
) -> Certificate:
    """Return the certificate of a release that may leave.

    Args:
        facts: what was claimed, asked, charged and measured.
        judged: the table after the canary gate.
        policy: the thresholds.
        issued_at: the time on the certificate; an argument, so that the same release gives the same bytes.
        table_file: name that the table will have in the release folder.
        override: a person's decision to export whatever the verdict is; recorded even if it was not needed.
        software: versions to record; those that run now if None.
        dependencies: packages to record; those that are installed now if None.
        negative_controls: what the attack suite says about planted leaks.

    Raises:
        AccountantsDisagree: the charges cost more than was claimed, or two accountants contradict each other.
        LedgerCorrupted: the ledger's extract holds a plan, but does not verify.
        CertificationRefused: the verdict is not PASS and nobody overrode it.

    Privacy: nothing is charged; every argument is public or was charged before.
    """
    certificate = assess(
        facts,
        judged,
        policy,
        issued_at=issued_at,
        table_file=table_file,
        override=override,
        software=software,
        dependencies=dependencies,
        negative_controls=negative_controls,
    )
    if not certificate.exportable:
        raise CertificationRefused(certificate.verdict.value, certificate.reasons)
    return certificate


def _reasons(checks: tuple[Check, ...]) -> tuple[str, ...]:
    unmet = tuple(str(check) for check in checks if not check.passed)
    return unmet or (f"All {len(checks)} checks of the policy were met.",)
