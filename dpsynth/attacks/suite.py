"""All attacks on one release, with one family of hypotheses and one reading per statistic.

Arrays in, results out: this module opens nothing and writes nothing. Attacks see targets in random order and without
labels. The excess of members over controls is the only evidence; an attack that is good at describing the population
scores both alike.

Privacy: results are computed from real records without noise. They are confidential and never leave the curator.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.attacked_release import AttackedRelease
from dpsynth.attacks.attempts import tried
from dpsynth.attacks.base import AnyAttack, MetaAttack, OnDeclaredColumns
from dpsynth.attacks.distance import remembered_distances
from dpsynth.attacks.findings import FailedAttack, SuiteFindings
from dpsynth.attacks.hypotheses import Hypothesis, judged
from dpsynth.attacks.pictures import distance_histograms, exposed_members, strongest_curves
from dpsynth.attacks.quasi_identifier_match import require_known_columns
from dpsynth.attacks.records import Records
from dpsynth.attacks.registry import ATTACKS, AttackEntry, attack_entry
from dpsynth.attacks.result import DEFAULT_TOLERANCES, AttackResult, Tolerances
from dpsynth.attacks.shown_steps import shown_steps
from dpsynth.attacks.strata import DeclaredGroup, require_different_labels
from dpsynth.errors import AttackFailed, InvalidInput

_Scores = NDArray[np.float64]


def run_suite(
    members: Records,
    controls: Records,
    synthetic: Records,
    reference: Records,
    *,
    rng: np.random.Generator,
    names: Sequence[str] | None = None,
    groups: Sequence[DeclaredGroup] = (),
    quasi_identifiers: Sequence[Sequence[str]] = (),
    secrets: Sequence[str] = (),
    attacks: Sequence[str] = tuple(ATTACKS),
    tolerances: Tolerances = DEFAULT_TOLERANCES,
    confidence: float = 0.95,
) -> tuple[AttackResult, ...]:
    """Return the results of `attack_release` alone, one per attack, variant, stratum and statistic.

    Raises:
        AttackFailed: an attack failed while it ran, so that results alone would say too little.
    """
    found = attack_release(
        members,
        controls,
        synthetic,
        reference,
        rng=rng,
        names=names,
        groups=groups,
        quasi_identifiers=quasi_identifiers,
        secrets=secrets,
        attacks=attacks,
        tolerances=tolerances,
        confidence=confidence,
        pictures=False,
    )
    if found.failed:
        raise AttackFailed(f"while it ran {', '.join(f'{one.attack} failed ({one.error})' for one in found.failed)}")
    return found.results


def attack_release(
    members: Records,
    controls: Records,
    synthetic: Records,
    reference: Records,
    *,
    rng: np.random.Generator,
    names: Sequence[str] | None = None,
    groups: Sequence[DeclaredGroup] = (),
    quasi_identifiers: Sequence[Sequence[str]] = (),
    secrets: Sequence[str] = (),
    attacks: Sequence[str] = tuple(ATTACKS),
    tolerances: Tolerances = DEFAULT_TOLERANCES,
    confidence: float = 0.95,
    pictures: bool = True,
) -> SuiteFindings:
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
        groups: people to be looked at on their own, by public values of one column.
        quasi_identifiers: groups of columns, by name, in which others may know people; each is matched on its own.
        secrets: columns, by name, whose values others are not to guess. A release has to be shown safe from guesses of
            these; guesses of other columns are looked at for alarms. Without any, every column is a secret.
        attacks: names in the registry; those that blend the scores of others run last.
        tolerances: limits for the readings.
        confidence: of each bound; one minus it is the significance of the whole suite.
        pictures: whether exposed rows, curves and distances are found too; no result depends on them.

    Raises:
        InvalidInput: for an unknown attack, tables of different columns, or names, groups, quasi-identifiers or secrets
            that do not fit them.
        MissingExtra: an attack needs a library that is not installed.

    An attack that fails while it runs, whatever it raises, is a finding and ends nothing: that it failed may depend on
    rows. Interrupts end the suite.
    """
    entries = [attack_entry(name) for name in attacks]
    names = tuple(f"column {place + 1}" for place in range(members.width)) if names is None else tuple(names)
    if len(names) != members.width or not all(group.fits(members.width) for group in groups):
        raise InvalidInput("the suite needs one name per column, and groups by columns that exist")
    require_different_labels(groups)
    require_known_columns(quasi_identifiers, names)
    require_known_columns([secrets] if secrets else [], names)
    with remembered_distances(), shown_steps("attacks", len(entries)) as step:
        tables = members, controls, synthetic, reference
        release = AttackedRelease.of(*tables, names, groups, rng, tolerances, confidence, tuple(secrets))
        hypotheses: list[Hypothesis] = []
        failed: dict[AttackEntry, FailedAttack] = {}
        rankings: dict[str, dict[str, _Scores]] = {}
        loaded = [(entry, _on_declared(entry.load(), quasi_identifiers)) for entry in entries]
        for entry, attack in sorted(loaded, key=lambda pair: isinstance(pair[1], MetaAttack)):
            try:
                hypotheses += tried(release, entry, attack, rankings)
            except Exception as fault:  # noqa: BLE001 - which it is, and what it says, may depend on rows
                failed[entry] = FailedAttack.of(entry.name, fault)
            step()
        # What failed keeps its part of the significance: which attacks are left may depend on rows as well.
        lost = sum(entry.weight for entry in failed)
        results, untested = judged(hypotheses, confidence=confidence, lost=lost)
        if not pictures:
            return SuiteFindings(
                results, release.sizes(), untested, failed=tuple(failed.values()), secrets=release.secrets
            )
        return SuiteFindings(
            results=results,
            strata=release.sizes(),
            untested=untested,
            exposed=exposed_members(release, rankings),
            curves=strongest_curves(release, rankings),
            distances=distance_histograms(release),
            failed=tuple(failed.values()),
            secrets=release.secrets,
        )


def _on_declared(attack: AnyAttack, quasi_identifiers: Sequence[Sequence[str]]) -> AnyAttack:
    return attack.on(quasi_identifiers) if isinstance(attack, OnDeclaredColumns) else attack
