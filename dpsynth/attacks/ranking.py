"""Evidence from scores: how well do they put members before controls?

Ties are ties: they count one half in the AUC and are broken by fair coins at a threshold, so a score that takes few
values is neither safe nor alarming by construction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from dpsynth.attacks.bounds import Interval, clopper_pearson
from dpsynth.attacks.significance import fisher_one_sided


@dataclass(frozen=True, slots=True)
class Evidence:
    """One statistic of one attack.

    Attributes:
        interval: estimate and one-sided bounds.
        p_value: one-sided, against exchangeability.
        control_value: what the statistic's rate is among controls: of the threshold, or observed; 0.5 for an AUC.
    """

    interval: Interval
    p_value: float
    control_value: float


def auc_evidence(members: NDArray[np.float64], controls: NDArray[np.float64], *, confidence: float) -> Evidence:
    """Return the AUC with DeLong bounds and the Mann-Whitney p-value with tie correction.

    Args:
        members: scores, shape (members,).
        controls: scores, shape (controls,).
        confidence: of each bound.

    Each bound is taken after adding one pair that speaks against it, so that a perfect separation of few records does
    not claim certainty. Without members or controls the interval is [0, 1].

    Source: E. R. DeLong et al., Biometrics 44 (1988); fast form by X. Sun and W. Xu, IEEE SPL 21 (2014).
    """
    if not members.size or not controls.size:
        return Evidence(Interval(0.5, 0.0, 1.0, confidence), 1.0, 0.5)
    members, controls = np.sort(members), np.sort(controls)  # sums in floating point must not depend on row order
    estimate, _ = _delong(members, controls)
    width = float(scipy.special.ndtri(confidence))
    low, low_variance = _delong(np.append(members, -np.inf), np.append(controls, np.inf))
    high, high_variance = _delong(np.append(members, np.inf), np.append(controls, -np.inf))
    lower = max(0.0, low - width * math.sqrt(low_variance))
    upper = min(1.0, high + width * math.sqrt(high_variance))
    interval = Interval(estimate, min(lower, estimate), max(upper, estimate), confidence)
    return Evidence(interval, _mann_whitney(estimate, members, controls), 0.5)


def tpr_evidence(
    members: NDArray[np.float64],
    controls: NDArray[np.float64],
    *,
    fpr: float,
    confidence: float,
    rng: np.random.Generator,
) -> Evidence:
    """Return the true-positive rate at a false-positive rate of `fpr`.

    Estimate and lower bound use the threshold that half of the controls set; the p-value is Fisher's, members against
    the other half. The upper bound must not profit from a threshold that happens to be too high, so it uses a lower
    threshold, which has at least the asked false-positive rate with probability 1 - a/2, and a Clopper-Pearson bound at
    1 - a/2, where a = 1 - confidence. With too few controls to place a threshold the interval is [0, 1].

    Args:
        members: scores, shape (members,).
        controls: scores, shape (controls,).
        fpr: the false-positive rate.
        confidence: of each bound.
        rng: breaks ties and deals controls into halves; only the sorted scores meet it, so row order has no effect.
    """
    member_ranks, control_ranks = _ranks_with_broken_ties(members, controls, rng)
    dealt = rng.permutation(control_ranks)
    calibration, evaluation = dealt[: len(dealt) // 2], dealt[len(dealt) // 2 :]
    above = math.floor(fpr * (len(calibration) + 1))
    lenient = _lenient_rank(len(controls), fpr, miss=(1 - confidence) / 2)
    if above == 0 or lenient is None or not members.size:
        return Evidence(Interval(fpr, 0.0, 1.0, confidence), 1.0, fpr)
    threshold = np.sort(calibration)[-above]
    hits = int((member_ranks > threshold).sum())
    at_threshold = clopper_pearson(hits, len(members), confidence=confidence)
    lenient_hits = int((member_ranks > np.sort(control_ranks)[-lenient]).sum())
    upper = clopper_pearson(lenient_hits, len(members), confidence=(1 + confidence) / 2).upper
    p_value = fisher_one_sided(hits, len(members), int((evaluation > threshold).sum()), len(evaluation))
    interval = Interval(at_threshold.estimate, at_threshold.lower, max(upper, at_threshold.estimate), confidence)
    return Evidence(interval, p_value, fpr)


def _lenient_rank(controls: int, fpr: float, *, miss: float) -> int | None:
    """Return the smallest k so that scores above the k-th highest control have a rate of `fpr` or more, but for `miss`.

    That rate falls short exactly when k or more of the controls are among the top `fpr` of the population.
    """
    ranks = np.arange(1, controls + 1)
    safe = scipy.special.bdtrc(ranks - 1, controls, fpr) <= miss if controls else np.zeros(0, dtype=np.bool_)
    return int(ranks[safe][0]) if safe.any() else None


def _ranks_with_broken_ties(
    members: NDArray[np.float64], controls: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    scores = np.concatenate([np.sort(members), np.sort(controls)])
    order = np.lexsort((rng.random(scores.size), scores))
    ranks = np.empty(scores.size, dtype=np.intp)
    ranks[order] = np.arange(scores.size)
    return ranks[: members.size], ranks[members.size :]


def _midranks(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks from 1, tied scores sharing their mean rank."""
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[places]


def _delong(members: NDArray[np.float64], controls: NDArray[np.float64]) -> tuple[float, float]:
    """Return the AUC and its variance."""
    pooled = _midranks(np.concatenate([members, controls]))
    beaten_controls = (pooled[: members.size] - _midranks(members)) / controls.size
    beaten_by_members = 1 - (pooled[members.size :] - _midranks(controls)) / members.size
    spread = [
        float(part.var(ddof=1)) / part.size if part.size > 1 else 0.0 for part in (beaten_controls, beaten_by_members)
    ]
    return float(beaten_controls.mean()), sum(spread)


def _mann_whitney(auc: float, members: NDArray[np.float64], controls: NDArray[np.float64]) -> float:
    """Return P[as many pairs won, or more] under exchangeability: normal, tie-corrected, continuity-corrected."""
    first, second = members.size, controls.size
    total = first + second
    _, ties = np.unique(np.concatenate([members, controls]), return_counts=True)
    # As floats: the cube of a large group of ties leaves the range of 64-bit integers.
    tied = float((ties.astype(np.float64) ** 3 - ties).sum()) / (total * (total - 1))
    variance = first * second / 12 * (total + 1 - tied)
    if variance <= 0:
        return 1.0
    excess = (auc - 0.5) * first * second - 0.5
    return float(scipy.special.ndtr(-excess / math.sqrt(variance)))
