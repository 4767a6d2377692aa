"""What one cell says, whatever object it is: the only place where cells of unknown type are touched.

A cell is read by itself. How its neighbours look, and which storage type they forced on the column, must not matter:
3, 3.0, numpy.int8(3), "3" and " 3.0 " are one number, because adding one strange record turns a column of integers
into floats or texts, and a privacy proof that counts changed records must not see all others change with it. Nothing
here raises, prints or keeps a cell.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

Cells: TypeAlias = Sequence[object] | NDArray[np.generic]
"""The cells of one column; any Python, numpy, pandas or Arrow object may stand in a cell."""


class Moment(NamedTuple):
    """A point in time: whole seconds since 1970-01-01 UTC, fractions of a second cut off."""

    seconds: int


class Unreadable(Enum):
    """A cell that is no number, no text, no date, no truth value and not empty, such as a list."""

    UNREADABLE = "unreadable"


Reading: TypeAlias = bool | float | str | Moment | Unreadable | None
"""What a cell says; None is an empty cell. Integers are read as floats, so beyond 2**53 neighbours coincide."""

UNREADABLE = Unreadable.UNREADABLE

_FIRST_DAY = date(1970, 1, 1).toordinal()
_DAY = 86_400
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INFINITE = {sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in ("inf", "infinity")}


def number_in(text: str) -> float | None:
    """Return the number that `text` spells in decimal digits, blanks around it ignored, or None.

    Underscores, digit groups, hexadecimal digits and digits of other scripts are not numbers; `inf` is.
    """
    stripped = text.strip()
    if _NUMBER.fullmatch(stripped):
        return float(stripped)
    return _INFINITE.get(stripped.lower()) if len(stripped) <= len("-infinity") else None


def read_cell(cell: object) -> Reading:
    """Return what `cell` says; total, and a function of this cell alone."""
    reader = _READERS.get(type(cell))
    try:
        return reader(cell) if reader is not None else _read_uncommon(cell)
    except Exception:  # noqa: BLE001 - any object may stand in a cell, and none may stop the run
        return UNREADABLE


def moment_of(moment: datetime) -> Moment:
    """Return the seconds of `moment`; a time with a zone is moved to UTC, one without is kept as it stands."""
    if moment.tzinfo is not None:
        with suppress(OverflowError):  # at either end of the calendar some hours more or less change no bin
            moment = moment.astimezone(UTC)
    days = datetime.toordinal(moment) - _FIRST_DAY
    return Moment(days * _DAY + moment.hour * 3600 + moment.minute * 60 + moment.second)


def encode_each(cells: Cells, code_of: Callable[[object], int]) -> NDArray[np.int32]:
    """Return `code_of` every cell, asked once per distinct cell where that is safe.

    Cells are told apart by type first, because True == 1 == 1.0 while their texts differ.
    """
    if isinstance(cells, np.ndarray) and cells.ndim == 1 and cells.dtype.kind in "biufM":
        distinct, inverse = np.unique(cells, return_inverse=True)
        return encode_each(list(distinct), code_of)[inverse]
    listed = listed_cells(cells)
    kinds = set(map(type, listed))
    tables = {kind: _Codes(code_of) if _is_cacheable(kind) else _Uncached(code_of) for kind in kinds}
    if len(kinds) == 1:
        return np.fromiter(map(tables[kinds.pop()].__getitem__, listed), dtype=np.int32, count=len(listed))
    return np.fromiter((tables[type(cell)][cell] for cell in listed), dtype=np.int32, count=len(listed))


class _Codes(dict[object, int]):
    """Codes of cells of one type, found when first asked for."""

    def __init__(self, code_of: Callable[[object], int]) -> None:
        super().__init__()
        self._code_of = code_of

    def __missing__(self, cell: object) -> int:
        code = self._code_of(cell)
        if cell == cell:  # NaN differs from itself and would be stored again and again
            self[cell] = code
        return code


class _Uncached:
    """Codes of cells whose type may compare or hash in its own way."""

    def __init__(self, code_of: Callable[[object], int]) -> None:
        self._code_of = code_of

    def __getitem__(self, cell: object) -> int:
        return self._code_of(cell)


def listed_cells(cells: Cells) -> Sequence[object]:
    """Return the cells as Python objects that `read_cell` knows."""
    if isinstance(cells, (list, tuple)):
        return cells
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "OUS":
        return cast("list[object]", cells.tolist()) if cells.ndim == 1 else list(cells)
    if _library(type(cells)) == "pyarrow":
        return cast("list[object]", cells.to_pylist())  # type: ignore[union-attr]
    return list(cells)


def plain_array(cells: Cells) -> Cells:
    """Return the numpy array inside a pandas column where there is one, other cells as they are."""
    if _library(type(cells)) == "pandas" and isinstance(getattr(cells, "dtype", None), np.dtype):
        return np.asarray(cells)
    return cells


def _library(kind: type) -> str:
    """Return the library that defines a type; asked by name, so that no library is loaded for it."""
    return str(kind.__module__).partition(".")[0]


def _is_cacheable(kind: type) -> bool:
    """Return whether equal cells of this type say the same.

    That fails for `datetime`, whose equality overlooks the hour that clocks repeat; pandas' moments compare in UTC.
    """
    return kind in _CACHEABLE or (kind.__name__ == "Timestamp" and _library(kind) == "pandas")


def _read_integer(cell: object) -> float:
    whole = int.__int__(cast("int", cell))
    try:
        return float(whole)
    except OverflowError:
        return math.inf if whole > 0 else -math.inf


def _read_float(cell: object) -> float | None:
    number = float.__float__(cast("float", cell))
    return None if math.isnan(number) else number


def _read_short_float(cell: object) -> float | None:
    """Read numpy's short floats by their shortest text, so that float32(0.1) is 0.1."""
    number = float(str(cell))
    return None if math.isnan(number) else number


