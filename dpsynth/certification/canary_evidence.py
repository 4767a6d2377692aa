"""What the canaries say about a table: how many were recognised, and what that refutes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.attacks.bounds import Interval, clopper_pearson, difference_of_proportions
from dpsynth.attacks.one_run import one_run_epsilon_lower, one_run_p_value
from dpsynth.attacks.significance import fisher_one_sided
from dpsynth.certification.canary_count import units_for
from dpsynth.certification.policy import Policy, Verdict

_MOST_CANARIES = 1_000_000
"""Beyond this the sentence about how many canaries would decide stops counting."""


@dataclass(frozen=True, slots=True)
class CanaryCounts:
    """The outcome of the game, all that the verdict depends on.

    Attributes:
        canaries: how many were drawn.
        included: how many of them were in the training rows, each by its own fair coin.
        recognised_included: how many included ones lie within the threshold of some synthetic row.
        recognised_excluded: how many of the others do.
    """

    canaries: int
    included: int
    recognised_included: int
    recognised_excluded: int

    @property
    def excluded(self) -> int:
        """How many canaries the generator never saw."""
        return self.canaries - self.included

    @property
    def rates(self) -> tuple[float, float]:
        """Share of recognised canaries among the included and among the excluded ones."""
        return self.recognised_included / max(self.included, 1), self.recognised_excluded / max(self.excluded, 1)

    @property
    def guesses(self) -> int:
        """How many canaries an observer of the table would call members; about all others it stays silent."""
        return self.recognised_included + self.recognised_excluded


@dataclass(frozen=True, slots=True)
class CanaryEvidence:
    """The canary gate's finding: a function of the synthetic table, the public canaries and their coins alone.

    Attributes:
        counts: the outcome of the game.
        threshold: Gower distance below which a canary counts as recognised; None without canaries.
        p_value: chance of so many correct guesses or more if the claim holds; None without canaries.
        epsilon_lower: lower bound on epsilon; 0 when nothing was recognised.
        refutable_epsilon: the bound that a table giving away every included canary would have reached.
        recognised: share of included canaries that are recognised, with bounds.
        excess: that share minus the same share of excluded canaries, which are recognised by chance, with bounds.
        verdict: PASS, FAIL or INCONCLUSIVE.
        reasons: why, in sentences.

    Privacy: nothing is charged. For every fixed set of canaries and coins the evidence is post-processing of the table.
    """

    counts: CanaryCounts
    threshold: float | None
    p_value: float | None
    epsilon_lower: float
    refutable_epsilon: float
    recognised: Interval
    excess: Interval
    verdict: Verdict
    reasons: tuple[str, ...]


def no_evidence(reason: str, policy: Policy) -> CanaryEvidence:
    """Return the evidence of a release without canaries: inconclusive, for `reason`."""
    return CanaryEvidence(
        counts=CanaryCounts(0, 0, 0, 0),
        threshold=None,
        p_value=None,
        epsilon_lower=0.0,
        refutable_epsilon=0.0,
        recognised=Interval(0.0, 0.0, 1.0, policy.confidence),
        excess=Interval(0.0, -1.0, 1.0, policy.confidence),
        verdict=Verdict.INCONCLUSIVE,
        reasons=(reason,),
    )


def weigh(counts: CanaryCounts, threshold: float, claim: PrivacyBudget, policy: Policy) -> CanaryEvidence:
    """Return the verdict of `counts`.

    FAIL when the one-run bound exceeds the claim, or when significantly more included than excluded canaries are
    recognised and the share of recognised included ones is above the tolerance with confidence.

    PASS when the excess of that share over chance is below the tolerance with confidence and a table that gives
    everything away would have failed. Chance is what happens to excluded canaries: in a small domain every large table
    comes near some rows that it has never seen, and that is no leak.

    INCONCLUSIVE otherwise.

    Source: Steinke, Nasr and Jagielski, Privacy Auditing with One (1) Training Run, 2023, theorem 5.2.
    """
    everything = CanaryCounts(counts.canaries, counts.included, counts.included, counts.recognised_excluded)
    refutable = _one_run_bound(everything, claim, policy)
    bound = _one_run_bound(counts, claim, policy)
    excess = _excess(counts, policy)
    has_power = refutable > float(claim.epsilon) or _gives_away(everything, policy)
    if bound > float(claim.epsilon) or _gives_away(counts, policy):
        verdict = Verdict.FAIL
    elif excess.upper <= policy.canary_tolerance and has_power:
        verdict = Verdict.PASS
    else:
        verdict = Verdict.INCONCLUSIVE
    return CanaryEvidence(
        counts=counts,
        threshold=threshold,
        p_value=one_run_p_value(
            canaries=counts.canaries,
            guesses=counts.guesses,
            correct=counts.recognised_included,
            epsilon=float(claim.epsilon),
            delta=float(claim.delta),
        ),
        epsilon_lower=bound,
        refutable_epsilon=refutable,
        recognised=_recognised(counts, policy),
        excess=excess,
        verdict=verdict,
        reasons=tuple(_reasons(counts, bound, excess, claim, policy, verdict)),
    )


def _one_run_bound(counts: CanaryCounts, claim: PrivacyBudget, policy: Policy) -> float:
    return one_run_epsilon_lower(
        canaries=counts.canaries,
        guesses=counts.guesses,
        correct=counts.recognised_included,
        delta=float(claim.delta),
        confidence=policy.confidence,
    )


def _recognised(counts: CanaryCounts, policy: Policy) -> Interval:
    return clopper_pearson(counts.recognised_included, counts.included, confidence=policy.confidence)


def _excess(counts: CanaryCounts, policy: Policy) -> Interval:
    chance = clopper_pearson(counts.recognised_excluded, counts.excluded, confidence=policy.confidence)
    return difference_of_proportions(_recognised(counts, policy), chance)


def _gives_away(counts: CanaryCounts, policy: Policy) -> bool:
    """Return whether included canaries are recognised more often than excluded ones, and more often than tolerated."""
    p_value = fisher_one_sided(counts.recognised_included, counts.included, counts.recognised_excluded, counts.excluded)
    return p_value <= policy.significance and _recognised(counts, policy).lower > policy.canary_tolerance


def _reasons(
    counts: CanaryCounts, bound: float, excess: Interval, claim: PrivacyBudget, policy: Policy, verdict: Verdict
) -> Iterator[str]:
    shares = (
        f"{counts.recognised_included} of {counts.included} planted rows and {counts.recognised_excluded} of "
        f"{counts.excluded} rows that were left out can be recognised in the synthetic table"
    )
    tolerance = f"{100 * float(policy.canary_tolerance):.3g} %"
    most = f"{100 * max(0.0, excess.upper):.1f} %"
    if verdict is Verdict.PASS:
        yield (
            f"{shares}; with {policy.describe_confidence()} confidence the table gives away at most {most} of the "
            f"planted rows beyond chance (tolerated: {tolerance})."
        )
    elif verdict is Verdict.FAIL and bound > float(claim.epsilon):
        yield (
            f"{shares}; that refutes the claim: epsilon is at least {bound:.2f} with {policy.describe_confidence()} "
            f"confidence, claimed was {claim.epsilon.normalize():f}."
        )
    elif verdict is Verdict.FAIL:
        yield f"{shares}; that is significantly more than chance and more than the tolerated {tolerance}."
    else:
        yield (
            f"{shares}; that does not refute the claim, but neither does it show with {policy.describe_confidence()} "
            f"confidence that the table gives away at most {tolerance} of the planted rows (the bound is {most})."
        )
        yield decisive_number(counts, policy)


def bound_without_hits(canaries: int, included: float, policy: Policy) -> float:
    """Return the bound on what is given away if that share of the canaries is included and none is recognised."""
    return clopper_pearson(0, math.floor(canaries * included), confidence=policy.confidence).upper


def canaries_can_decide(canaries: int, policy: Policy) -> bool:
    """Return whether so many canaries let a table pass where coins include half of them."""
    return canaries > 0 and bound_without_hits(canaries, 0.5, policy) <= policy.canary_tolerance


def decisive_number(counts: CanaryCounts, policy: Policy) -> str:
    """Return the sentence that says how many canaries would decide, at the rates seen so far."""
    included_rate, excluded_rate = counts.rates
    half = max(counts.included, 1)
    while 2 * half <= _MOST_CANARIES:
        trial = CanaryCounts(2 * half, half, round(included_rate * half), round(excluded_rate * half))
        if _excess(trial, policy).upper <= policy.canary_tolerance or _gives_away(trial, policy):
            units = units_for(2 * half, policy)
            return (
                f"At the rates seen so far about {2 * half:,} canaries would decide it. That takes a table of about "
                f"{units:,} declared units, and a policy that aims for so many (this one: {policy.canaries})."
            )
        half += max(1, half // 50)
    return "The rates seen so far are so close to the tolerance that no reasonable number of canaries would decide it."
