"""What a release must satisfy before it may leave: every threshold, with the reason that goes on the certificate.

Policies are YAML files; `dpsynth.certification.policy_file` reads them, and the presets are beside it in `policies`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import Enum
from fractions import Fraction

import rfc8785

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import JsonValue
from dpsynth.attacks.result import DEFAULT_TOLERANCES, Tolerances
from dpsynth.certification.implementation_audits import LAYERS
from dpsynth.errors import InvalidBudget, InvalidInput


class Verdict(Enum):
    """What the checks say about a release; the worst one wins."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    """Every check was met, and each had the power to fail."""
    INCONCLUSIVE = "INCONCLUSIVE"
    """Nothing was refuted, but a check had too little to decide on."""
    FAIL = "FAIL"
    """A check was not met."""

    @staticmethod
    def worst(verdicts: Iterable[Verdict]) -> Verdict:
        """Return FAIL before INCONCLUSIVE before PASS; PASS for none at all."""
        return max(verdicts, key=_SEVERITY.__getitem__, default=Verdict.PASS)


RECORD_GATES = ("needed", "always", "never")
"""When the record gate is asked."""

_LONGEST = 36_500
"""Days; a certificate that outlives everybody has no end."""

_SEVERITY = {Verdict.PASS: 0, Verdict.INCONCLUSIVE: 1, Verdict.FAIL: 2}


@dataclass(frozen=True, slots=True)
class Check:
    """One question that the policy asks of a release, answered.

    Attributes:
        name: a few words.
        value: what was found, in words and numbers.
        limit: what is allowed, in words and numbers.
        reason: why there is such a limit.
        verdict: what the value means for the release.
    """

    name: str
    value: str
    limit: str
    reason: str
    verdict: Verdict

    @property
    def passed(self) -> bool:
        """Whether the limit was met."""
        return self.verdict is Verdict.PASS

    def __str__(self) -> str:
        """Return the sentence that explains a check that was not met."""
        return f"{self.name}: {self.value} (limit: {self.limit})"


@dataclass(frozen=True, slots=True)
class Policy:
    """The thresholds of a release; each has its reason in `reasons`, and where it comes from in `sources`.

    Attributes:
        name: name of the policy, for the certificate.
        purpose: whom it is for, in a sentence.
        max_epsilon: largest epsilon that may be claimed.
        max_delta: largest delta that may be claimed; it must also be below one over the declared number of units.
        canaries: number of canaries that is aimed for.
        canary_share: most canaries per declared unit; those that coins include stay within half of it.
        canary_cells: fewest combinations of ordinary values for canaries to be told from people.
        canary_chance: how often a table of uniform rows may come so near to a row that it counts as recognised.
        canary_tolerance: largest share of included canaries that the release may give away beyond chance.
        significance: chance of a wrong alarm that each test is allowed.
        control_fraction: share of the units that is held back from training for the internal audit.
        record_gate: when people are counted whom the table matches: `needed`, where canaries cannot decide, `always` or
            `never`.
        record_share: part of the claim's squared mu that this count takes.
        record_controls: share of the units that is held back from training where it is asked.
        record_chance: share of people whom a table comes near by chance; sets how near near is.
        record_copy_tolerance: largest excess of members with an equal row over controls with one.
        record_tolerance: largest excess of members with a near row over controls with one.
        audit_tpr: largest true-positive rate at one false alarm in a hundred that the internal audit reads as a pass.
        audit_auc: largest AUC that it reads so.
        audit_match_excess: largest excess of members with an equal row that it reads so.
        audit_excess_risk: largest excess risk of inference, singling out and links that it reads so.
        minimum_rows: smallest noisy number of rows that can be certified.
        largest_empty_share: largest share of missing or out-of-domain cells in one column.
        audit_layers: layers of audits that the running version must have passed, as words; empty for none.
        attempts_allowed: most trainings on the way to one export, failed ones included.
        valid_days: for how many days a certificate stands.
        reasons: why each threshold is what it is, by field name.
        sources: where each threshold comes from, by field name.
    """

    name: str
    purpose: str
    max_epsilon: Decimal
    max_delta: Decimal
    canaries: int
    canary_share: Fraction
    canary_cells: int
    canary_chance: Fraction
    canary_tolerance: Fraction
    significance: Fraction
    control_fraction: Fraction
    record_gate: str
    record_share: Fraction
    record_controls: Fraction
    record_chance: Fraction
    record_copy_tolerance: Fraction
    record_tolerance: Fraction
    audit_tpr: Fraction
    audit_auc: Fraction
    audit_match_excess: Fraction
    audit_excess_risk: Fraction
    minimum_rows: int
    largest_empty_share: Fraction
    audit_layers: str
    attempts_allowed: int
    valid_days: int
    reasons: Mapping[str, str]
    sources: Mapping[str, str]

    def __post_init__(self) -> None:
        """Refuse thresholds without a reason or a source, and numbers that would switch a check off."""
        for what, words in (("reason", self.reasons), ("source", self.sources)):
            silent = sorted(set(THRESHOLDS) - {name for name, said in words.items() if said.strip()})
            if silent:
                raise InvalidInput(f"policy '{self.name}' gives no {what} for: {', '.join(silent)}")
        shares = (
            "canary_share",
            "canary_chance",
            "canary_tolerance",
            "significance",
            "control_fraction",
            "record_share",
            "record_controls",
            "record_chance",
            "record_copy_tolerance",
            "record_tolerance",
            "audit_tpr",
            "audit_auc",
            "audit_match_excess",
            "audit_excess_risk",
            "largest_empty_share",
        )
        wrong = [name for name in shares if not 0 < getattr(self, name) < 1]
        counts = ("canaries", "canary_cells", "minimum_rows", "attempts_allowed", "max_epsilon", "max_delta")
        wrong += [name for name in counts if not getattr(self, name) > 0]
        if not 0 < self.valid_days <= _LONGEST:
            wrong.append("valid_days")
        if set(self.audit_layers.split()) - set(LAYERS):
            wrong.append("audit_layers")
        if self.record_gate not in RECORD_GATES:
            wrong.append("record_gate")
        if not DEFAULT_TOLERANCES.fpr < self.audit_tpr or not Fraction(1, 2) <= self.audit_auc:
            wrong.append("audit_tpr, above 1/100, or audit_auc, from 1/2")
        if wrong:
            raise InvalidInput(f"policy '{self.name}' has thresholds out of range: {', '.join(wrong)}")

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of everything above, so that a certificate says which policy it means."""
        said: dict[str, JsonValue] = {
            "name": self.name,
            "purpose": self.purpose,
            "thresholds": {
                name: {"value": self.written(name), "reason": self.reasons[name], "source": self.sources[name]}
                for name in THRESHOLDS
            },
        }
        return hashlib.sha256(rfc8785.dumps(said)).hexdigest()

    @property
    def identity(self) -> str:
        """Name and digest: two policies with one name are two policies."""
        return f"{self.name} {self.digest}"

    def written(self, name: str) -> str:
        """Return the threshold `name` as a policy file may hold it."""
        value = getattr(self, name)
        return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)

    @property
    def confidence(self) -> float:
        """Confidence of every one-sided bound."""
        return float(1 - self.significance)

    @property
    def tolerances(self) -> Tolerances:
        """What the internal audit tolerates; its low false-positive rate keeps its own limit."""
        return Tolerances(
            tpr=float(self.audit_tpr),
            auc=float(self.audit_auc),
            exact_match_excess=float(self.audit_match_excess),
            near_match_excess=float(self.audit_tpr - Fraction(str(DEFAULT_TOLERANCES.fpr))),
            excess_risk=float(self.audit_excess_risk),
        )

    def describe_confidence(self) -> str:
        """Return the confidence as a percentage."""
        return f"{100 * self.confidence:.3g} %"

    def require_admissible(self, claim: PrivacyBudget, public_rows: int | None) -> None:
        """Refuse a claim that could never be certified, before anything is spent.

        Raises:
            InvalidBudget: epsilon above the policy, or delta not below its limit.
        """
        if claim.epsilon > self.max_epsilon:
            raise InvalidBudget(
                f"policy '{self.name}' certifies epsilon up to {self.max_epsilon}; asked for {claim.epsilon}. "
                f"{self.reasons['max_epsilon']} Nothing was spent."
            )
        if not self.delta_is_admissible(claim.delta, public_rows):
            raise InvalidBudget(
                f"policy '{self.name}' certifies {self.describe_delta_limit(public_rows)}; "
                f"asked for {written_delta(claim.delta)}. {self.reasons['max_delta']} Nothing was spent."
            )

    def delta_is_admissible(self, delta: Decimal, public_rows: int | None) -> bool:
        """Return whether `delta` is at most `max_delta` and below one over the declared number of units."""
        below_units = public_rows is None or public_rows < 1 or delta * public_rows < 1
        return delta <= self.max_delta and below_units

    def describe_delta_limit(self, public_rows: int | None) -> str:
        """Return the limit on delta in words."""
        text = f"delta at most {written_delta(self.max_delta)}"
        if public_rows is None:
            return text
        return f"{text} and below 1/{public_rows:,} (one over the declared number of units)"


THRESHOLDS = tuple(
    field.name for field in fields(Policy) if field.name not in {"name", "purpose", "reasons", "sources"}
)
"""Names of the thresholds, in order."""


def written_delta(delta: Decimal) -> str:
    """Return `delta` the way people write it, such as 1e-6."""
    return f"{delta.normalize():e}" if 0 < delta < Decimal("0.001") else f"{delta.normalize():f}"


def default_policy() -> Policy:
    """Return the policy that a release uses unless told otherwise."""
    # Needs YAML, which is loaded where a policy is read and not by everybody who imports the package.
    from dpsynth.certification.policy_file import load_policy

    return load_policy("default")
