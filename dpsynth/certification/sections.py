"""The sections of a certificate, made from facts that are public or charged."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import metadata

from dpsynth.accounting.agreement import Agreement
from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.events import (
    ComposedDpEvent,
    DpEvent,
    GaussianCoverDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
)
from dpsynth.certification.binding_document import CommitmentSection, ValiditySection
from dpsynth.certification.budget_shares import BudgetShares
from dpsynth.certification.canary_evidence import CanaryEvidence
from dpsynth.certification.commitment import bound_entries
from dpsynth.certification.document import (
    AccountantsSection,
    BudgetSharesSection,
    CanariesSection,
    ChargeSection,
    CheckSection,
    ClaimSection,
    ErrorBarSection,
    ErrorBarsSection,
    GeneratorSection,
    LedgerSection,
    NoiseSection,
    ScopeSection,
)
from dpsynth.certification.facts import ReleaseFacts, charge_to_json
from dpsynth.certification.policy import Check, Policy
from dpsynth.certification.source_digest import attack_suite_sha256
from dpsynth.schema.table import SyntheticTable

_DIGITS = 6
_PACKAGES = ("dpsynth", "numpy", "pandas", "pyarrow", "scipy")

_MECHANISMS = {
    "GaussianDpEvent": "Gaussian noise",
    "LaplaceDpEvent": "Laplace noise",
    "DiscreteGaussianDpEvent": "discrete Gaussian noise",
    "DiscreteLaplaceDpEvent": "discrete Laplace noise",
    "ExponentialDpEvent": "exponential mechanism (a private choice)",
    "ZCDpEvent": "a mechanism stated in zero-concentrated differential privacy",
    "GdpEvent": "a mechanism stated in Gaussian differential privacy",
    "ApproximateDpEvent": "a mechanism stated by epsilon and delta",
    "NoOpDpEvent": "nothing",
    "NonPrivateDpEvent": "an unprotected answer",
}


def scope_section(facts: ReleaseFacts, table: SyntheticTable) -> ScopeSection:
    """Return what the certificate is about."""
    schema = table.schema
    return ScopeSection(
        dataset=schema.dataset,
        release_id=facts.release_id,
        rows=table.rows,
        columns=tuple(column.name for column in schema.columns),
        unit=schema.unit.describe(),
        neighboring_relation=schema.unit.relation.value,
        declared_units=schema.public_rows,
        noisy_rows=round(facts.noisy_rows, _DIGITS),
        recipients=facts.recipients,
        environment=facts.environment,
    )


def validity_section(issued_at: datetime, policy: Policy) -> ValiditySection:
    """Return how long a certificate of this policy stands."""
    return ValiditySection(
        until=written_instant(issued_at + timedelta(days=policy.valid_days)),
        days=policy.valid_days,
        reason=policy.reasons["valid_days"],
        attack_suite_sha256=attack_suite_sha256(),
    )


def written_instant(moment: datetime) -> str:
    """Return a moment in UTC as a certificate writes it, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def claim_section(facts: ReleaseFacts) -> ClaimSection:
    """Return the guarantee and everything that was asked for it."""
    cost = cost_of(facts.event)
    kinds = dict.fromkeys(name for _, event in facts.charged for name in _mechanisms_in(event))
    return ClaimSection(
        epsilon=str(facts.claim.epsilon),
        delta=str(facts.claim.delta),
        mu_squared=None if cost.mu_squared is None else str(cost.mu_squared),
        rho=None if cost.rho is None else str(cost.rho),
        mechanisms=tuple(kinds),
        charges=tuple(ChargeSection.model_validate(charge_to_json(purpose, event)) for purpose, event in facts.charged),
    )


def accountants_section(agreement: Agreement) -> AccountantsSection:
    """Return what the accountants say."""
    return AccountantsSection(
        proven=str(agreement.proven_epsilon),
        gdp=_finite(agreement.gdp_epsilon),
        zcdp=_finite(agreement.zcdp_epsilon),
        rdp=str(agreement.rdp_epsilon),
        pld=str(agreement.pld_epsilon),
    )


