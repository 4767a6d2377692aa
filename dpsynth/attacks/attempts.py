"""One attack on one release: whom it asks, what it answers, and which hypotheses that makes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.attacked_release import AttackedRelease
from dpsynth.attacks.base import AnyAttack, Attack, AttackFamily, CountingAttack, Goal, MetaAttack
from dpsynth.attacks.hypotheses import Hypothesis, counted, enough_for_low_rates, hypothesis
from dpsynth.attacks.registry import AttackEntry
from dpsynth.attacks.result import EVERYONE, Duty, Statistic
from dpsynth.errors import AttackFailed

_PART_OF_A_STRATUM = 4
"""An attack on a part of the targets takes this fraction of that part from each further stratum."""

_Scores = NDArray[np.float64]
_Mask = NDArray[np.bool_]


def tried(
    release: AttackedRelease,
    entry: AttackEntry,
    attack: AnyAttack,
    rankings: dict[str, dict[str, _Scores]],
) -> list[Hypothesis]:
    """Return the hypotheses of an attack; scores that others may blend are added to `rankings`."""
    if isinstance(attack, CountingAttack):
        return _counted(release, entry, attack)
    asked = _asked(release, entry)
    variants = _scores(release, entry, attack, asked, rankings)
    found = _compared(release, entry, variants, asked)
    if Statistic.AUC in entry.statistics and variants and entry.most_targets is None:
        rankings[entry.name] = variants
    return found


def _asked(release: AttackedRelease, entry: AttackEntry) -> list[_Mask]:
    """Return whom the attack is tried on in each stratum; the targets are in random order, so the first will do.

    Declared secrets are guessed of everybody: where most guesses are right anyway, few people are left to tell.
    """
    if entry.most_targets is None or (release.secrets and entry.threat_model.goal is Goal.ATTRIBUTE):
        return [stratum.people for stratum in release.strata]
    chosen = []
    for place, stratum in enumerate(release.strata):
        most = entry.most_targets // (_PART_OF_A_STRATUM if place else 1)
        mask = np.zeros(len(release.targets), dtype=np.bool_)
        for side in (release.is_member, ~release.is_member):
            mask[np.flatnonzero(stratum.people & side)[:most]] = True
        chosen.append(mask)
    return chosen


def _scores(
    release: AttackedRelease,
    entry: AttackEntry,
    attack: Attack | AttackFamily | MetaAttack,
    asked: list[_Mask],
    rankings: dict[str, dict[str, _Scores]],
) -> dict[str, _Scores]:
    """Return the scores of all variants, each of shape (targets,); zero where nobody asked."""
    rng = release.rng_for(entry.name, "attack")
    if isinstance(attack, MetaAttack):
        features = [scores for variants in rankings.values() for scores in variants.values()]
        if not features:
            return {}
        variants = {"": attack.blend(np.stack(features, axis=1), release.is_member, rng=rng)}
        rows = np.arange(len(release.targets))
    else:
        rows = np.flatnonzero(np.any(asked, axis=0))
        targets = release.targets if len(rows) == len(release.targets) else release.targets.take(rows)
        if isinstance(attack, AttackFamily):
            variants = attack.scores(targets, release.synthetic, release.reference, names=release.names, rng=rng)
        else:
            variants = {"": attack.score(targets, release.synthetic, release.reference, rng=rng)}
    found = {}
    for variant, scores in variants.items():
        if scores.shape != rows.shape or not np.isfinite(scores).all():
            raise AttackFailed(f"attack '{entry.name}' gave a score that is not finite: its risk is unknown")
        found[variant] = np.zeros(len(release.targets))
        found[variant][rows] = scores
    return found


def _counted(release: AttackedRelease, entry: AttackEntry, attack: CountingAttack) -> list[Hypothesis]:
    """Return the hypotheses of an attack that makes trials."""
    trials = attack.count(
        release.members,
        release.controls,
        release.synthetic,
        release.reference,
        names=release.names,
        rng=release.rng_for(entry.name, "attack"),
    )
    return [
        counted(
            entry.name,
            one,
            statistic,
            limits=release.tolerances,
            weight=entry.weight / (len(trials) * len(entry.statistics)),
            confidence=release.confidence,
            duty=_duty(release, entry, Duty.ALWAYS, statistic, one.label),
        )
        for one in trials
        for statistic in entry.statistics
    ]


def _compared(
    release: AttackedRelease, entry: AttackEntry, variants: dict[str, _Scores], asked: list[_Mask]
) -> list[Hypothesis]:
    """Return the hypotheses of an attack that scores targets: every variant in every stratum."""
    found = []
    strata = [stratum for stratum in release.strata if stratum.label == EVERYONE or not entry.only_everyone]
    shares = sum(stratum.weight for stratum in strata)
    for stratum, mask in zip(strata, asked[: len(strata)], strict=True):
        members, controls = (np.flatnonzero(mask & side) for side in (release.is_member, ~release.is_member))
        limits = release.tolerances.widened(stratum.slack)
        statistics = [
            statistic
            for statistic in entry.statistics
            if statistic is not Statistic.TPR_AT_LOW_FPR or enough_for_low_rates(members.size, controls.size, limits)
        ]
        weight = entry.weight * stratum.weight / shares / max(len(variants) * len(statistics), 1)
        found += [
            hypothesis(
                entry.name,
                variant,
                statistic,
                stratum.label,
                scores[members],
                scores[controls],
                limits=limits,
                weight=weight,
                confidence=release.confidence,
                # The same coins for every variant: how variants are called or ordered then has no effect.
                rng=release.rng_for(entry.name, statistic.name),
                duty=_duty(release, entry, stratum.duty, statistic, variant),
            )
            for variant, scores in variants.items()
            for statistic in statistics
        ]
    return found


def _duty(release: AttackedRelease, entry: AttackEntry, duty: Duty, statistic: Statistic, variant: str) -> Duty:
    """Return whether a release has to be shown safe from one hypothesis, of people about whom `duty` is asked."""
    if entry.only_alarms or statistic is Statistic.TPR_AT_LOW_FPR:
        return Duty.NEVER
    if release.secrets and entry.threat_model.goal is Goal.ATTRIBUTE:
        declared = any(variant == secret or variant.startswith(f"{secret} from ") for secret in release.secrets)
        return duty if declared else Duty.NEVER
    return duty
