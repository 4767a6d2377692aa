"""What an attack is: arrays in, scores or counts out, and a threat model in words that can be compared.

There are three kinds. An `Attack` gives one score per target, an `AttackFamily` gives several such scores at once, and
a `CountingAttack` makes trials against the members and the same trials against the controls.

None of them may depend on how a table happens to be written: not on the order of rows or columns, not on names, not on
the numbers of unordered codes, and not on columns that are constant in the synthetic and the reference table. Columns
and groups of columns are ordered and chosen by their content; names are for labels only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.records import Records
from dpsynth.errors import InvalidInput


class Goal(Enum):
    """What the attacker wants to learn about a target."""

    MEMBERSHIP = "whether the target was in the training table"
    ATTRIBUTE = "the value of one column of the target from the other columns"
    SINGLING_OUT = "a description that exactly one person of the training table fits"
    LINKABILITY = "that two parts of the target's record belong to the same person"


class Access(Enum):
    """What the attacker sees of the generator."""

    NO_BOX = "the released table only"
    """No queries, no weights, no knowledge of the configuration."""
    GENERATOR = "the released table, and the pipeline, to be run on rows of the attacker's own"
    """Configuration known, fits unlimited, on any rows but the protected ones."""


@dataclass(frozen=True, slots=True)
class ThreatModel:
    """Who attacks.

    Attributes:
        goal: what the attacker wants to learn.
        access: what the attacker sees of the generator.
        auxiliary: what else the attacker holds, in words.
    """

    goal: Goal
    access: Access
    auxiliary: str


@runtime_checkable
class Attack(Protocol):
    """One score per target. It never sees who is a member; turning scores into evidence is not its business."""

    def score(
        self, targets: Records, synthetic: Records, reference: Records, *, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Return one finite score per target, shape (targets,); higher means more likely a member.

        A score depends on its own target, the synthetic table and the reference, not on the other targets, not on the
        order of any rows and, given `rng`, on nothing else.

        Args:
            targets: rows whose membership is in question.
            synthetic: the released rows, possibly none.
            reference: rows of the same population that are neither members nor targets.
            rng: the only randomness.
        """


@runtime_checkable
class AttackFamily(Protocol):
    """Several variants of one attack, computed together: groups of columns, numbers of neighbours, secrets."""

    def scores(
        self,
        targets: Records,
        synthetic: Records,
        reference: Records,
        *,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> dict[str, NDArray[np.float64]]:
        """Return the finite scores of each variant, each of shape (targets,), by a short label made of public names.

        Every score obeys the rules of `Attack.score`. Attacks whose success needs no threshold return 1 for success and
        0 for failure. Which variants exist depends on the synthetic and the reference table only.

        Args:
            targets: rows that are attacked.
            synthetic: the released rows, possibly none.
            reference: rows of the same population that are neither members nor targets.
            names: the public name of each column; for labels only.
            rng: the only randomness.
        """


@runtime_checkable
class OnDeclaredColumns(Protocol):
    """An attack that takes groups of columns that the caller declares: quasi-identifiers, by which people are known."""

    def on(self, groups: Sequence[Sequence[str]]) -> AnyAttack:
        """Return the attack with these groups of columns, given by their public names."""


@dataclass(frozen=True, slots=True)
class Trials:
    """What the same attempts achieved against members and against controls.

    A person who is hit by several attempts should count once: the p-value takes trials for independent.

    Attributes:
        label: the variant, made of public names.
        member_successes: attempts that succeeded against the members.
        member_trials: attempts made against the members.
        control_successes: attempts that succeeded against the controls.
        control_trials: attempts made against the controls.

    Raises:
        InvalidInput: for negative counts, or more successes than trials.
    """

    label: str
    member_successes: int
    member_trials: int
    control_successes: int
    control_trials: int

    def __post_init__(self) -> None:
        """Refuse counts that contradict themselves."""
        if (
            not 0 <= self.member_successes <= self.member_trials
            or not 0 <= self.control_successes <= self.control_trials
        ):
            raise InvalidInput("trials need 0 <= successes <= trials")


@runtime_checkable
class CountingAttack(Protocol):
    """An attack on a table rather than on targets: its attempts succeed or fail against all rows together."""

    def count(
        self,
        members: Records,
        controls: Records,
        synthetic: Records,
        reference: Records,
        *,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> tuple[Trials, ...]:
        """Return the trials of each variant; swapping members and controls swaps the counts and does nothing else.

        Attempts are made from the synthetic and the reference table only; against tables of equal size, so of the
        larger one only a random part is used.

        Args:
            members: rows that the generator was trained on.
            controls: rows of the same population that it was not trained on.
            synthetic: the released rows, possibly none.
            reference: rows of the same population that are neither members nor controls.
            names: the public name of each column; for labels only.
            rng: the only randomness.
        """


@runtime_checkable
class MetaAttack(Protocol):
    """An attack on the scores of all others. It learns from some people who is a member and accuses other people."""

    def blend(
        self, features: NDArray[np.float64], is_member: NDArray[np.bool_], *, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Return one finite score per person, shape (people,), from a model that never saw that person's label.

        Args:
            features: scores of the other attacks, shape (people, scores); higher means more likely a member.
            is_member: shape (people,).
            rng: the only randomness.
        """


AnyAttack = Attack | AttackFamily | CountingAttack | MetaAttack
"""What an entry of the registry may load."""