def _read_text(cell: object) -> str:
    return str.__str__(cast("str", cell))


def _read_bytes(cell: object) -> str:
    return bytes(cast("bytes", cell)).decode("utf-8", errors="surrogateescape")


def _read_date(cell: object) -> Moment:
    return Moment((date.toordinal(cast("date", cell)) - _FIRST_DAY) * _DAY)


def _read_numpy_moment(cell: object) -> Moment | None:
    moment = cast("np.datetime64", cell)
    return None if np.isnat(moment) else Moment(int(moment.astype("datetime64[s]").astype(np.int64)))


def _read_pandas_moment(cell: object) -> Moment | None:
    moment = cast("datetime", cell)
    if moment.tzinfo is None and MINYEAR < moment.year < MAXYEAR:
        return moment_of(moment)
    return _read_numpy_moment(cell.to_datetime64())  # type: ignore[attr-defined]


def _read_decimal(cell: object) -> float | None:
    number = cast("Decimal", cell)
    return None if number.is_nan() else float(number)


def _read_fraction(cell: object) -> float:
    fraction = cast("Fraction", cell)
    try:
        return float(fraction)
    except OverflowError:
        return math.inf if fraction > 0 else -math.inf


def _read_complex(cell: object) -> Reading:
    number = complex(cast("complex", cell))
    if number != number:  # NaN differs from itself
        return None
    return UNREADABLE if number.imag else number.real


def _read_uncommon(cell: object) -> Reading:
    """Read null values and subclasses; kinds are asked of the type, which a cell cannot forge."""
    kind = type(cell)
    library = _library(kind)
    if library == "pandas" and kind.__name__ in {"NAType", "NaTType"}:
        return None
    if library == "pyarrow":
        return read_cell(cell.as_py())  # type: ignore[attr-defined]
    if library == "pandas" and issubclass(kind, datetime):
        return _read_pandas_moment(cell)
    for family, reader in _FAMILIES:
        if issubclass(kind, family):
            return reader(cell)
    return None if issubclass(kind, np.timedelta64) and np.isnat(cast("np.timedelta64", cell)) else UNREADABLE


_FAMILIES: tuple[tuple[type, Callable[[object], Reading]], ...] = (
    (str, _read_text),
    (bytes, _read_bytes),
    (np.bool_, bool),
    (np.integer, lambda cell: float(int(cast("np.integer", cell)))),
    (np.float64, _read_float),
    (np.floating, _read_short_float),
    (np.complexfloating, _read_complex),
    (np.datetime64, _read_numpy_moment),
    (int, _read_integer),
    (float, _read_float),
    (complex, _read_complex),
    (datetime, lambda cell: moment_of(cast("datetime", cell))),
    (date, _read_date),
    (Decimal, _read_decimal),
    (Fraction, _read_fraction),
)

_CACHEABLE = frozenset(
    {type(None), bool, int, float, str, bytes, date, np.bool_, np.float64, np.float32, np.float16}
    | {np.dtype(code).type for code in "bhilqBHILQ"}
)

_READERS: dict[type, Callable[[object], Reading]] = {
    type(None): lambda cell: None,  # noqa: ARG005 - all readers take the cell
    bool: bool,
    int: _read_integer,
    float: _read_float,
    str: lambda cell: cast("str", cell),
    np.float64: _read_float,
}
