"""The certificate as a document: its sections, field by field, and the JSON Schema that is published for it.

Exact numbers (epsilon, delta, squared mu, rho) are text, so that no reader rounds them; counts and statistics are
numbers. The document refuses unknown fields and anything that is not finite. A field is never renamed and never changes
its meaning within one `schema_version`.
"""

from __future__ import annotations

import json
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, JsonValue, model_validator

from dpsynth.certification.binding_document import CommitmentSection, DependenciesSection, ValiditySection
from dpsynth.certification.document_fields import (
    Count,
    Difference,
    ExactNumber,
    Instant,
    Outcome,
    Rational,
    Section,
    Sha256,
    Share,
)
from dpsynth.certification.gate_document import AuditsSection, PowerSection, RecordGateSection

SCHEMA_VERSION: Final = "1"
SCHEMA_ID = "urn:dpsynth:certificate-schema:1"


class ScopeSection(Section):
    """What the certificate is about, and nothing beyond it."""

    later: ClassVar[frozenset[str]] = frozenset({"recipients", "environment"})

    dataset: str
    """Name of the data set in the ledger and in the schema."""
    release_id: str
    """Name of this release in the ledger."""
    rows: Count
    """Number of synthetic rows."""
    columns: tuple[str, ...]
    """Columns of the synthetic table, in order."""
    unit: str
    """Who is protected: what one person is in this table."""
    neighboring_relation: str
    """When two tables count as neighbors in the definition of differential privacy."""
    declared_units: Count | None
    """About how many units the schema declares, public knowledge; null if it declares none."""
    noisy_rows: float
    """The generator's noisy estimate of the number of training rows."""
    recipients: str = ""
    """For whom the table is meant, as the curator declares; absent where nothing was declared."""
    environment: str = ""
    """Where and under which rules it will be used, as the curator declares; absent where nothing was declared."""


class ChargeSection(Section):
    """One question that was asked of the rows."""

    purpose: str
    """What it was for."""
    event: dict[str, JsonValue]
    """What was done, in the language of the ledger."""


class ClaimSection(Section):
    """The privacy guarantee."""

    epsilon: ExactNumber
    """Claimed epsilon of this release."""
    delta: ExactNumber
    """Claimed delta of this release."""
    mu_squared: Rational | None
    """The square of the Gaussian-DP parameter mu, summed over all charges; null if a charge has no finite mu."""
    rho: Rational | None
    """The same in zero-concentrated differential privacy, summed over all charges; null if a charge has none."""
    mechanisms: tuple[str, ...]
    """Kinds of noise that were used, each once."""
    charges: tuple[ChargeSection, ...]
    """Everything that was asked of the rows, in order; the guarantee is computed from it, or from a locked plan."""


class AccountantsSection(Section):
    """Epsilon of the charges, or of all that a locked plan holds for them, by independent accountants, rounded up."""

    later: ClassVar[frozenset[str]] = frozenset({"proven"})

    proven: ExactNumber | None = None
    """What proves the claim: gdp, or pld where a locked plan pays and it is smaller. Absent if made before plans."""
    gdp: ExactNumber | None
    """By exact sums of squared mu or of pure epsilons (of rho, where there is no finite mu); null if none is finite."""
    zcdp: ExactNumber | None
    """By exact sums of rho or of pure epsilons; looser, for comparison; null if neither is finite."""
    rdp: ExactNumber
    """By Renyi differential privacy; looser, for comparison, and allowed to exceed the claim."""
    pld: ExactNumber
    """By privacy loss distributions; the sharpest."""


class BudgetSharesSection(Section):
    """Shares of the data set's budget, in squared mu, which is what costs add up in; together they are 1."""

    before: Share
    """Spent by everything else."""
    this: Share
    """Spent by this release."""
    left: Share
    """Left when the certificate was made."""


class LedgerSection(Section):
    """Where the charges of this release stand in the ledger."""

    later: ClassVar[frozenset[str]] = frozenset({"plans", "shares"})

    head_index: Count
    """Index of the last ledger entry when the certificate was made."""
    head_digest: Sha256
    """Its digest; it fixes everything before it."""
    entries: tuple[Sha256, ...]
    """Digests of the entries of this release, which `ledger.jsonl` holds in full."""
    remaining: str
    """What is left of the data set's budget after this release, in words."""
    plans: tuple[Sha256, ...] = ()
    """Digests of the entries that locked a plan which pays for this release; absent where no plan does."""
    shares: BudgetSharesSection | None = None
    """How the budget is used up; absent where it is not counted in squared mu, and before there was this field."""


