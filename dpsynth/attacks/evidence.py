"""From scores and counts to evidence: one interval and one p-value per statistic.

Randomness breaks ties and deals controls into halves. It meets sorted scores only, so the order of rows has no effect.
"""

from __future__ import annotations

from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.base import Trials
from dpsynth.attacks.bounds import clopper_pearson, difference_of_proportions, excess_risk
from dpsynth.attacks.ranking import Evidence, auc_evidence, tpr_evidence
from dpsynth.attacks.result import Statistic, Tolerances
from dpsynth.attacks.significance import fisher_one_sided
from dpsynth.attacks.weighted_excess import weighted_evidence


def score_evidence(
    statistic: Statistic,
    members: NDArray[np.float64],
    controls: NDArray[np.float64],
    *,
    tolerances: Tolerances,
    confidence: float,
    rng: np.random.Generator,
) -> Evidence:
    """Return what one statistic says about the scores of members and of controls.

    Args:
        statistic: which one. All but the ranking statistics take a positive score for a hit.
        members: scores, shape (members,).
        controls: scores, shape (controls,).
        tolerances: names the false-positive rates.
        confidence: of each bound.
        rng: breaks ties.
    """
    match statistic:
        case Statistic.AUC:
            return auc_evidence(members, controls, confidence=confidence)
        case Statistic.TPR_AT_FPR:
            return tpr_evidence(members, controls, fpr=tolerances.fpr, confidence=confidence, rng=rng)
        case Statistic.TPR_AT_LOW_FPR:
            return tpr_evidence(members, controls, fpr=tolerances.low_fpr, confidence=confidence, rng=rng)
        case Statistic.WEIGHTED_MATCH_EXCESS:
            return weighted_evidence(members, controls, confidence=confidence)
        case Statistic.EXACT_MATCH_EXCESS | Statistic.NEAR_MATCH_EXCESS | Statistic.EXCESS_RISK:
            hits = Trials("", int((members > 0).sum()), members.size, int((controls > 0).sum()), controls.size)
            return trial_evidence(statistic, hits, confidence=confidence)
        case _:
            assert_never(statistic)


def trial_evidence(statistic: Statistic, trials: Trials, *, confidence: float) -> Evidence:
    """Return what counts of successes say: a difference of rates, or for EXCESS_RISK a share of what was left."""
    member = trials.member_successes, trials.member_trials
    control = trials.control_successes, trials.control_trials
    p_value = fisher_one_sided(*member, *control)
    control_rate = clopper_pearson(*control, confidence=confidence)
    if statistic is Statistic.EXCESS_RISK:
        return Evidence(excess_risk(*member, *control, confidence=confidence), p_value, control_rate.estimate)
    member_rate = clopper_pearson(*member, confidence=confidence)
    return Evidence(difference_of_proportions(member_rate, control_rate), p_value, control_rate.estimate)
