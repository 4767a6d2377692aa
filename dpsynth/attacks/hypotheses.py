"""From evidence to results: which hypotheses are tested, how they share the significance, what each could have found.

Holm's procedure over all hypotheses, with weights. Every attack has its share of the significance, however many
variants it has, and every stratum its share of that; so an attack with forty variants does not drown the others. Shares
are fixed by the registry and by numbers of people, never by scores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from dpsynth.attacks.base import Trials
from dpsynth.attacks.evidence import score_evidence, trial_evidence
from dpsynth.attacks.findings import Untested
from dpsynth.attacks.power import rows_to_decide, smallest_detectable_auc, smallest_detectable_rate
from dpsynth.attacks.ranking import Evidence, auc_evidence
from dpsynth.attacks.result import EVERYONE, AttackResult, Duty, Statistic, Tolerances
from dpsynth.attacks.significance import fisher_one_sided, holm_adjusted


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One comparison of members with controls, before it is judged.

    Attributes:
        attack: name in the registry.
        variant: label, or empty.
        statistic: what was measured.
        stratum: which people.
        evidence: interval and p-value.
        members: number of members.
        controls: number of controls.
        limits: for this stratum.
        weight: share of the significance, relative to the others.
        duty: whether a release has to be shown safe from it before it passes.
    """

    attack: str
    variant: str
    statistic: Statistic
    stratum: str
    evidence: Evidence
    members: int
    controls: int
    limits: Tolerances
    weight: float
    duty: Duty


def hypothesis(
    attack: str,
    variant: str,
    statistic: Statistic,
    stratum: str,
    members: NDArray[np.float64],
    controls: NDArray[np.float64],
    *,
    limits: Tolerances,
    weight: float,
    confidence: float,
    rng: np.random.Generator,
    duty: Duty,
) -> Hypothesis:
    """Return the hypothesis about scores."""
    evidence = score_evidence(statistic, members, controls, tolerances=limits, confidence=confidence, rng=rng)
    return Hypothesis(attack, variant, statistic, stratum, evidence, members.size, controls.size, limits, weight, duty)


def counted(
    attack: str,
    trials: Trials,
    statistic: Statistic,
    *,
    limits: Tolerances,
    weight: float,
    confidence: float,
    duty: Duty,
) -> Hypothesis:
    """Return the hypothesis about trials, which are always made against everyone."""
    evidence = trial_evidence(statistic, trials, confidence=confidence)
    sizes = trials.member_trials, trials.control_trials
    return Hypothesis(attack, trials.label, statistic, EVERYONE, evidence, *sizes, limits, weight, duty)


def judged(
    hypotheses: Sequence[Hypothesis], *, confidence: float, lost: float = 0.0
) -> tuple[tuple[AttackResult, ...], tuple[Untested, ...]]:
    """Return one result per hypothesis that so many people can decide, and what was left out.

    What concerns everyone is always tested: where it cannot be decided, the result has to say so. What a release has to
    be shown safe from among fewer people is a result as well, outside of the family if they cannot decide it. `lost` is
    the weight of attacks that failed: they count as hypotheses that nothing speaks against.
    """
    significance = 1 - confidence
    total = sum(one.weight for one in hypotheses) + lost
    tested: list[Hypothesis] = []
    left_out: list[Hypothesis] = []
    for one in hypotheses:
        decidable = one.stratum == EVERYONE or _smallest_p_value(one) <= significance * one.weight / total
        (tested if decidable else left_out).append(one)
    weights = [one.weight for one in tested] + [lost] * (lost > 0)
    p_values = [one.evidence.p_value for one in tested] + [1.0] * (lost > 0)
    adjusted = holm_adjusted(p_values, weights)[: len(tested)]
    owed = [one for one in left_out if one.duty is Duty.ALWAYS]
    results = tuple(
        AttackResult(
            attack=one.attack,
            statistic=one.statistic,
            interval=one.evidence.interval,
            tolerance=one.limits.limit(one.statistic),
            p_value=one.evidence.p_value,
            adjusted_p_value=corrected,
            significance=significance,
            smallest_detectable=_smallest_detectable(one, significance * one.weight / sum(weights)),
            members=one.members,
            controls=one.controls,
            variant=one.variant,
            stratum=one.stratum,
            control_value=one.evidence.control_value,
            decisive=one.duty is Duty.ALWAYS or (one.duty is Duty.WHERE_POSSIBLE and _could_pass(one, confidence)),
        )
        for one, corrected in zip([*tested, *owed], [*adjusted, *[1.0] * len(owed)], strict=True)
    )
    return results, _summed([one for one in left_out if one.duty is not Duty.ALWAYS])