class GeneratorSection(Section):
    """How the table was made."""

    name: str
    """Name in the registry of generators."""
    parameters: dict[str, JsonValue]
    """Hyperparameters."""


class ArtefactsSection(Section):
    """The files that the certificate is about."""

    table_file: str
    """Name of the file with the synthetic table."""
    table_sha256: Sha256
    """SHA-256 of that file."""
    schema_sha256: Sha256
    """Digest of the schema's canonical JSON."""


class CanariesSection(Section):
    """What the canary gate saw; see `reasons` for the words."""

    later: ClassVar[frozenset[str]] = frozenset({"tolerance", "significance"})

    drawn: Count
    """Canaries drawn from the public schema before training."""
    included: Count
    """How many of them were planted among the training rows, each by its own fair coin."""
    threshold: Share | None
    """Distance below which a canary counts as recognised, fixed before training from public draws."""
    guesses: Count
    """Canaries that the table would have an observer call members."""
    correct: Count
    """How many of these guesses are right: included canaries that are recognised."""
    false_positives: Count
    """How many are wrong: canaries that were left out, but are recognised."""
    p_value: Share | None
    """Chance of so many right guesses or more if the claim holds."""
    epsilon_lower: Annotated[float, Field(ge=0)]
    """95 % lower bound on epsilon. It can refute the claim; it is never an estimate of epsilon."""
    refutable_epsilon: Annotated[float, Field(ge=0)]
    """The bound that a table giving away every included canary would have reached: the power of the test."""
    recognised_lower: Share
    """95 % lower bound on the share of included canaries that are recognised."""
    recognised_upper: Share
    """95 % upper bound on it."""
    excess_lower: Difference
    """95 % lower bound on that share minus the share of canaries that were left out and are recognised by chance."""
    excess_upper: Difference
    """95 % upper bound on it; a pass needs this below the tolerance."""
    verdict: Outcome
    """What the gate decided."""
    tolerance: Share | None = None
    """Share of the planted rows that may be given away beyond chance; absent before there was this field."""
    significance: Share | None = None
    """Chance of a wrong bound that is allowed, one minus the confidence; absent (5 %) before there was this field."""
    reasons: tuple[str, ...]
    """Why, in sentences."""


class CheckSection(Section):
    """One question of the policy, answered."""

    name: str
    """A few words."""
    value: str
    """What was found."""
    limit: str
    """What is allowed."""
    reason: str
    """Why there is such a limit."""
    verdict: Outcome
    """What the value means."""
    passed: bool
    """Whether the limit was met."""


class UtilitySection(Section):
    """How close the synthetic table is to one noisy marginal that the generator measured."""

    columns: tuple[str, ...]
    """The columns of the marginal."""
    cells: Count
    """Number of its cells."""
    total_variation: Share
    """Total variation distance between synthetic shares and noisy shares (0: equal, 1: disjoint)."""
    noise_stddev: Annotated[float, Field(ge=0)]
    """Standard deviation of the noise in each cell, in rows."""
    explained_by_noise: Share
    """The distance that noise of this size causes by itself, about."""


