"""Which combinations of codes a condition holds for: for certain, for some of the values behind them, or not at all.

A code may stand for many values (a bin), and the code of a missing or outside cell for none that is known. So a
condition is true, false or unknown for the values behind a combination of codes, and a combination may hold values of
several kinds. Unknown follows the three-valued logic of SQL: comparing an absent cell with anything gives unknown, and
unknown never makes a rule forbid.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput
from dpsynth.schema.axes import CategoryAxis, MomentAxis, NumberAxis, TruthAxis
from dpsynth.schema.cells import Moment, number_in
from dpsynth.schema.columns import Column
from dpsynth.schema.condition import AllOf, AnyOf, ColumnName, Comparison, Condition, InSlot, NotOf, Operator
from dpsynth.schema.domain import Clique
from dpsynth.schema.moment_axis import seconds_in

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What a condition may be for the values behind each combination of codes.

    Attributes:
        true: whether some values make it true; arrays broadcast over the clique's shape.
        false: whether some make it false.
        unknown: whether some leave it unknown.
    """

    true: Mask
    false: Mask
    unknown: Mask

    def negated(self) -> Truth:
        """Return the truth of `not`."""
        return Truth(self.false, self.true, self.unknown)

    def both(self, other: Truth) -> Truth:
        """Return the truth of `and`, as if the two depended on values of their own."""
        unknown = (self.unknown & (other.true | other.unknown)) | (self.true & other.unknown)
        return Truth(self.true & other.true, self.false | other.false, unknown)


