"""Noisy counts of units that a synthetic table matches, members against controls; they leave only through the gate.

A unit is in training or held back, and its nearest row of the synthetic table is equal, near or neither: one of six
cells. So one unit moves one of six counts by one. Distances are sums of whole numbers, row by row, by a rule that is
public before the rows are looked at. `docs/design/record_gate.md` proves the sensitivity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.events import DpEvent
from dpsynth.curator._sealed import Private, unseal
from dpsynth.curator.gate import BoundedQuery, Gate
from dpsynth.curator.near_rows import Places, nearest, nearest_within
from dpsynth.curator.rows import PrivateRows
from dpsynth.curator.vote_queries import VoteSession
from dpsynth.errors import InvalidInput
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.rounded_gaussian import RoundedGaussianMechanism
from dpsynth.schema.domain import Domain

RECORD_GATE = "record gate"
"""The purpose for which every life of a release may ask, one of them and once."""

MATCH_SENSITIVITY = Sensitivity(l1=1, squared_l2=1, linf=1)
"""How far one unit, with all its rows, moves the six counts."""

_KINDS = 3
_LARGEST_TOTAL = 2**30


@dataclass(frozen=True, slots=True, eq=False)
class MatchQuestion:
    """What counts as a match: public, and fixed before the rows are asked.

    The distance of two rows is the sum over columns of `min(|place - place|, reach)`.

    Attributes:
        table: codes of the synthetic table, shape (rows, columns).
        places: for each column the place of every code on a public scale of whole numbers, shape (codes,).
        reach: the difference at which two cells are as different as can be.
        near: the largest distance that counts as near; 0 is equal.

    Raises:
        InvalidInput: the parts do not fit together, or are no whole numbers.
    """

    table: NDArray[np.int32]
    places: Sequence[NDArray[np.int32]]
    reach: int
    near: int

    def __post_init__(self) -> None:
        """Take plain copies, so that nothing of the asker's runs on rows."""
        table = np.array(self.table, dtype=np.int32, subok=False)
        places = tuple(np.array(place, dtype=np.int32, subok=False) for place in self.places)
        reach, near = int(self.reach), int(self.near)
        if table.ndim != 2 or table.shape[1] != len(places) or not 0 < reach * len(places) < _LARGEST_TOTAL or near < 0:
            raise InvalidInput("a question about matches needs a table, and places for each of its columns")
        for column, place in zip(table.T, places, strict=True):
            if place.ndim != 1 or np.abs(place).max(initial=0) >= _LARGEST_TOTAL:
                raise InvalidInput("places of codes must be whole numbers below 2**30")
            if column.size and not 0 <= column.min() <= column.max() < len(place):
                raise InvalidInput("the table of a question about matches holds a code that has no place")
        for name, value in (("table", table), ("places", places), ("reach", reach), ("near", near)):
            object.__setattr__(self, name, value)

    def distances(self, codes: Sequence[NDArray[np.integer]], *, skip_equal_index: bool = False) -> NDArray[np.int64]:
        """Return the distance of each row of `codes`, one array per column, to the nearest row of the table.

        With `skip_equal_index` row i is not compared with row i of the table: how near the table's own rows are to one
        another. Without rows to compare with it is the largest distance that there is.
        """
        rows, others = self._placed(codes)
        return nearest(rows, others, self.reach, skip_equal_index=skip_equal_index)

    def kinds(self, codes: Sequence[NDArray[np.integer]]) -> NDArray[np.intp]:
        """Return for each row of `codes` 0 if the table has an equal row, 1 if a near one, else 2, shape (rows,)."""
        rows, others = self._placed(codes)
        distances = nearest_within(rows, others, self.places, self.reach, self.near)
        return np.where(distances == 0, 0, np.where(distances <= self.near, 1, 2))

    def _placed(self, codes: Sequence[NDArray[np.integer]]) -> tuple[Places, Places]:
        """Return the places of rows and of the table."""
        rows = [place[column] for place, column in zip(self.places, codes, strict=True)]
        return rows, [place[column] for place, column in zip(self.places, self.table.T, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class NoisyMatches:
    """How many units the table matches, with noise: public.

    Attributes:
        members: noisy numbers of units in training with an equal row, with a near one and with neither, shape (3,).
        controls: the same of units that were held back.
        stddev: standard deviation of the noise of each.
        event: what all six cost together.
    """

    members: NDArray[np.int64]
    controls: NDArray[np.int64]
    stddev: float
    event: DpEvent


class MatchSession(VoteSession, Protocol):
    """Questions about marginals, to teachers, and about matches."""

    def matches(self, question: MatchQuestion, mu_squared: Fraction) -> NoisyMatches:
        """Return how many members and controls the table of `question` matches, with rounded Gaussian noise.

        Raises:
            BudgetExceeded: when `mu_squared` is more than what remains; nothing is asked then.

        Privacy: at most `mu_squared`; one unit moves one of the six counts by one, however many rows it has.
        """


class MatchCounter:
    """Matches of sealed rows, canaries left out."""

    __slots__ = ("_domain", "_planted", "_rows")

    def __init__(self, rows: Private[PrivateRows], domain: Domain, planted: int) -> None:
        """Count over `rows`, whose last `planted` training rows are public."""
        self._rows = rows
        self._domain = domain
        self._planted = planted

    def query(self, question: MatchQuestion) -> BoundedQuery[NDArray[np.int64]]:
        """Return the six sealed counts, members first, with their sensitivity.

        Raises:
            InvalidInput: the question is about another domain.
        """
        if tuple(place.size for place in question.places) != self._domain.sizes:
            raise InvalidInput("a question about matches must have a place for every code of the domain")
        rows = unseal(self._rows)
        length = len(rows.training[0]) - self._planted if rows.training else 0
        owners = None if rows.owners is None else rows.owners[:length]
        members = _kinds(question, [column[:length] for column in rows.training], owners)
        controls = _kinds(question, list(rows.control.T), rows.control_owners)
        return BoundedQuery(Private(np.concatenate([members, controls])), MATCH_SENSITIVITY)


def _kinds(
    question: MatchQuestion, codes: Sequence[NDArray[np.integer]], owners: NDArray[np.intp] | None
) -> NDArray[np.int64]:
    """Return how many units have an equal row, a near one, or neither, shape (3,); the best of a unit's rows counts."""
    kinds = question.kinds(codes)
    if owners is not None:
        _, unit = np.unique(owners, return_inverse=True)
        best = np.full(int(unit.max(initial=-1)) + 1, _KINDS - 1)
        np.minimum.at(best, unit, kinds)
        kinds = best
    return np.bincount(kinds, minlength=_KINDS).astype(np.int64)


def count_matches(counter: MatchCounter, gate: Gate, question: MatchQuestion, mu_squared: Fraction) -> NoisyMatches:
    """Return the noisy matches; see `MatchSession.matches`.

    Privacy: mu-GDP, mu squared at most `mu_squared`, under add/remove of one unit; L2 sensitivity one for all six.
    Source: docs/design/record_gate.md.
    """
    query = counter.query(question)
    mechanism = RoundedGaussianMechanism.for_mu_squared(mu_squared, query.sensitivity)
    counts = gate.release(mechanism, query, purpose="matches of members and controls")
    return NoisyMatches(counts[:_KINDS], counts[_KINDS:], mechanism.stddev, mechanism.event(query.sensitivity))
