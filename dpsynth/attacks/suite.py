"""All attacks on one release, with one family of hypotheses and one reading per statistic.

Arrays in, results out: this module opens nothing and writes nothing. Attacks see targets in random order and without
labels. The excess of members over controls is the only evidence; an attack that is good at describing the population
scores both alike.

Privacy: results are computed from real records without noise. They are confidential and never leave the curator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.base import AttackFamily, CountingAttack, Trials
from dpsynth.attacks.distance import remembered_distances
from dpsynth.attacks.evidence import score_evidence, trial_evidence
from dpsynth.attacks.power import rows_to_decide, smallest_detectable_auc, smallest_detectable_rate
from dpsynth.attacks.ranking import Evidence
from dpsynth.attacks.records import Records
from dpsynth.attacks.registry import ATTACKS, AttackEntry, attack_entry
from dpsynth.attacks.result import DEFAULT_TOLERANCES, AttackResult, Statistic, Tolerances
from dpsynth.attacks.significance import holm_adjusted
from dpsynth.errors import AttackFailed, InvalidInput
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
    names: Sequence[str] | None = None,
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
        rng: all randomness of the suite. What one attack draws does not depend on which others run.
        names: the public name of each column, for the labels of variants; numbers by default.
        attacks: names in the registry.
        tolerances: limits for the readings.
        confidence: of each bound; one minus it is the significance of the whole suite.

    Returns:
        one result per attack, variant and statistic, in the order of `attacks`.

    Raises:
        InvalidInput: for an unknown attack, or tables of different columns.
    """
    entries = [attack_entry(name) for name in attacks]
    names = [f"column {place + 1}" for place in range(members.width)] if names is None else list(names)
    if len(names) != members.width:
        raise InvalidInput("the suite needs one name per column")
    split_rng, order_rng, seed_rng = rng.spawn(3)
    if len(reference) < SMALLEST_REFERENCE:
        controls, reference = _share_controls(controls, reference, split_rng)
    scene = _Scene.of(members, controls, synthetic, reference, names, order_rng)
    seed = int(seed_rng.integers(2**63))
    findings: list[_Finding] = []
    with remembered_distances(), phase("attacks", len(entries)) as advance:
        for entry in entries:
            findings += _weigh(entry, scene, tolerances, confidence, seed)
            advance(1)
    return _results(findings, tolerances, significance=1 - confidence)


