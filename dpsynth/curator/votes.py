"""Noisy votes: units are dealt out to teachers, their votes are counted here and leave only through the gate.

All arithmetic on rows is on whole numbers, so the votes of a teacher are a function of the rows of his units alone, to
the last bit. `docs/design/votes.md` proves the sensitivity.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator._sealed import Private, unseal
from dpsynth.curator.gate import BoundedQuery, Gate
from dpsynth.curator.rows import PrivateRows
from dpsynth.curator.vote_queries import NoisyVotes, Teaching
from dpsynth.errors import InvalidInput
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.rounded_gaussian import RoundedGaussianMechanism
from dpsynth.progress import phase
from dpsynth.randomness import NoiseSource
from dpsynth.schema.domain import Domain

_KEY_BYTES = 32
_NUMBERS_AT_ONCE = 2_000_000
_MOST_VOTES = 50_000_000


def vote_sensitivity(samples: int) -> Sensitivity:
    """Return how far one unit moves the counts of votes on so many samples: at most each by 1."""
    return Sensitivity(l1=samples, squared_l2=samples, linf=1)


def teacher_of(unit: int, teachers: int, key: bytes) -> int:
    """Return the teacher of a unit: a keyed hash of its number, uniform up to 2**-108."""
    digest = hashlib.blake2b(unit.to_bytes(8, "little"), key=key, digest_size=16).digest()
    return int.from_bytes(digest, "little") % teachers


class Teachers:
    """Teachers with disjoint parts of the units, dealt out once for all questions; exists behind the door only."""

    __slots__ = ("_codes", "_present", "_starts", "count")

    def __init__(self, rows: PrivateRows, count: int, key: bytes) -> None:
        """Give every unit, with all its rows, to the teacher that a hash of its number under `key` names."""
        owners = np.arange(len(rows.training[0])) if rows.owners is None else rows.owners
        units, unit_of_row = np.unique(owners, return_inverse=True)
        teacher = np.array([teacher_of(unit, count, key) for unit in units.tolist()], dtype=np.intp)[unit_of_row]
        order = np.argsort(teacher, kind="stable")
        self._codes = tuple(column[order] for column in rows.training)
        self._present, self._starts = np.unique(teacher[order], return_index=True)
        self.count = count

    def votes(
        self, teaching: Teaching, samples: NDArray[np.integer], generated: NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        """Return who takes which sample for real, shape (samples, teachers); see `VoteSession.votes`."""
        asked, others = teaching.grouped(samples), teaching.grouped(generated)
        rows = tuple(part[codes] for part, codes in zip(teaching.groups, self._codes, strict=True))
        votes: NDArray[np.bool_] = np.add.outer(np.arange(len(samples)), np.arange(self.count)) % 2 == 0
        at_once = max(1, _NUMBERS_AT_ONCE // max(len(rows[0]), len(generated)))
        for start in range(0, len(samples), at_once):
            here = slice(start, start + at_once)
            some = tuple(column[here] for column in asked)
            usual = np.rint(teaching.alike(some, others).mean(axis=1)).astype(np.int64)
            if len(self._present):
                above = teaching.alike(some, rows) - usual[:, None]
                scores = np.add.reduceat(above, self._starts, axis=1)
                votes[here, self._present] = np.where(scores == 0, votes[here, self._present], scores > 0)
        return votes


class Classroom:
    """The teachers of one session, sealed, with the secret by which units are dealt out to them."""

    __slots__ = ("_domain", "_noise", "_rows", "_teachers")

    def __init__(self, rows: Private[PrivateRows], domain: Domain, noise: NoiseSource) -> None:
        """Wait with the dealing until the first question says how many teachers there are."""
        self._rows = rows
        self._domain = domain
        self._noise = noise
        self._teachers: Private[Teachers] | None = None

    def query(
        self, teaching: Teaching, samples: NDArray[np.integer], generated: NDArray[np.integer]
    ) -> BoundedQuery[NDArray[np.int64]]:
        """Return the sealed number of votes for each sample, with its sensitivity.

        Raises:
            InvalidInput: arrays do not fit the domain, or there was another number of teachers before.
        """
        if not 1 <= len(samples) <= _MOST_VOTES // teaching.teachers or not len(generated):
            raise InvalidInput(f"votes need samples, at most {_MOST_VOTES // teaching.teachers:,}, and other records")
        if tuple(part.size for part in teaching.groups) != self._domain.sizes:
            raise InvalidInput("the groups of a teaching must be those of all codes of the domain")
        if self._teachers is None:
            self._teachers = Private(
                Teachers(unseal(self._rows), teaching.teachers, self._noise.random_bytes(_KEY_BYTES))
            )
        teachers = unseal(self._teachers)
        if teachers.count != teaching.teachers:
            raise InvalidInput(f"units were dealt out to {teachers.count} teachers, and stay with them")
        counts = teachers.votes(teaching, samples, generated).sum(axis=1, dtype=np.int64)
        return BoundedQuery(Private(counts), vote_sensitivity(len(samples)))


def count_votes(
    classroom: Classroom,
    gate: Gate,
    teaching: Teaching,
    samples: NDArray[np.integer],
    generated: NDArray[np.integer],
    mu_squared: Fraction,
) -> NoisyVotes:
    """Return how many teachers take each sample for real, with rounded Gaussian noise; see `VoteSession.votes`.

    Privacy: mu-GDP, mu squared at most `mu_squared`, under add/remove of one unit; squared L2 sensitivity one for each
    sample. The bound does not depend on how teachers vote.
    Source: Papernot et al. 2018, "Scalable private learning with PATE", section 4 (GNMax), data-independent.
    """
    # Plain copies of everything that a generator gave; none of its own code runs from here on.
    plain = Teaching(teaching.teachers, teaching.groups, teaching.likeness)
    asked, others = (np.array(codes, dtype=np.int64, subok=False) for codes in (samples, generated))
    with phase("count votes", len(asked)) as advance:
        query = classroom.query(plain, asked, others)
        mechanism = RoundedGaussianMechanism.for_mu_squared(mu_squared, query.sensitivity)
        counts = gate.release(mechanism, query, purpose=f"{plain.teachers} teachers label {len(asked)} samples")
        advance(len(asked))
    return NoisyVotes(counts, plain.teachers, mechanism.stddev, mechanism.event(query.sensitivity))