class TruthTables:
    """Evaluates conditions over the codes of one clique.

    Attributes:
        undecided: for people, which comparisons are true for some values of a code and false for others.
    """

    def __init__(self, columns: Mapping[str, Column], clique: Clique) -> None:
        """Evaluate over `clique`, axes in its order."""
        self._columns = columns
        self._clique = clique
        self.undecided: dict[str, None] = {}

    def of(self, condition: Condition) -> Truth:
        """Return the truth of `condition`, arrays that broadcast over the clique.

        Raises:
            InvalidInput: a value or an order that a column does not have.
        """
        match condition:
            case Comparison(name, operator, ColumnName(other)):
                return self._of_columns(self._columns[name], operator, self._columns[other])
            case Comparison(name, operator, value):
                return self._laid(name, _of_value(self._columns[name], operator, value, self._note))
            case InSlot(name, slot):
                column = self._columns[name]
                return self._laid(
                    name, _of_slot(column, column.missing_code if slot == "missing" else column.outside_code)
                )
            case AllOf(parts):
                return reduce(Truth.both, map(self.of, parts))
            case AnyOf(parts):
                return reduce(Truth.both, (self.of(part).negated() for part in parts)).negated()
            case NotOf(part):
                return self.of(part).negated()

    def _laid(self, name: str, truth: Truth) -> Truth:
        """Return truths per code of one column as arrays that broadcast over the clique."""
        shape = [1] * len(self._clique)
        shape[self._clique.index(name)] = -1
        return Truth(truth.true.reshape(shape), truth.false.reshape(shape), truth.unknown.reshape(shape))

    def _of_columns(self, left: Column, operator: Operator, right: Column) -> Truth:
        known = [self._laid(column.name, _of_absence(column)) for column in (left, right)]
        if operator in {"!=", ">", ">="}:
            return self._of_columns(left, _OPPOSITE[operator], right).negated()
        lows, highs, others_low, others_high = (
            self._laid_numbers(column.name, numbers)
            for column, ends in zip((left, right), _shared_ends(left, right, operator), strict=True)
            for numbers in ends
        )
        true, false = _compared(operator, lows, highs, others_low, others_high)
        both = known[0].false & known[1].false
        true, false = true & both, false & both
        if (true & false).any():
            self._note(
                f"some bins of '{left.name}' and '{right.name}' hold values that obey and values that do not; "
                "give each number a code of its own, or cut both columns at the same places"
            )
        return Truth(true, false, np.asarray(~both))

    def _laid_numbers(self, name: str, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        shape = [1] * len(self._clique)
        shape[self._clique.index(name)] = -1
        return numbers.reshape(shape)

    def _note(self, message: str) -> None:
        self.undecided[message] = None


_OPPOSITE: dict[Operator, Operator] = {"!=": "==", ">": "<=", ">=": "<"}


def _of_absence(column: Column) -> Truth:
    """Return `true` for the codes of missing and outside cells."""
    absent = np.arange(column.size) >= column.declared_size
    return Truth(absent, ~absent, np.zeros(column.size, dtype=np.bool_))


def _of_slot(column: Column, slot: int | None) -> Truth:
    inside = np.zeros(column.size, dtype=np.bool_)
    if slot is not None:
        inside[slot] = True
    return Truth(inside, ~inside, np.zeros(column.size, dtype=np.bool_))


def _of_value(column: Column, operator: Operator, value: object, note: Callable[[str], None]) -> Truth:
    """Return the truth of a comparison with one value, per code of the column, shape (codes,)."""
    if operator in _OPPOSITE:
        return _of_value(column, _OPPOSITE[operator], value, note).negated()
    absent = _of_absence(column).true
    axis = column.axis
    if isinstance(axis, TruthAxis) or (isinstance(axis, CategoryAxis) and operator == "=="):
        if operator != "==":
            raise InvalidInput(f"'{column.name}' has no order; compare it with == or !=")
        equal = np.arange(column.size) == _declared_code(column, value)
        if isinstance(axis, CategoryAxis) and axis.outside_label is not None and column.outside_code is not None:
            absent[column.outside_code] = False  # it comes out as a text like any other
        return Truth(equal, ~equal & ~absent, absent)
    lows, highs = _ends(column, operator)
    place = _place_of(column, value)
    true, false = _compared(operator, lows, highs, np.float64(place), np.float64(place))
    straddling = np.flatnonzero(true & false & ~absent)
    if straddling.size:
        labels = ", ".join(f"'{column.labels[code]}'" for code in straddling[:3])
        note(f"'{column.name}': {labels} holds values of both kinds; {_remedy(column, operator, value)}")
    return Truth(true & ~absent, false & ~absent, absent)


def _remedy(column: Column, operator: Operator, value: object) -> str:
    """Say how to cut the column so that a comparison is decided for every bin."""
    text = f"{value:g}" if isinstance(value, float) else value
    if operator == "<":
        return f"put a bin edge at {text}"
    if operator == "==":
        return f"give {text} a code of its own with `spikes`"
    if isinstance(value, float) and isinstance(column.axis, NumberAxis) and column.axis.bins.whole:
        return f"put a bin edge at {value + 1:g}"
    return f"say < or >=, or make {text} one of the `spikes`"


def _declared_code(column: Column, value: object) -> int:
    """Return the code that a condition names by its value.

    Raises:
        InvalidInput: no such value is declared.
    """
    axis = column.axis
    if isinstance(axis, CategoryAxis) and value == axis.outside_label and column.outside_code is not None:
        return column.outside_code
    code = column.code_of(value)
    if code < column.declared_size:
        return code
    close = difflib.get_close_matches(str(value), axis.labels(), n=1, cutoff=0.6)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    text = f"{value:g}" if isinstance(value, float) else value
    raise InvalidInput(f"'{text}' is not a declared value of '{column.name}'{hint}")


def _ends(column: Column, operator: Operator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smallest and the largest place on the column's own line per code, shape (codes,), absent: 0."""
    axis = column.axis
    match axis:
        case NumberAxis() | MomentAxis():
            lows, highs = np.asarray(axis.bins.lows), np.asarray(axis.bins.highs)
        case CategoryAxis(storage="integer" | "number"):
            lows = highs = np.asarray([float(number_in(value) or 0.0) for value in axis.values])
        case CategoryAxis(ordered=True):
            lows = highs = np.arange(axis.size, dtype=np.float64)
        case _:
            raise InvalidInput(
                f"'{column.name}' has no order for {operator}; declare `categoriesOrdered`, or use == or in"
            )
    fill = np.zeros(column.size - column.declared_size)
    return np.concatenate([lows, fill]), np.concatenate([highs, fill])


def _place_of(column: Column, value: object) -> float:
    """Return where a value lies on the column's own line.

    Raises:
        InvalidInput: it does not lie there.
    """
    axis = column.axis
    number = number_in(value) if isinstance(value, str) else value
    match axis:
        case MomentAxis():
            moment = seconds_in(value, axis.pattern) if isinstance(value, str) else None
            if isinstance(moment, Moment):
                return moment.seconds / axis.unit
            raise InvalidInput(f"'{column.name}' needs a moment in quotes, written as in the file")
        case CategoryAxis(storage="string"):
            return float(_declared_code(column, value))
        case _ if isinstance(number, float) and not isinstance(value, bool):
            return number
        case _:
            raise InvalidInput(f"'{column.name}' is compared with a number")


def _shared_ends(
    left: Column, right: Column, operator: Operator
) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return the ends of both columns on one line.

    Raises:
        InvalidInput: the two cannot be compared.
    """
    axes = (left.axis, right.axis)
    if all(isinstance(axis, MomentAxis) for axis in axes):
        return _in_seconds(left, operator), _in_seconds(right, operator)
    if all(axis.storage in {"integer", "number"} for axis in axes):
        return _ends(left, operator), _ends(right, operator)
    if operator == "==" or axes[0].labels() == axes[1].labels():
        labels = dict.fromkeys([*axes[0].labels(), *axes[1].labels()])
        places = {label: float(place) for place, label in enumerate(labels)}
        if all(isinstance(axis, CategoryAxis | TruthAxis) and (axis.ordered or operator == "==") for axis in axes):
            found = [
                np.array([places.get(label, -1.0) for label in (*column.axis.labels(), *[""] * 2)])[: column.size]
                for column in (left, right)
            ]
            return (found[0], found[0]), (found[1], found[1])
    raise InvalidInput(f"'{left.name}' and '{right.name}' cannot be compared with {operator}")


def _in_seconds(column: Column, operator: Operator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lows, highs = _ends(column, operator)
    unit = column.axis.unit if isinstance(column.axis, MomentAxis) else 1
    return lows * unit, highs * unit


def _compared(
    operator: Operator,
    lows: NDArray[np.float64],
    highs: NDArray[np.float64],
    others_low: NDArray[np.float64] | np.float64,
    others_high: NDArray[np.float64] | np.float64,
) -> tuple[Mask, Mask]:
    """Return whether `<`, `<=` or `==` may be true, and may be false, for numbers between the ends."""
    if operator == "<":
        return lows < others_high, highs >= others_low
    if operator == "<=":
        return lows <= others_high, highs > others_low
    one_number = (lows == highs) & (others_low == others_high)
    overlapping = (lows <= others_high) & (highs >= others_low)
    return overlapping, ~(overlapping & one_number)
