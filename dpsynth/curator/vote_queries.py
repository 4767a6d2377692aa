"""The narrow protocol through which a generator has samples judged by teachers that it never holds: noisy votes.

A teacher is a classifier that has its own part of the rows. It says of a generated sample whether it looks more like
these rows than generated samples do on average. What teachers go by is public, a table for each column that says how
much alike two codes are; only whose rows they compare with is private. `dpsynth.curator.votes` counts the votes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import DpEvent
from dpsynth.curator.queries import MarginalSession
from dpsynth.errors import InvalidInput
from dpsynth.schema.domain import Domain
from dpsynth.schema.schema import Schema

LARGEST_LIKENESS = 1 << 10
MOST_COLUMNS = 1 << 10
MOST_TEACHERS = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Teaching:
    """What all teachers have in common, and how many they are; all of it is public.

    Two records x and r are alike by the sum, over pairs of columns a < b, of likeness[a][x_a, r_a] times
    likeness[b][x_b, r_b]: a teacher sees which pairs of values go together.

    Attributes:
        teachers: how many parts the units are dealt into.
        groups: for every column the group of each code, integer array (size,).
        likeness: for every column how much alike two groups are, integer array (groups, groups), within 1,024 of 0.

    Raises:
        InvalidInput: the arrays do not fit together, or numbers are too large.
    """

    teachers: int
    groups: tuple[NDArray[np.int64], ...]
    likeness: tuple[NDArray[np.int64], ...]

    def __post_init__(self) -> None:
        """Keep plain copies, whatever kind of array was given: nothing of the caller's runs when they are used."""
        groups = tuple(np.array(part, dtype=np.int64, subok=False) for part in self.groups)
        likeness = tuple(np.array(table, dtype=np.int64, subok=False) for table in self.likeness)
        if isinstance(self.teachers, bool) or not isinstance(self.teachers, int):
            raise InvalidInput("the number of teachers must be a whole number")
        if not 1 <= self.teachers <= MOST_TEACHERS or not 0 < len(groups) == len(likeness) <= MOST_COLUMNS:
            raise InvalidInput(
                "there must be 1 to 2**20 teachers, and groups and likeness for each of 1 to 2**10 columns"
            )
        for part, table in zip(groups, likeness, strict=True):
            if part.ndim != 1 or part.size == 0 or part.min() < 0 or table.shape != (part.max() + 1, part.max() + 1):
                raise InvalidInput("every column needs a group for each code, and likeness of each group to each")
            if np.abs(table).max() > LARGEST_LIKENESS:
                raise InvalidInput(f"likeness must be within {LARGEST_LIKENESS} of 0")
        object.__setattr__(self, "teachers", int(self.teachers))
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "likeness", likeness)

    def grouped(self, codes: NDArray[np.integer]) -> tuple[NDArray[np.int64], ...]:
        """Return the groups of `codes`, shape (rows, columns), column by column."""
        plain = np.array(codes, dtype=np.int64, subok=False)
        if plain.ndim != 2 or plain.shape[1] != len(self.groups):
            raise InvalidInput(f"records need one code for each of {len(self.groups)} columns")
        if any(((column < 0) | (column >= len(part))).any() for column, part in zip(plain.T, self.groups, strict=True)):
            raise InvalidInput("records hold codes that are not in the domain")
        return tuple(part[column] for column, part in zip(plain.T, self.groups, strict=True))

    def alike(self, samples: Sequence[NDArray[np.int64]], rows: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        """Return how much alike samples and rows are, both given by groups; shape (samples, rows), exact."""
        shape = (len(samples[0]), len(rows[0]))
        single, pairs = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.int64)
        for table, sample, row in zip(self.likeness, samples, rows, strict=True):
            here = np.take(table[sample].astype(np.int32), row, axis=1)
            pairs += single * here  # at most 2**30: MOST_COLUMNS and LARGEST_LIKENESS see to that
            single += here
        return pairs


@dataclass(frozen=True, slots=True, eq=False)
class NoisyVotes:
    """How many teachers took each sample for real, with integer noise: public.

    Attributes:
        counts: noisy number of votes for each sample, integer array (samples,).
        teachers: how many voted.
        stddev: standard deviation of the noise, in votes.
        event: what it cost.
    """

    counts: NDArray[np.int64]
    teachers: int
    stddev: float
    event: DpEvent


class VoteSession(MarginalSession, Protocol):
    """Questions to teachers, and about marginals, inside one reserved allowance of squared mu."""

    def votes(
        self,
        teaching: Teaching,
        samples: NDArray[np.integer],
        generated: NDArray[np.integer],
        mu_squared: Fraction,
    ) -> NoisyVotes:
        """Return how many teachers take each of `samples` for real.

        A teacher says that a sample is real if the rows of his units are more like it, on average, than `generated`
        are. One who cannot tell, or has no rows, says it of every second sample.

        Args:
            teaching: what teachers go by; in one session there is one number of teachers, and units are dealt out once.
            samples: generated records to be judged, codes of shape (samples, columns).
            generated: generated records that they are compared with, codes of shape (records, columns).
            mu_squared: what all these labels together may cost.

        Raises:
            BudgetExceeded: when `mu_squared` is more than what remains; nothing is asked then.
            InvalidInput: arrays do not fit the domain, or there was another number of teachers before.

        Privacy: at most `mu_squared`. One unit moves one teacher, so every count by at most 1, whatever the number of
            its rows; the L2 norm of all counts moves by at most the square root of their number.
        """


class VoteQueries(Protocol):
    """Access to noisy votes of teachers and to noisy marginals, and to nothing else."""

    @property
    def schema(self) -> Schema:
        """What is publicly known."""

    @property
    def domain(self) -> Domain:
        """Names and sizes of the columns after discretisation."""

    def within(self, budget: PrivacyBudget, *, purpose: str) -> AbstractContextManager[VoteSession]:
        """Reserve `budget` in the ledger, open the data, and answer questions until the context ends.

        Raises and privacy are those of `MarginalQueries.within`.
        """