def ledger_section(facts: ReleaseFacts) -> LedgerSection:
    """Return where the charges stand in the ledger."""
    return LedgerSection(
        head_index=facts.ledger_head.index,
        head_digest=facts.ledger_head.digest,
        entries=tuple(str(line["digest"]) for line in facts.ledger_entries),
        remaining=facts.remaining,
        plans=() if facts.planned is None else facts.planned.plans,
        shares=None if facts.shares is None else _shares_section(facts.shares),
    )


def _shares_section(shares: BudgetShares) -> BudgetSharesSection:
    return BudgetSharesSection(
        before=round(shares.before, _DIGITS), this=round(shares.this, _DIGITS), left=round(shares.left, _DIGITS)
    )


def commitment_section(facts: ReleaseFacts) -> CommitmentSection | None:
    """Return what the ledger says that this release was bound to; None where it says nothing."""
    bound = bound_entries(facts.ledger_extract, facts.release_id)
    return CommitmentSection(sha256=bound[0].digest, entry=bound[0].index) if bound else None


def generator_section(facts: ReleaseFacts) -> GeneratorSection:
    """Return how the table was made."""
    return GeneratorSection(name=facts.generator, parameters=dict(facts.parameters))


def canaries_section(evidence: CanaryEvidence, policy: Policy) -> CanariesSection:
    """Return what the canary gate saw."""
    counts = evidence.counts
    return CanariesSection(
        drawn=counts.canaries,
        included=counts.included,
        threshold=None if evidence.threshold is None else round(evidence.threshold, 2 * _DIGITS),
        guesses=counts.guesses,
        correct=counts.recognised_included,
        false_positives=counts.recognised_excluded,
        p_value=None if evidence.p_value is None else round(evidence.p_value, _DIGITS),
        epsilon_lower=round(evidence.epsilon_lower, _DIGITS),
        refutable_epsilon=round(evidence.refutable_epsilon, _DIGITS),
        recognised_lower=round(evidence.recognised.lower, _DIGITS),
        recognised_upper=round(evidence.recognised.upper, _DIGITS),
        excess_lower=round(evidence.excess.lower, _DIGITS),
        excess_upper=round(evidence.excess.upper, _DIGITS),
        verdict=evidence.verdict.value,
        tolerance=float(policy.canary_tolerance),
        significance=float(policy.significance),
        reasons=evidence.reasons,
    )


def check_sections(checks: Iterable[Check]) -> tuple[CheckSection, ...]:
    """Return the answered questions of the policy."""
    return tuple(
        CheckSection(
            name=check.name,
            value=check.value,
            limit=check.limit,
            reason=check.reason,
            verdict=check.verdict.value,
            passed=check.passed,
        )
        for check in checks
    )


def error_bars_section(facts: ReleaseFacts) -> ErrorBarsSection:
    """Return how far columns and pairs may be from the measured table."""
    bars = facts.error_bars
    return ErrorBarsSection(
        level=bars.level,
        bars=tuple(
            ErrorBarSection(
                columns=bar.columns,
                groups=bar.groups,
                basis=bar.basis,
                expected=round(bar.expected, _DIGITS),
                lower=round(bar.lower, _DIGITS),
                upper=round(bar.upper, _DIGITS),
            )
            for bar in bars.bars
        ),
        omitted=bars.omitted,
    )


def noise_section(facts: ReleaseFacts) -> NoiseSection:
    """Return where the noise came from."""
    return NoiseSection(source=facts.noise_source, certifiable=facts.noise_certifiable)


def software_versions() -> dict[str, str]:
    """Return the versions of what computes a release."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed as a package"
    return versions


def _finite(epsilon: Decimal) -> str | None:
    return str(epsilon) if epsilon.is_finite() else None


def _mechanisms_in(event: DpEvent) -> list[str]:
    match event:
        case ComposedDpEvent(events):
            return [name for inner in events for name in _mechanisms_in(inner)]
        case SelfComposedDpEvent(inner, _):
            return _mechanisms_in(inner)
        case GaussianCoverDpEvent(inner):
            return _mechanisms_in(inner)
        case PoissonSampledDpEvent(_, inner):
            return [f"{name} on a random part of the units" for name in _mechanisms_in(inner)]
        case _:
            return [_MECHANISMS[type(event).__name__]]
