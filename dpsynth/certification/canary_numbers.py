"""Whether the canary gate of a certificate says what follows from its own counts."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.certification.canary_evidence import CanaryCounts, no_evidence, weigh
from dpsynth.certification.document import CertificateDocument
from dpsynth.certification.policy import Policy
from dpsynth.certification.policy_file import PRESETS, load_policy
from dpsynth.certification.sections import canaries_section

_ROUNDING = {"epsilon_lower": 1e-3, "refutable_epsilon": 1e-3}
_OF_SHARES = 1e-5
"""Another machine may compute a bound that differs in its last digits."""

_FIRST_TOLERANCE = 0.05
"""What the only policy tolerated before certificates stated it."""

_FIRST_SIGNIFICANCE = 0.05
"""What every preset allowed before certificates stated it."""

_BOUNDS = (
    "p_value",
    "epsilon_lower",
    "refutable_epsilon",
    "recognised_lower",
    "recognised_upper",
    "excess_lower",
    "excess_upper",
)


def problem_of_canaries(document: CertificateDocument) -> str | None:
    """Return what the canary gate of a certificate contradicts, computed again from its counts; None where nothing.

    Tolerance and significance are those that the certificate states. Where it names a preset by a digest that this
    version knows, they must be the preset's.
    """
    stated = document.canaries
    if not _possible(document):
        return "its canary gate counts more planted rows or guesses than there can be"
    if (stated.drawn == 0) != (stated.threshold is None):
        return "its canary gate has rows without a threshold, or a threshold without rows"
    if stated.tolerance is None and document.policy_sha256 is not None:
        return "its canary gate does not say what is tolerated"
    policy = _policy_of(document)
    if policy is None:
        return "its canary gate tolerates something else than the policy that it names"
    if stated.drawn == 0:
        evidence = no_evidence(" ".join(stated.reasons), policy)
    else:
        counts = CanaryCounts(stated.drawn, stated.included, stated.correct, stated.false_positives)
        claim = PrivacyBudget(document.claim.epsilon, document.claim.delta)
        evidence = weigh(counts, stated.threshold or 0.0, claim, policy)
    computed = canaries_section(evidence, policy)
    if any(
        _differ(getattr(stated, name), getattr(computed, name), _ROUNDING.get(name, _OF_SHARES)) for name in _BOUNDS
    ):
        return "its canary gate states other numbers than follow from its counts"
    if stated.verdict != computed.verdict:
        return "the verdict of its canary gate does not follow from its counts"
    return None


def _possible(document: CertificateDocument) -> bool:
    stated = document.canaries
    left_out = stated.drawn - stated.included
    return (
        stated.correct <= stated.included
        and 0 <= stated.false_positives <= left_out
        and stated.guesses == stated.correct + stated.false_positives
    )


def _policy_of(document: CertificateDocument) -> Policy | None:
    """Return a policy with the thresholds that are stated; None where the policy that is named has others."""
    stated = document.canaries
    tolerance = _FIRST_TOLERANCE if stated.tolerance is None else stated.tolerance
    significance = _FIRST_SIGNIFICANCE if stated.significance is None else stated.significance
    named = load_policy(document.policy) if document.policy in PRESETS else None
    if named is not None and named.digest == document.policy_sha256:
        ours = float(named.canary_tolerance), float(named.significance)
        return named if (tolerance, significance) == ours else None
    return replace(
        load_policy("default"), canary_tolerance=Fraction(str(tolerance)), significance=Fraction(str(significance))
    )


def _differ(stated: float | None, computed: float | None, rounding: float) -> bool:
    if stated is None or computed is None:
        return stated is not computed
    return abs(stated - computed) > rounding
