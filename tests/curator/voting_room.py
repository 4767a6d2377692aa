"""The curator's polling station: teachers with made-up rows, and votes that are counted without noise or with it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator._sealed import Private
from dpsynth.curator.allowance import Allowance
from dpsynth.curator.rows import PrivateRows, compact
from dpsynth.curator.vote_queries import Teaching
from dpsynth.curator.votes import Classroom
from dpsynth.randomness import NoiseSource, SystemNoise
from dpsynth.schema.domain import Domain

Codes = NDArray[np.int32]

DOMAIN = Domain(("kind", "shape", "colour"), (4, 3, 2))
RECORDS = np.array([[a, b, c] for a in range(4) for b in range(3) for c in range(2)], dtype=np.int32)
OTHER_RECORDS = RECORDS[::5]
KEY = bytes(range(32))


def teaching(teachers: int = 7, **changed: object) -> Teaching:
    """Return a teaching that compares codes as such, so that equal ones are alike and others are not."""
    likeness = tuple(np.eye(size, dtype=np.int64) * 4 for size in DOMAIN.sizes)
    given = {"groups": tuple(np.arange(size) for size in DOMAIN.sizes), "likeness": likeness} | changed
    return Teaching(teachers, **given)  # type: ignore[arg-type]


def rows(records: Sequence[int], owners: Sequence[int] | None = None) -> PrivateRows:
    """Return rows that hold these numbers of `RECORDS`."""
    codes = RECORDS[np.asarray(records, dtype=np.intp)]
    owned = None if owners is None else np.asarray(owners, dtype=np.intp)
    return PrivateRows(DOMAIN, compact(codes, DOMAIN), codes[:0], owners=owned)


def classroom(data: PrivateRows, noise: NoiseSource | None = None) -> Classroom:
    return Classroom(Private(data), DOMAIN, SystemNoise() if noise is None else noise)


def allowance(mu_squared: Fraction = Fraction(1)) -> Allowance:
    return Allowance("clinic", mu_squared)