class ErrorBarSection(Section):
    """How far one marginal of the synthetic table may be from that of the measured table, as total variation."""

    columns: tuple[str, ...]
    """One column or two."""
    groups: tuple[Count, ...]
    """Over how many values of each column counts are compared; fewer than codes where groups were measured."""
    basis: Literal["measured", "measured in groups", "model"]
    """Whether the counts were measured (with noise), measured over groups of codes, or only modelled."""
    expected: Share
    """The distance to be expected; for `model` without what the model does not know about the pair."""
    lower: Share
    """Lower end of the interval for the distance."""
    upper: Share
    """Upper end of it; 1 for `model`, where the measurements give no bound."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.lower <= self.expected <= self.upper or len(self.columns) != len(self.groups):
            raise ValueError("an error bar has lower <= expected <= upper, and groups for each column")
        return self


class ErrorBarsSection(Section):
    """How far single columns and pairs may be from the table that was measured, by the noisy measurements alone."""

    level: Share
    """Chance with which an interval covers its distance, each by itself, not all at once."""
    bars: tuple[ErrorBarSection, ...]
    """Single columns first, then pairs, in the order of the schema."""
    omitted: Count
    """Number of pairs that were not measured and are left out because there are so many."""


class NoiseSection(Section):
    """Where the randomness of the privacy noise came from."""

    source: str
    """In words."""
    certifiable: bool
    """Whether a certificate may rest on it; seeded noise can be removed by whoever knows the seed."""


class AttemptSection(Section):
    """One training on the way to this release; all of them are charged."""

    later: ClassVar[frozenset[str]] = frozenset({"verdict", "configuration"})

    release_id: str
    """Its name in the ledger."""
    time: str
    """When the rows were opened for it."""
    asked: str
    """The budget that it asked for."""
    verdict: str = ""
    """What came of it; absent where it was not judged."""
    configuration: str = ""
    """SHA-256 of schema, generator, hyperparameters and claim; absent where the ledger holds none."""


class NegativeControlSection(Section):
    """One release that was made from rows of this table to see what the attack suite says about it."""

    release: str
    """Name of the leaky twin, or "honest draw"."""
    description: str
    """What it is."""
    reading: Outcome
    """What the suite said."""
    found_by: tuple[str, ...]
    """Attacks that fail it."""
    met: bool
    """Whether the suite said what it should: FAIL of every leaky twin, anything else of the honest draw."""


class NegativeControlsSection(Section):
    """Whether the attack suite can find leaks in a table like this one; a function of the table, and no verdict."""

    rows: Count
    """Rows of this table that stand in for members, as many for controls, and as many for an honest release."""
    attacks: tuple[str, ...]
    """The attacks of the suite that were tried: those that ask who was a member."""
    releases: tuple[NegativeControlSection, ...]
    """Leaky twins, which must fail, and an honest draw, which must not; empty where the table has too few rows."""
    effective: bool
    """Whether all of them were met. It is a statement about the suite, not about the table."""
    statement: str
    """What that means."""


class OverrideSection(Section):
    """A person decided to export in spite of the verdict."""

    by: str
    """Who."""
    reason: str
    """Why."""


class CertificateDocument(Section):
    """Certificate of one synthetic table: what was promised, charged and checked, and what is not covered."""

    later: ClassVar[frozenset[str]] = frozenset(
        {
            "negative_controls",
            "policy_sha256",
            "record_gate",
            "audits",
            "commitment",
            "validity",
            "dependencies",
            "power",
        }
    )

    schema_version: Literal["1"]
    """Version of this document's form."""
    issued_at: Instant
    """When the certificate was made, UTC."""
    validity: ValiditySection | None = None
    """How long it stands; absent before certificates expired."""
    verdict: Outcome
    """PASS: every check met. INCONCLUSIVE: a check had too little to decide on. FAIL: a check was not met."""
    reasons: tuple[str, ...]
    """Why the verdict is not PASS, or what PASS rests on."""
    override: OverrideSection | None
    """The person who exported in spite of the verdict; null if there was no need."""
    scope: ScopeSection
    claim: ClaimSection
    accountants: AccountantsSection
    ledger: LedgerSection
    commitment: CommitmentSection | None = None
    """What was fixed before a row was read; absent before releases were bound to it."""
    generator: GeneratorSection
    artefacts: ArtefactsSection
    canaries: CanariesSection
    record_gate: RecordGateSection | None = None
    """What the noisy count of matched people says; absent where it was not asked."""
    power: PowerSection | None = None
    """What the gates could have found; absent before it was stated, and follows from the gates all the same."""
    negative_controls: NegativeControlsSection | None = None
    """Whether the attack suite can find leaks in a table like this one. Absent if made before there were any."""
    policy: str
    """Name of the policy whose checks follow."""
    policy_sha256: Sha256 | None = None
    """Digest of the policy, every threshold with its reason and source; absent before policies were files."""
    audits: AuditsSection | None = None
    """Audits of the implementation; absent before there was a register of them."""
    checks: tuple[CheckSection, ...]
    utility: tuple[UtilitySection, ...]
    error_bars: ErrorBarsSection
    unprotected_quantities: tuple[str, ...]
    """What was published without protection, because it is public knowledge or a choice of the curator."""
    noise: NoiseSection
    attempts: tuple[AttemptSection, ...]
    """Every training since the last export from this data set, this one included."""
    software: dict[str, str]
    """Versions of what computed all this."""
    dependencies: DependenciesSection | None = None
    """Every package that it rests on, and one digest of them; absent before they were listed."""
    limits: tuple[str, ...]
    """What this certificate does not say."""


def certificate_json_schema() -> str:
    """Return the published JSON Schema of the certificate, as text."""
    schema = CertificateDocument.model_json_schema()
    published = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}
    return json.dumps(published, indent=2, sort_keys=True) + "\n"
