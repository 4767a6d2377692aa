"""Generated populations with known answers: many column kinds, correlated, and one where duplicates are natural."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dpsynth.attacks import Records

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PlainColumn:
    """The public facts of a column, by hand."""

    size: int
    is_ordered: bool = False
    missing_code: int | None = None
    outside_code: int | None = None


@dataclass(frozen=True, slots=True)
class PlainSchema:
    columns: Sequence[PlainColumn]


@dataclass(frozen=True, slots=True)
class Split:
    """Four disjoint samples of one population."""

    members: Codes
    controls: Codes
    reference: Codes
    fresh: Codes


MIXED = PlainSchema([PlainColumn(40, is_ordered=True)] * 7 + [PlainColumn(size) for size in (2, 3, 4, 6, 9, 12)])
"""Seven ordered and six unordered columns; hardly any two rows are equal."""

CROWDED = PlainSchema([PlainColumn(size) for size in (2, 2, 3, 3, 4)])
"""Five unordered columns with 144 cells: nearly every row has natural duplicates."""


def mixed_rows(rows: int, rng: np.random.Generator) -> Codes:
    """Return codes under MIXED: three hidden traits drive all columns."""
    traits = rng.normal(size=(rows, 3))
    loadings = np.random.default_rng(11)
    columns = []
    for column in MIXED.columns:
        if column.is_ordered:
            direction = loadings.normal(size=3)
            position = special.ndtr((traits @ direction + rng.normal(size=rows)) / np.sqrt(direction @ direction + 1))
            columns.append(np.floor(position * column.size).astype(np.int64))
        else:
            utility = traits @ loadings.normal(size=(3, column.size)) + rng.gumbel(size=(rows, column.size))
            columns.append(utility.argmax(axis=1))
    return np.stack(columns, axis=1)


def crowded_rows(rows: int, rng: np.random.Generator) -> Codes:
    """Return codes under CROWDED with uneven frequencies."""
    columns = [
        rng.choice(c.size, size=rows, p=np.arange(c.size, 0, -1) / (c.size * (c.size + 1) / 2)) for c in CROWDED.columns
    ]
    return np.stack(columns, axis=1)


def mixed_split(rows: int, rng: np.random.Generator) -> Split:
    return Split(*(mixed_rows(rows, rng) for _ in range(4)))


def mixed(codes: Codes) -> Records:
    return Records.from_codes(codes, MIXED)


def crowded(codes: Codes) -> Records:
    return Records.from_codes(codes, CROWDED)


def bootstrap(members: Codes, rng: np.random.Generator) -> Codes:
    return members[rng.integers(len(members), size=len(members))]


def partly_copied(members: Codes, fresh: Codes, *, share: float) -> Codes:
    copied = round(share * len(fresh))
    return np.concatenate([members[:copied], fresh[copied:]])