@dataclass(frozen=True, slots=True)
class _Scene:
    """One release, with its people in an order that says nothing about who is who."""

    members: Records
    controls: Records
    synthetic: Records
    reference: Records
    names: Sequence[str]
    targets: Records
    order: NDArray[np.intp]

    @classmethod
    def of(
        cls,
        members: Records,
        controls: Records,
        synthetic: Records,
        reference: Records,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> _Scene:
        people = members.followed_by(controls)
        order = rng.permutation(len(people))
        return cls(members, controls, synthetic, reference, names, people.take(order), order)

    def dealt(self, shuffled: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the scores of members and of controls from those of the targets."""
        scores = np.empty(len(self.order))
        scores[self.order] = shuffled
        return scores[: len(self.members)], scores[len(self.members) :]


@dataclass(frozen=True, slots=True)
class _Finding:
    attack: str
    variant: str
    statistic: Statistic
    evidence: Evidence
    members: int
    controls: int
    weight: float


def _share_controls(controls: Records, reference: Records, rng: np.random.Generator) -> tuple[Records, Records]:
    """Return the controls that stay and the reference with the others; the order of the controls has no effect."""
    in_order = controls.take(np.lexsort(controls.values.T[::-1]))
    dealt = rng.permutation(len(controls))
    half = len(controls) // 2
    return in_order.take(dealt[half:]), reference.followed_by(in_order.take(dealt[:half]))


def _rng_for(seed: int, attack: str, purpose: str) -> np.random.Generator:
    """Return randomness that depends on the run, the attack and the purpose, and on no other attack."""
    digest = hashlib.sha256(f"{attack}/{purpose}".encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])


def _weigh(
    entry: AttackEntry, scene: _Scene, tolerances: Tolerances, confidence: float, seed: int
) -> Iterable[_Finding]:
    attack = entry.load()
    rng = _rng_for(seed, entry.name, "attack")
    tables = scene.synthetic, scene.reference
    if isinstance(attack, CountingAttack):
        counted = attack.count(scene.members, scene.controls, *tables, names=scene.names, rng=rng)
        return _counted(entry, counted, confidence)
    if isinstance(attack, AttackFamily):
        variants = attack.scores(scene.targets, *tables, names=scene.names, rng=rng)
    else:
        variants = {"": attack.score(scene.targets, *tables, rng=rng)}
    return _scored(entry, scene, variants, tolerances, confidence, seed)


def _counted(entry: AttackEntry, counted: Sequence[Trials], confidence: float) -> Iterable[_Finding]:
    for trials in counted:
        for statistic in entry.statistics:
            yield _Finding(
                attack=entry.name,
                variant=trials.label,
                statistic=statistic,
                evidence=trial_evidence(statistic, trials, confidence=confidence),
                members=trials.member_trials,
                controls=trials.control_trials,
                weight=entry.weight / (len(counted) * len(entry.statistics)),
            )


def _scored(
    entry: AttackEntry,
    scene: _Scene,
    variants: dict[str, NDArray[np.float64]],
    tolerances: Tolerances,
    confidence: float,
    seed: int,
) -> Iterable[_Finding]:
    for variant, shuffled in variants.items():
        if not np.isfinite(shuffled).all():
            raise AttackFailed(f"attack '{entry.name}' gave a score that is not finite: its risk is unknown")
        members, controls = scene.dealt(shuffled)
        statistics = [one for one in entry.statistics if _can_decide(one, members.size, controls.size, tolerances)]
        for statistic in statistics:
            # The same coins for every variant: how variants are called or ordered then has no effect.
            rng = _rng_for(seed, entry.name, statistic.name)
            yield _Finding(
                attack=entry.name,
                variant=variant,
                statistic=statistic,
                evidence=score_evidence(
                    statistic, members, controls, tolerances=tolerances, confidence=confidence, rng=rng
                ),
                members=len(members),
                controls=len(controls),
                weight=entry.weight / (len(variants) * len(statistics)),
            )


def _can_decide(statistic: Statistic, members: int, controls: int, tolerances: Tolerances) -> bool:
    """Return whether enough rows are there for a hypothesis to be worth its share of the significance."""
    if statistic is not Statistic.TPR_AT_LOW_FPR:
        return True
    return min(members, controls) >= rows_to_decide(fpr=tolerances.low_fpr, tolerance=tolerances.low_tpr)


def _results(findings: Sequence[_Finding], tolerances: Tolerances, *, significance: float) -> tuple[AttackResult, ...]:
    weights = [finding.weight for finding in findings]
    adjusted = holm_adjusted([finding.evidence.p_value for finding in findings], weights)
    return tuple(
        AttackResult(
            attack=finding.attack,
            statistic=finding.statistic,
            interval=finding.evidence.interval,
            tolerance=tolerances.limit(finding.statistic),
            p_value=finding.evidence.p_value,
            adjusted_p_value=corrected,
            significance=significance,
            smallest_detectable=_smallest_detectable(finding, significance * finding.weight / sum(weights)),
            members=finding.members,
            controls=finding.controls,
            variant=finding.variant,
        )
        for finding, corrected in zip(findings, adjusted, strict=True)
    )


def _smallest_detectable(finding: _Finding, significance: float) -> float:
    members, controls, natural_rate = finding.members, finding.controls, finding.evidence.control_value
    match finding.statistic:
        case Statistic.AUC:
            return smallest_detectable_auc(members, controls, significance=significance)
        case Statistic.TPR_AT_FPR | Statistic.TPR_AT_LOW_FPR:
            # The threshold takes one half of the controls, the test compares with the other.
            return smallest_detectable_rate(
                members, controls - controls // 2, natural_rate=natural_rate, significance=significance
            )
    rate = smallest_detectable_rate(members, controls, natural_rate=natural_rate, significance=significance)
    if finding.statistic is Statistic.EXCESS_RISK:
        return (rate - natural_rate) / (1 - natural_rate) if natural_rate < 1 else 1.0
    return rate - natural_rate
