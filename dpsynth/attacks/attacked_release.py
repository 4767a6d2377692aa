"""One release and everybody whose membership is in question, in an order that gives nobody away.

Attacks see people in an order that depends on what their rows hold and on nothing else, so that neither the order of a
file nor the dice of the suite can tell members from controls.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.canonical_form import canonical_form
from dpsynth.attacks.findings import StratumSize
from dpsynth.attacks.records import Records
from dpsynth.attacks.result import Tolerances
from dpsynth.attacks.strata import DeclaredGroup, Stratum, strata_of

SMALLEST_REFERENCE = 100
"""With fewer reference rows than this, half of the controls join the reference."""

_Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class AttackedRelease:
    """The tables of one audit, and what all attacks on them share.

    Attributes:
        members: rows that the generator was trained on.
        controls: rows that it was not trained on, without those that joined the reference.
        synthetic: the released rows.
        reference: rows of the same population that are neither.
        names: the public name of each column.
        targets: members and controls, in random order.
        people: which person each target is, shape (targets,): first the members, then the controls.
        strata: over the targets.
        seed: of all randomness.
        tolerances: limits for the readings.
        confidence: of each bound.
        secrets: names of the columns of which a release has to be shown safe from guesses; all if none is named.
    """

    members: Records
    controls: Records
    synthetic: Records
    reference: Records
    names: tuple[str, ...]
    targets: Records
    people: NDArray[np.intp]
    strata: tuple[Stratum, ...]
    seed: int
    tolerances: Tolerances
    confidence: float
    secrets: tuple[str, ...] = ()

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
        secrets: tuple[str, ...] = (),
    ) -> AttackedRelease:
        """Put people into order, and let half of the controls join a reference that is too small."""
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
            secrets=secrets,
        )

    @property
    def is_member(self) -> NDArray[np.bool_]:
        """Which targets are members, shape (targets,)."""
        return self.people < len(self.members)

    def rng_for(self, attack: str, purpose: str) -> np.random.Generator:
        """Return randomness that depends on the run, the attack and the purpose, and on no other attack."""
        digest = hashlib.sha256(f"{attack}/{purpose}".encode()).digest()
        return np.random.default_rng([self.seed, int.from_bytes(digest[:8], "big")])

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

    def sides(self, scores: _Scores) -> tuple[_Scores, _Scores]:
        """Return the scores of the members and of the controls, in the order of their tables."""
        placed = np.empty(len(scores))
        placed[self.people] = scores
        return placed[: len(self.members)], placed[len(self.members) :]


def _by_content(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the positions of the rows in lexicographic order."""
    order: NDArray[np.intp] = np.lexsort(values.T[::-1])
    return order
