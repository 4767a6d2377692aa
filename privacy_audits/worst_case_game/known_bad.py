"""Generators and doors that break their promise, with the finding that the game must make of each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.auditing.audit_record import AuditRecord
from dpsynth.auditing.generator_audit import audit_generator, due_pairs
from dpsynth.generators.registry import GENERATORS, generator
from privacy_audits.known_bad import (
    HandsOutRows,
    NoiseOnACopy,
    Spends,
    door_with_budget,
    noise_scaled,
    sensitivity_divided,
)

CLAIM = PrivacyBudget(1, "1e-2")
OF_MARGINALS = tuple(entry.name for entry in GENERATORS if entry.access == "MarginalQueries" and entry.name != "auto")
"""All that they ask are marginals and choices, so the likelihood ratio is of all that was answered."""

WHITE_BOX, BLACK_BOX = "the white-box game refutes the claim", "the black-box game refutes the claim"
NOISE = "times what is declared"


@dataclass(frozen=True)
class Twin:
    """A generator, or a door, that breaks its promise.

    Attributes:
        name: the mistake.
        generator: whose mistake it is.
        due: words of what must be found in it.
        damage: puts the mistake into a mechanism, if it is one's.
        damaged: makes of a generator one with the mistake, and the door that it needs, if the mistake is its own.
    """

    name: str
    generator: str
    due: tuple[str, ...]
    damage: Callable[[], AbstractContextManager[Any]] = nullcontext
    damaged: Callable[[Any], tuple[Any, Any]] = lambda maker: (maker, None)

    def audit(self, runs: int) -> AuditRecord:
        """Return what the game counts; it must not pass."""
        maker, door = self.damaged(generator(self.generator))
        with self.damage():
            return audit_generator(
                maker, CLAIM, runs=runs, rng=np.random.default_rng(), pairs=due_pairs()[:1], door=door
            )


def twins() -> tuple[Twin, ...]:
    """Return the twins of every generator that claims 1 and spends 5, and of one generator with other mistakes.

    A twin that spends more than it claims stands before a door that has as much, so it is also charged more than its
    claim. That is no finding of the game, and is not due.
    """
    return (
        *(Twin(f"{name} spends 5 and claims 1", name, (WHITE_BOX,), damaged=_spends(5)) for name in OF_MARGINALS),
        Twin("independent spends 50 and claims 1", "independent", (WHITE_BOX, BLACK_BOX), damaged=_spends(50)),
        Twin("half of the declared noise", "mst", (NOISE,), lambda: noise_scaled(Fraction(1, 2))),
        Twin("nine tenths of the declared noise", "mst", (NOISE,), lambda: noise_scaled(Fraction(9, 10))),
        # A thousandth of the standard deviation is rounded to nothing.
        Twin("noise removed", "independent", (NOISE, WHITE_BOX, BLACK_BOX), lambda: noise_scaled(Fraction(1, 1000))),
        Twin("sensitivity divided by 4", "all_marginals", (WHITE_BOX,), lambda: sensitivity_divided(4)),
        Twin("noise on a copy", "all_marginals", (BLACK_BOX,), damaged=lambda maker: (NoiseOnACopy(maker), None)),
        Twin("hands out the rows of the table", "independent", (BLACK_BOX,), damaged=_hands_out),
    )


def _spends(epsilon: int) -> Callable[[Any], tuple[Any, Any]]:
    spent = PrivacyBudget(epsilon, CLAIM.delta)
    return lambda maker: (Spends(maker, spent), door_with_budget(spent))


def _hands_out(maker: Any) -> tuple[Any, Any]:
    memory = HandsOutRows(maker)
    return memory, memory.door(CLAIM)
