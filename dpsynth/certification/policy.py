"""What a release must satisfy before it may leave: every threshold, with the reason that goes on the certificate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from types import MappingProxyType

from dpsynth.accounting.budget import PrivacyBudget
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
    """The thresholds of a release; each field but `name` and `reasons` has its reason in `reasons`.

    Attributes:
        name: name of the policy, for the certificate.
        max_epsilon: largest epsilon that may be claimed.
        max_delta: largest delta that may be claimed; it must also be below one over the declared number of units.
        canaries: number of canaries that is aimed for.
        canary_share: most canaries per declared unit; every second one is included, on average.
        canary_cells: fewest combinations of ordinary values for canaries to be told from people.
        canary_chance: how often a table of uniform rows may come so near to a row that it counts as recognised.
        canary_tolerance: largest share of included canaries that the release may give away beyond chance.
        significance: chance of a wrong alarm that each test is allowed.
        control_fraction: share of the units that is held back from training for the internal audit.
        minimum_rows: smallest noisy number of rows that can be certified.
        largest_empty_share: largest share of missing or out-of-domain cells in one column.
        attempts_allowed: most trainings on the way to one export, failed ones included.
        reasons: why each threshold is what it is, by field name.
    """

    name: str
    max_epsilon: Decimal
    max_delta: Decimal
    canaries: int
    canary_share: Fraction
    canary_cells: int
    canary_chance: Fraction
    canary_tolerance: Fraction
    significance: Fraction
    control_fraction: Fraction
    minimum_rows: int
    largest_empty_share: Fraction
    attempts_allowed: int
    reasons: Mapping[str, str]

    def __post_init__(self) -> None:
        """Refuse thresholds without a reason, and numbers that would switch a check off."""
        thresholds = {field.name for field in fields(self)} - {"name", "reasons"}
        silent = sorted(thresholds - {name for name, reason in self.reasons.items() if reason.strip()})
        if silent:
            raise InvalidInput(f"policy '{self.name}' gives no reason for: {', '.join(silent)}")
        shares = (
            "canary_share",
            "canary_chance",
            "canary_tolerance",
            "significance",
            "control_fraction",
            "largest_empty_share",
        )
        wrong = [name for name in shares if not 0 < getattr(self, name) < 1]
        counts = ("canaries", "canary_cells", "minimum_rows", "attempts_allowed", "max_epsilon", "max_delta")
        wrong += [name for name in counts if not getattr(self, name) > 0]
        if wrong:
            raise InvalidInput(f"policy '{self.name}' has thresholds out of range: {', '.join(wrong)}")

    @property
    def confidence(self) -> float:
        """Confidence of every one-sided bound."""
        return float(1 - self.significance)

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


def written_delta(delta: Decimal) -> str:
    """Return `delta` the way people write it, such as 1e-6."""
    return f"{delta.normalize():e}" if 0 < delta < Decimal("0.001") else f"{delta.normalize():f}"


_REASONS = MappingProxyType(
    {
        "max_epsilon": (
            "Epsilon bounds how much any one person can change what is released; above 10 the bound no longer limits "
            "what a determined attacker can learn (a 10-private release may reveal membership almost surely)."
        ),
        "max_delta": (
            "Delta is the chance that the guarantee breaks altogether. A mechanism that publishes one person at random "
            "has delta one over the number of people, so delta must stay well below that (NIST SP 800-226)."
        ),
        "canaries": (
            "With 200 of 400 canaries included, a generator that copies its rows is refuted up to a claim of "
            "epsilon 4; more canaries would cost usefulness."
        ),
        "canary_share": (
            "Every second canary is included, so that on average fewer than 0.5 % of the training rows are invented."
        ),
        "canary_cells": (
            "In a small domain most value combinations belong to real people, so seeing a canary again says nothing."
        ),
        "canary_chance": (
            "A canary counts as recognised only where the table comes nearer to it than a table of uniform rows comes "
            "to 399 of 400 rows. The distance is fixed before training, from public rows alone, so that honest tables "
            "are hardly ever suspected and copies still are, also slightly changed ones."
        ),
        "canary_tolerance": (
            "The claim alone never binds at large epsilon, so the share of planted rows that the release gives away "
            "beyond chance has a limit of its own: at most 1 in 20, with 95 % confidence. It is a choice of this "
            "policy, not a theorem; 0.05 is what practice tolerates as the excess risk of an attack."
        ),
        "significance": "Every test may raise a wrong alarm for one honest release in twenty, the usual convention.",
        "control_fraction": (
            "The internal audit compares people who were trained on with people who were not; one in ten is enough to "
            "see a true-positive rate of 3 % at a false-positive rate of 1 % from 5,000 rows up."
        ),
        "minimum_rows": (
            "In a table of a few dozen people neither the noise nor the tests leave anything that could be relied on."
        ),
        "largest_empty_share": (
            "A column that is nearly all missing or outside its declared domain carries no information; most likely "
            "the schema and the data do not fit."
        ),
        "attempts_allowed": (
            "Training again until a check happens to pass selects lucky noise; every attempt is charged and listed."
        ),
    }
)


def default_policy() -> Policy:
    """Return the policy that a release uses unless told otherwise."""
    return Policy(
        name="default",
        max_epsilon=Decimal(10),
        max_delta=Decimal("1e-5"),
        canaries=400,
        canary_share=Fraction(1, 100),
        canary_cells=10**6,
        canary_chance=Fraction(1, 400),
        canary_tolerance=Fraction(1, 20),
        significance=Fraction(1, 20),
        control_fraction=Fraction(1, 10),
        minimum_rows=100,
        largest_empty_share=Fraction(99, 100),
        attempts_allowed=3,
        reasons=_REASONS,
    )
