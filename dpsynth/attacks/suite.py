"""All attacks on one release, with one family of hypotheses and one reading per statistic.

Arrays in, results out: this module opens nothing and writes nothing. Attacks see targets in random order and without
labels. The excess of members over controls is the only evidence; an attack that is good at describing the population
scores both alike.

Privacy: results are computed from real records without noise. They are confidential and never leave the curator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.bounds import clopper_pearson, difference_of_proportions
from dpsynth.attacks.distance import remembered_distances
from dpsynth.attacks.power import smallest_detectable_auc, smallest_detectable_rate
from dpsynth.attacks.ranking import Evidence, auc_evidence, tpr_evidence
from dpsynth.attacks.records import Records
from dpsynth.attacks.registry import ATTACKS, AttackEntry, attack_entry
from dpsynth.attacks.result import DEFAULT_TOLERANCES, AttackResult, Statistic, Tolerances
from dpsynth.attacks.significance import fisher_one_sided, holm_adjusted
from dpsynth.progress import phase

SMALLEST_REFERENCE = 100
"""With fewer reference rows than this, half of the controls join the reference."""


def run_suite(
    members: Records,
    controls: Records,
    synthetic: Records,
    reference: Records,
    *,
    rng: np.random.Generator,
    attacks: Sequence[str] = tuple(ATTACKS),
    tolerances: Tolerances = DEFAULT_TOLERANCES,
    confidence: float = 0.95,
) -> tuple[AttackResult, ...]:
    """Attack one release and weigh the evidence.

    Members and controls must be exchangeable before training: dealt by coins that nobody looked at. The reference must
    hold neither. If it has fewer than `SMALLEST_REFERENCE` rows, a random half of the controls joins it and only the
    other half stands for non-members, so the two never overlap.

    Args:
        members: rows that the generator was trained on (all of them, or a random part).
        controls: rows of the same population that it was not trained on.
        synthetic: the released rows, all of them.
        reference: further rows of the same population, or none.
        rng: all randomness of the suite.
        attacks: names in the registry.
        tolerances: limits for the readings.
        confidence: of each bound; one minus it is the significance of the whole suite.

    Returns:
        one result per attack and statistic, in the order of `attacks`.

    Raises:
        InvalidInput: for an unknown attack, or tables of different columns.
    """
    entries = [attack_entry(name) for name in attacks]
    split_rng, order_rng, *attack_rngs = rng.spawn(2 + len(entries))
    if len(reference) < SMALLEST_REFERENCE:
        controls, reference = _share_controls(controls, reference, split_rng)
    people = members.followed_by(controls)
    order = order_rng.permutation(len(people))
    targets = people.take(order)
    findings: list[_Finding] = []
    with remembered_distances(), phase("attacks", len(entries)) as advance:
        for entry, attack_rng in zip(entries, attack_rngs, strict=True):
            shuffled = entry.load().score(targets, synthetic, reference, rng=attack_rng)
            scores = np.empty(len(people))
            scores[order] = shuffled
            findings += _weigh(
                entry, scores[: len(members)], scores[len(members) :], tolerances, confidence, attack_rng
            )
            advance(1)
    return _results(findings, len(members), len(controls), tolerances, significance=1 - confidence)


@dataclass(frozen=True, slots=True)
class _Finding:
    attack: str
    statistic: Statistic
    evidence: Evidence
    natural_rate: float
    """Hit rate among non-members: of the threshold, or observed among controls."""


def _share_controls(controls: Records, reference: Records, rng: np.random.Generator) -> tuple[Records, Records]:
    """Return the controls that stay and the reference with the others; the order of the controls has no effect."""
    in_order = controls.take(np.lexsort(controls.values.T[::-1]))
    dealt = rng.permutation(len(controls))
    half = len(controls) // 2
    return in_order.take(dealt[half:]), reference.followed_by(in_order.take(dealt[:half]))


def _weigh(
    entry: AttackEntry,
    members: NDArray[np.float64],
    controls: NDArray[np.float64],
    tolerances: Tolerances,
    confidence: float,
    rng: np.random.Generator,
) -> list[_Finding]:
    return [
        _Finding(entry.name, statistic, *_evidence(statistic, members, controls, tolerances, confidence, rng))
        for statistic in entry.statistics
    ]


def _evidence(
    statistic: Statistic,
    members: NDArray[np.float64],
    controls: NDArray[np.float64],
    tolerances: Tolerances,
    confidence: float,
    rng: np.random.Generator,
) -> tuple[Evidence, float]:
    """Return the evidence of one statistic and the hit rate among non-members."""
    match statistic:
        case Statistic.AUC:
            return auc_evidence(members, controls, confidence=confidence), 0.5
        case Statistic.TPR_AT_FPR:
            return tpr_evidence(members, controls, fpr=tolerances.fpr, confidence=confidence, rng=rng), tolerances.fpr
        case Statistic.EXACT_MATCH_EXCESS | Statistic.NEAR_MATCH_EXCESS:
            return _excess_evidence(members > 0, controls > 0, confidence)
        case _:
            assert_never(statistic)


def _excess_evidence(
    member_hits: NDArray[np.bool_], control_hits: NDArray[np.bool_], confidence: float
) -> tuple[Evidence, float]:
    """Return the evidence that members are hit more often, and the hit rate among controls."""
    hits, members = int(member_hits.sum()), member_hits.size
    natural_hits, controls = int(control_hits.sum()), control_hits.size
    control_rate = clopper_pearson(natural_hits, controls, confidence=confidence)
    excess = difference_of_proportions(clopper_pearson(hits, members, confidence=confidence), control_rate)
    return Evidence(excess, fisher_one_sided(hits, members, natural_hits, controls)), control_rate.estimate


def _results(
    findings: Sequence[_Finding], members: int, controls: int, tolerances: Tolerances, *, significance: float
) -> tuple[AttackResult, ...]:
    adjusted = holm_adjusted([finding.evidence.p_value for finding in findings])
    detectable = {}
    for finding in findings:
        key = (finding.statistic, finding.natural_rate)
        if key not in detectable:
            detectable[key] = _smallest_detectable(*key, members, controls, significance / len(findings))
    return tuple(
        AttackResult(
            attack=finding.attack,
            statistic=finding.statistic,
            interval=finding.evidence.interval,
            tolerance=tolerances.limit(finding.statistic),
            p_value=finding.evidence.p_value,
            adjusted_p_value=corrected,
            significance=significance,
            smallest_detectable=detectable[finding.statistic, finding.natural_rate],
            members=members,
            controls=controls,
        )
        for finding, corrected in zip(findings, adjusted, strict=True)
    )


def _smallest_detectable(
    statistic: Statistic, natural_rate: float, members: int, controls: int, significance: float
) -> float:
    if statistic is Statistic.AUC:
        return smallest_detectable_auc(members, controls, significance=significance)
    if statistic is Statistic.TPR_AT_FPR:
        # The threshold takes one half of the controls, the test compares with the other.
        return smallest_detectable_rate(
            members, controls - controls // 2, natural_rate=natural_rate, significance=significance
        )
    rate = smallest_detectable_rate(members, controls, natural_rate=natural_rate, significance=significance)
    return rate - natural_rate
