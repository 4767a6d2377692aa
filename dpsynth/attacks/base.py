"""What an attack is: arrays in, one score per target out, and a threat model in words that can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.records import Records


class Goal(Enum):
    """What the attacker wants to learn about a target."""

    MEMBERSHIP = "whether the target was in the training table"


class Access(Enum):
    """What the attacker sees of the generator."""

    NO_BOX = "the released table only"
    """No queries, no weights, no knowledge of the configuration."""


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


class Attack(Protocol):
    """One attack. It never sees who is a member; turning scores into evidence is not its business."""

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
