"""Records as attacks see them: numbers on a public scale, without names, labels or a schema.

Every scale comes from the public schema. Nothing is learnt from rows, because a scale fitted to the training rows would
leak them into the attack and fit the attack to them. Distances between these values live in `dpsynth.attacks.distance`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput

RESOLUTION = 2**16
"""Ordered values are multiples of 1 / RESOLUTION: sums of distances are exact, so ties are ties in any column order."""

MISSING_LEVEL = 2.0
OUTSIDE_LEVEL = 3.0
"""Special slots of an ordered column: at least 1 away from the range [0, 1] and from each other."""


class CodedColumn(Protocol):
    """What an attack needs to know about a column: public facts of the schema."""

    @property
    def size(self) -> int:
        """Number of codes, special slots included."""

    @property
    def is_ordered(self) -> bool:
        """Whether the codes, special slots apart, are in a meaningful order."""

    @property
    def missing_code(self) -> int | None:
        """Code of a missing cell, or None."""

    @property
    def outside_code(self) -> int | None:
        """Code of a value outside the declared domain, or None."""


class CodedSchema(Protocol):
    """Anything that lists its columns in the order of the code table."""

    @property
    def columns(self) -> Sequence[CodedColumn]:
        """The columns, one per column of the code table."""


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Rows on a public scale.

    Attributes:
        values: shape (rows, columns). Ordered columns hold the position of the code in the public range, 0 to 1;
            missing is 2 and outside is 3, so both are at least one full range away from everything else.
            Unordered columns hold the code itself. Kept as a read-only copy.
        ordered: shape (columns,), which columns are ordered.

    Raises:
        InvalidInput: for shapes that do not fit, values that are not finite, or an unordered column that does not hold
            codes.
    """

    values: NDArray[np.float64]
    ordered: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Check, round ordered values to the resolution and freeze both arrays."""
        values = np.array(self.values, dtype=np.float64)
        ordered = np.array(self.ordered, dtype=np.bool_)
        if values.ndim != 2 or ordered.shape != values.shape[1:] or ordered.size == 0:
            raise InvalidInput("records need a table of at least one column and one order flag per column")
        if not np.isfinite(values).all():
            raise InvalidInput("records hold codes and positions; a missing cell has a code of its own")
        codes = values[:, ~ordered]
        if codes.size and (codes.min() < 0 or not np.equal(codes, np.floor(codes)).all()):
            raise InvalidInput("an unordered column of records must hold codes, integers from 0")
        values[:, ordered] = np.round(values[:, ordered] * RESOLUTION) / RESOLUTION
        values.setflags(write=False)
        ordered.setflags(write=False)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "ordered", ordered)

    @classmethod
    def from_codes(cls, codes: NDArray[np.integer], schema: CodedSchema) -> Records:
        """Return the records of a code table, shape (rows, columns), under its public schema.

        Raises:
            InvalidInput: if the table has other columns than the schema, or a code that its column does not have.
        """
        columns = schema.columns
        table = np.asarray(codes)
        if table.ndim != 2 or table.shape[1] != len(columns):
            raise InvalidInput("a code table needs exactly the columns of its schema")
        values = np.empty(table.shape, dtype=np.float64)
        for place, column in enumerate(columns):
            cells = table[:, place]
            if cells.size and (cells.min() < 0 or cells.max() >= column.size):
                raise InvalidInput(f"column {place} of the code table holds a code that its schema does not have")
            values[:, place] = level_values(column)[cells]
        return cls(values, np.array([column.is_ordered for column in columns], dtype=np.bool_))

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.values.shape[0])

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self.values.shape[1])

    def take(self, rows: NDArray[np.intp]) -> Records:
        """Return the rows at the positions `rows`, in that order."""
        return Records(self.values[rows], self.ordered)

    def followed_by(self, others: Records) -> Records:
        """Return these rows and then `others`."""
        require_same_columns(self, others)
        return Records(np.concatenate([self.values, others.values]), self.ordered)


def require_same_columns(first: Records, second: Records) -> None:
    """Refuse to compare records of different shape.

    Raises:
        InvalidInput: if the columns differ in number or kind.
    """
    if not np.array_equal(first.ordered, second.ordered):
        raise InvalidInput("records can only be compared when they have the same columns in the same order")


def rows_among(rows: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which rows occur among the others, shape (rows,)."""
    both, numbers = np.unique(np.concatenate([rows, others]), axis=0, return_inverse=True)
    occurs = np.zeros(len(both), dtype=np.bool_)
    numbers = numbers.reshape(-1)
    occurs[numbers[len(rows) :]] = True
    hits: NDArray[np.bool_] = occurs[numbers[: len(rows)]]
    return hits


def level_values(column: CodedColumn) -> NDArray[np.float64]:
    """Return the value that records hold for each code of a column, shape (size,)."""
    levels = np.arange(column.size, dtype=np.float64)
    if not column.is_ordered:
        return levels
    special = [code for code in (column.missing_code, column.outside_code) if code is not None]
    plain = np.setdiff1d(np.arange(column.size), special)
    levels[plain] = np.arange(plain.size) / max(plain.size - 1, 1)
    if column.missing_code is not None:
        levels[column.missing_code] = MISSING_LEVEL
    if column.outside_code is not None:
        levels[column.outside_code] = OUTSIDE_LEVEL
    return levels
