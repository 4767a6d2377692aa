"""All attacks on one release, with one family of hypotheses and one reading per statistic.

Arrays in, results out: this module opens nothing and writes nothing. Attacks see targets in random order and without
labels. The excess of members over controls is the only evidence; an attack that is good at describing the population
scores both alike.

Privacy: results are computed from real records without noise. They are confidential and never leave the curator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.base import AnyAttack, Attack, AttackFamily, CountingAttack, MetaAttack, OnDeclaredColumns
from dpsynth.attacks.canonical_form import canonical_form
from dpsynth.attacks.distance import nearest_distances, remembered_distances
from dpsynth.attacks.exposed_rows import ExposedRows, exposed_rows
from dpsynth.attacks.findings import DistanceHistogram, FailedAttack, RocCurve, StratumSize, SuiteFindings
from dpsynth.attacks.hypotheses import Hypothesis, counted, enough_for_low_rates, hypothesis, judged, strongest
from dpsynth.attacks.quasi_identifier_match import require_known_columns
from dpsynth.attacks.records import Records
from dpsynth.attacks.registry import ATTACKS, AttackEntry, attack_entry
from dpsynth.attacks.result import DEFAULT_TOLERANCES, AttackResult, Statistic, Tolerances
from dpsynth.attacks.shown_steps import shown_steps
from dpsynth.attacks.strata import DeclaredGroup, Stratum, require_different_labels, strata_of
from dpsynth.errors import AttackFailed, InvalidInput

SMALLEST_REFERENCE = 100
"""With fewer reference rows than this, half of the controls join the reference."""

EXPOSURE_SCORE = "nearest-neighbour-ratio"
"""The attack whose score lists exposed rows, chosen before any row is seen."""

_PART_OF_A_STRATUM = 4
"""An attack on a part of the targets takes this fraction of that part from each further stratum."""

_Scores = NDArray[np.float64]
_Mask = NDArray[np.bool_]


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
        attacks: names in the registry; those that blend the scores of others run last.
        tolerances: limits for the readings.
        confidence: of each bound; one minus it is the significance of the whole suite.
        pictures: whether exposed rows, curves and distances are found too; no result depends on them.

    Raises:
        InvalidInput: for an unknown attack, tables of different columns, or names, groups or quasi-identifiers that do
            not fit them.
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
    with remembered_distances(), shown_steps("attacks", len(entries)) as step:
        suite = _Suite.of(members, controls, synthetic, reference, names, groups, rng, tolerances, confidence)
        hypotheses: list[Hypothesis] = []
        failed: dict[AttackEntry, FailedAttack] = {}
        rankings: dict[str, dict[str, _Scores]] = {}
        loaded = [(entry, _on_declared(entry.load(), quasi_identifiers)) for entry in entries]
        for entry, attack in sorted(loaded, key=lambda pair: isinstance(pair[1], MetaAttack)):
            try:
                hypotheses += suite.tried(entry, attack, rankings)
            except Exception as fault:  # noqa: BLE001 - which it is, and what it says, may depend on rows
                failed[entry] = FailedAttack.of(entry.name, fault)
            step()
        # What failed keeps its part of the significance: which attacks are left may depend on rows as well.
        lost = sum(entry.weight for entry in failed)
        results, untested = judged(hypotheses, confidence=confidence, lost=lost)
        if not pictures:
            return SuiteFindings(results, suite.sizes(), untested, failed=tuple(failed.values()))
        return SuiteFindings(
            results=results,
            strata=suite.sizes(),
            untested=untested,
            exposed=suite.exposed(rankings),
            curves=suite.curves(rankings),
            distances=suite.distances(),
            failed=tuple(failed.values()),
        )


@dataclass(frozen=True, slots=True)
class _Suite:
    """One release and the people in question, in an order that depends on what their rows hold and on nothing else."""

    members: Records
    controls: Records
    synthetic: Records
    reference: Records
    names: tuple[str, ...]
    targets: Records
    """Members and controls, in random order."""
    people: NDArray[np.intp]
    """Which person each target is: first the members, then the controls."""
    strata: tuple[Stratum, ...]
    """Over the targets."""
    seed: int
    tolerances: Tolerances
    confidence: float

    @classmethod
    def of(
        cls,
        members: Records,
        controls: Records,
        synthetic: Records,
        reference: Records,
        names: tuple[str, ...],
        groups: Sequence[DeclaredGroup],
        rng: np.random.Generator,
        tolerances: Tolerances,
        confidence: float,
    ) -> _Suite:
        split_rng, order_rng, seed_rng = rng.spawn(3)
        everybody = members.followed_by(controls)
        form = canonical_form(synthetic, everybody.followed_by(reference)).of(everybody)
        content = np.zeros((len(everybody), 1)) if form is None else form.values
        is_control = np.arange(len(everybody)) >= len(members)
        if len(reference) < SMALLEST_REFERENCE:
            placed = _by_content(content[is_control])
            dealt = split_rng.permutation(len(controls))
            kept, joining = np.sort(placed[dealt[len(controls) // 2 :]]), placed[dealt[: len(controls) // 2]]
            reference = reference.followed_by(controls.take(joining))
            controls = controls.take(kept)
            left = np.concatenate([np.arange(len(members)), len(members) + kept])
            everybody, content, is_control = everybody.take(left), content[left], is_control[left]
        # Ties are rows that nothing tells apart; who is a member decides between them, and no score can see it.
        people = _by_content(np.column_stack([content, is_control]))[order_rng.permutation(len(everybody))]
        targets = everybody.take(people)
        masks = {group.label: group.members_among(targets) for group in groups}
        return cls(
            members=members,
            controls=controls,
            synthetic=synthetic,
            reference=reference,
            names=names,
            targets=targets,
            people=people,
            strata=strata_of(targets, reference, MappingProxyType(masks)),
            seed=int(seed_rng.integers(2**63)),
            tolerances=tolerances,
            confidence=confidence,
        )

    @property
    def is_member(self) -> _Mask:
        return self.people < len(self.members)

    def rng_for(self, attack: str, purpose: str) -> np.random.Generator:
        """Return randomness that depends on the run, the attack and the purpose, and on no other attack."""
        digest = hashlib.sha256(f"{attack}/{purpose}".encode()).digest()
        return np.random.default_rng([self.seed, int.from_bytes(digest[:8], "big")])

    def asked(self, entry: AttackEntry) -> list[_Mask]:
        """Return whom the attack is tried on in each stratum; the targets are in random order, so the first will do."""
        if entry.most_targets is None:
            return [stratum.people for stratum in self.strata]
        chosen = []
        for place, stratum in enumerate(self.strata):
            most = entry.most_targets // (_PART_OF_A_STRATUM if place else 1)
            mask = np.zeros(len(self.targets), dtype=np.bool_)
            for side in (self.is_member, ~self.is_member):
                mask[np.flatnonzero(stratum.people & side)[:most]] = True
            chosen.append(mask)
        return chosen

    def tried(
        self,
        entry: AttackEntry,
        attack: AnyAttack,
        rankings: dict[str, dict[str, _Scores]],
    ) -> list[Hypothesis]:
        """Return the hypotheses of an attack; scores that others may blend are added to `rankings`."""
        if isinstance(attack, CountingAttack):
            return self.counted(entry, attack)
        asked = self.asked(entry)
        variants = self.scores(entry, attack, asked, rankings)
        found = self.compared(entry, variants, asked)
        if Statistic.AUC in entry.statistics and variants and entry.most_targets is None:
            rankings[entry.name] = variants
        return found

    def scores(
        self,
        entry: AttackEntry,
        attack: Attack | AttackFamily | MetaAttack,
        asked: list[_Mask],
        rankings: dict[str, dict[str, _Scores]],
    ) -> dict[str, _Scores]:
        """Return the scores of all variants, each of shape (targets,); zero where nobody asked."""
        rng = self.rng_for(entry.name, "attack")
        if isinstance(attack, MetaAttack):
            features = [scores for variants in rankings.values() for scores in variants.values()]
            if not features:
                return {}
            variants = {"": attack.blend(np.stack(features, axis=1), self.is_member, rng=rng)}
            rows = np.arange(len(self.targets))
        else:
            rows = np.flatnonzero(np.any(asked, axis=0))
            targets = self.targets if len(rows) == len(self.targets) else self.targets.take(rows)
            if isinstance(attack, AttackFamily):
                variants = attack.scores(targets, self.synthetic, self.reference, names=self.names, rng=rng)
            else:
                variants = {"": attack.score(targets, self.synthetic, self.reference, rng=rng)}
        found = {}
        for variant, scores in variants.items():
            if scores.shape != rows.shape or not np.isfinite(scores).all():
                raise AttackFailed(f"attack '{entry.name}' gave a score that is not finite: its risk is unknown")
            found[variant] = np.zeros(len(self.targets))
            found[variant][rows] = scores
        return found

    def counted(self, entry: AttackEntry, attack: CountingAttack) -> list[Hypothesis]:
        """Return the hypotheses of an attack that makes trials."""
        trials = attack.count(
            self.members,
            self.controls,
            self.synthetic,
            self.reference,
            names=self.names,
            rng=self.rng_for(entry.name, "attack"),
        )
        return [
            counted(
                entry.name,
                one,
                statistic,
                limits=self.tolerances,
                weight=entry.weight / (len(trials) * len(entry.statistics)),
                confidence=self.confidence,
            )
            for one in trials
            for statistic in entry.statistics
        ]

    def compared(self, entry: AttackEntry, variants: dict[str, _Scores], asked: list[_Mask]) -> list[Hypothesis]:
        """Return the hypotheses of an attack that scores targets: every variant in every stratum."""
        found = []
        shares = sum(stratum.weight for stratum in self.strata)
        for stratum, mask in zip(self.strata, asked, strict=True):
            members, controls = np.flatnonzero(mask & self.is_member), np.flatnonzero(mask & ~self.is_member)
            limits = self.tolerances.widened(stratum.slack)
            statistics = [
                statistic
                for statistic in entry.statistics
                if statistic is not Statistic.TPR_AT_LOW_FPR
                or enough_for_low_rates(members.size, controls.size, limits)
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
                    confidence=self.confidence,
                    # The same coins for every variant: how variants are called or ordered then has no effect.
                    rng=self.rng_for(entry.name, statistic.name),
                )
                for variant, scores in variants.items()
                for statistic in statistics
            ]
        return found

    def sizes(self) -> tuple[StratumSize, ...]:
        """Return how many people each stratum has."""
        return tuple(
            StratumSize(
                stratum.label,
                int((stratum.people & self.is_member).sum()),
                int((stratum.people & ~self.is_member).sum()),
                stratum.slack,
            )
            for stratum in self.strata
        )

    def exposed(self, rankings: dict[str, dict[str, _Scores]]) -> ExposedRows:
        """Return the members that the release gives away, by their place in the table of members."""
        scores = rankings.get(EXPOSURE_SCORE, {}).get("", np.zeros(len(self.targets)))
        members, controls = self._sides(scores)
        return exposed_rows(EXPOSURE_SCORE, members, controls)

    def curves(self, rankings: dict[str, dict[str, _Scores]]) -> tuple[RocCurve, ...]:
        """Return the curve of the strongest variant of each attack that ranks targets."""
        curves = []
        for attack, variants in rankings.items():
            sides = {variant: self._sides(scores) for variant, scores in variants.items()}
            best = strongest(sides)
            curves.append(RocCurve.of(attack, best, *sides[best]))
        return tuple(curves)

    def distances(self) -> tuple[DistanceHistogram, ...]:
        """Return how far members and controls are from the released and from the reference table."""
        return tuple(
            DistanceHistogram.of(to, *self._sides(nearest_distances(self.targets, table)[:, 0]))
            for to, table in (("released", self.synthetic), ("reference", self.reference))
        )

    def _sides(self, scores: _Scores) -> tuple[_Scores, _Scores]:
        """Return the scores of the members and of the controls, in the order of their tables."""
        placed = np.empty(len(scores))
        placed[self.people] = scores
        return placed[: len(self.members)], placed[len(self.members) :]


def _on_declared(attack: AnyAttack, quasi_identifiers: Sequence[Sequence[str]]) -> AnyAttack:
    return attack.on(quasi_identifiers) if isinstance(attack, OnDeclaredColumns) else attack


def _by_content(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the positions of the rows in lexicographic order."""
    order: NDArray[np.intp] = np.lexsort(values.T[::-1])
    return order