def enough_for_low_rates(members: int, controls: int, limits: Tolerances) -> bool:
    """Return whether a safe release would keep the limit at the low false-positive rate with probability 90 %."""
    return min(members, controls) >= rows_to_decide(fpr=limits.low_fpr, tolerance=limits.low_tpr)


def _summed(left_out: Sequence[Hypothesis]) -> tuple[Untested, ...]:
    found: dict[tuple[str, Statistic, int, int], int] = {}
    for one in left_out:
        key = (one.stratum, one.statistic, one.members, one.controls)
        found[key] = found.get(key, 0) + 1
    return tuple(
        Untested(stratum, statistic, count, members, controls)
        for (stratum, statistic, members, controls), count in found.items()
    )


def _smallest_p_value(one: Hypothesis) -> float:
    """Return the p-value if every member were found and no control accused."""
    if one.statistic is Statistic.AUC:
        # Fisher's exact test of a perfect separation: the rank test cannot be more certain than that.
        return fisher_one_sided(one.members, one.members, 0, one.controls)
    if one.statistic in (Statistic.TPR_AT_FPR, Statistic.TPR_AT_LOW_FPR):
        fpr = one.limits.fpr if one.statistic is Statistic.TPR_AT_FPR else one.limits.low_fpr
        calibration = one.controls // 2
        if math.floor(fpr * (calibration + 1)) == 0:
            return 1.0
        return fisher_one_sided(one.members, one.members, 0, one.controls - calibration)
    return fisher_one_sided(one.members, one.members, 0, one.controls)


def _could_pass(one: Hypothesis, confidence: float) -> bool:
    """Return whether a release would pass in which members fare exactly as controls did here."""
    limit = one.limits.limit(one.statistic)
    if not one.members or not one.controls:
        return False
    if one.statistic is Statistic.AUC:
        deviation = math.sqrt((one.members + one.controls + 1) / (12 * one.members * one.controls))
        return 0.5 + float(scipy.special.ndtri(confidence)) * deviation <= limit
    if one.statistic is Statistic.TPR_AT_FPR:
        return min(one.members, one.controls) >= rows_to_decide(fpr=one.limits.fpr, tolerance=limit)
    alike = Trials(
        "",
        round(one.evidence.control_value * one.members),
        one.members,
        round(one.evidence.control_value * one.controls),
        one.controls,
    )
    return trial_evidence(one.statistic, alike, confidence=confidence).interval.upper <= limit


def _smallest_detectable(one: Hypothesis, significance: float) -> float:
    members, controls, natural_rate = one.members, one.controls, one.evidence.control_value
    match one.statistic:
        case Statistic.AUC:
            return smallest_detectable_auc(members, controls, significance=significance)
        case Statistic.TPR_AT_FPR | Statistic.TPR_AT_LOW_FPR:
            # The threshold takes one half of the controls, the test compares with the other.
            return smallest_detectable_rate(
                members, controls - controls // 2, natural_rate=natural_rate, significance=significance
            )
    rate = smallest_detectable_rate(members, controls, natural_rate=natural_rate, significance=significance)
    if one.statistic is Statistic.EXCESS_RISK:
        return (rate - natural_rate) / (1 - natural_rate) if natural_rate < 1 else 1.0
    return rate - natural_rate


def strongest(variants: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]) -> str:
    """Return the label of the variant whose scores put members before controls most clearly."""
    return min(variants, key=lambda label: auc_evidence(*variants[label], confidence=0.95).p_value)
