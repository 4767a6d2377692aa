"""Conditions about the cells of one record, such as `age < 15 and not missing(income)`: parsed, never run.

The text is read as a Python expression and only the few forms below are taken over into nodes of our own; everything
else is refused with a sentence that says what is known.
"""

from __future__ import annotations

import ast
import difflib
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Literal, TypeAlias

from dpsynth.errors import InvalidInput

LONGEST_TEXT = 2000
"""Characters of one condition."""

_DEEPEST = 30
_MOST_ALTERNATIVES = 256

Operator: TypeAlias = Literal["<", "<=", "==", "!=", ">=", ">"]

_OPERATORS: dict[type[ast.cmpop], Operator] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.GtE: ">=",
    ast.Gt: ">",
}
_MIRRORED: dict[Operator, Operator] = {"<": ">", "<=": ">=", "==": "==", "!=": "!=", ">=": "<=", ">": "<"}
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_KNOWN = (
    'a condition may use column names, numbers, "texts", true, false, null, == != < <= > >=, `in [...]`, and, or, not, '
    'missing(column), outside(column), and column("a name with spaces")'
)

Value: TypeAlias = str | float | bool | None
"""What stands on one side of a comparison; None is `null`."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A column beside a value or another column."""

    column: str
    operator: Operator
    other: Value | ColumnName


@dataclass(frozen=True, slots=True)
class ColumnName:
    """A column on the other side of a comparison."""

    name: str


@dataclass(frozen=True, slots=True)
class InSlot:
    """Whether a cell is in a special slot of its column."""

    column: str
    slot: Literal["missing", "outside"]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class NotOf:
    """The part does not hold."""

    part: Condition


Condition: TypeAlias = Comparison | InSlot | AllOf | AnyOf | NotOf


def parse_condition(text: str, columns: Sequence[str]) -> Condition:
    """Return the condition that `text` spells.

    Args:
        text: an expression; see the module.
        columns: names that it may use.

    Raises:
        InvalidInput: saying what is wrong with it.
    """
    if len(text) > LONGEST_TEXT:
        raise InvalidInput(f"a condition has at most {LONGEST_TEXT} characters; write several rules")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes and the like are no concern of ours
            tree = ast.parse(text.replace("\n", " ").strip(), mode="eval")
            return _Reader(frozenset(columns)).condition(tree.body)
    except (SyntaxError, ValueError):
        raise InvalidInput(f"cannot be read as a condition; {_KNOWN}") from None
    except (RecursionError, MemoryError):
        raise InvalidInput("is nested too deeply") from None


def columns_of(condition: Condition) -> Iterator[str]:
    """Yield the columns that a condition uses, with repetitions."""
    match condition:
        case Comparison(column, _, other):
            yield column
            if isinstance(other, ColumnName):
                yield other.name
        case InSlot(column):
            yield column
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from columns_of(part)
        case NotOf(part):
            yield from columns_of(part)


def alternatives(condition: Condition) -> tuple[Condition, ...]:
    """Return conditions over as few columns each as can be, of which at least one holds where `condition` holds.

    So a rule that excludes several things at once ties only those columns together that have to do with each other.
    """
    match condition:
        case _ if len(set(columns_of(condition))) == 1:
            return (condition,)
        case AnyOf(parts):
            return tuple(choice for part in parts for choice in alternatives(part))
        case AllOf(parts):
            choices = [alternatives(part) for part in parts]
            if math.prod(map(len, choices)) > _MOST_ALTERNATIVES:
                return (condition,)
            return tuple(AllOf(chosen) for chosen in product(*choices))
        case NotOf(AllOf(parts)):
            return alternatives(AnyOf(tuple(map(NotOf, parts))))
        case NotOf(AnyOf(parts)):
            return alternatives(AllOf(tuple(map(NotOf, parts))))
        case NotOf(NotOf(part)):
            return alternatives(part)
        case _:
            return (condition,)


class _Reader:
    """Takes over the forms that are known."""

    def __init__(self, columns: frozenset[str]) -> None:
        self._columns = columns

    def condition(self, node: ast.expr, depth: int = 0) -> Condition:
        if depth > _DEEPEST:
            raise InvalidInput("is nested too deeply")
        match node:
            case ast.BoolOp(ast.And(), parts):
                return AllOf(tuple(self.condition(part, depth + 1) for part in parts))
            case ast.BoolOp(ast.Or(), parts):
                return AnyOf(tuple(self.condition(part, depth + 1) for part in parts))
            case ast.UnaryOp(ast.Not(), part):
                return NotOf(self.condition(part, depth + 1))
            case ast.Compare(first, operators, others):
                pairs = pairwise([first, *others])
                links = [self._link(left, how, right) for how, (left, right) in zip(operators, pairs, strict=True)]
                return links[0] if len(links) == 1 else AllOf(tuple(links))
            case ast.Call(ast.Name("missing" | "outside" as slot), [argument], []):
                return InSlot(self._column(argument), "missing" if slot == "missing" else "outside")
            case ast.Name() | ast.Call():
                return Comparison(self._column(node), "==", other=True)  # a column of truth values by itself
            case _:
                raise InvalidInput(_KNOWN)

    def _link(self, left: ast.expr, how: ast.cmpop, right: ast.expr) -> Condition:
        if isinstance(how, ast.In | ast.NotIn):
            if not isinstance(right, ast.List | ast.Tuple | ast.Set) or not right.elts:
                raise InvalidInput("`in` needs a list of values in brackets")
            column = self._column(left)
            found = AnyOf(tuple(_compared(column, "==", self._value(entry)) for entry in right.elts))
            return NotOf(found) if isinstance(how, ast.NotIn) else found
        operator = _OPERATORS.get(type(how))
        if operator is None:
            raise InvalidInput(_KNOWN)
        if self._is_value(left):
            if self._is_value(right):
                raise InvalidInput("a comparison needs a column on at least one side")
            left, right, operator = right, left, _MIRRORED[operator]
        column = self._column(left)
        other = self._value(right) if self._is_value(right) else ColumnName(self._column(right))
        return _compared(column, operator, other)

    def _is_value(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            return node.id in _CONSTANTS and node.id not in self._columns
        return isinstance(node, ast.Constant | ast.UnaryOp)

    def _value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(bool() | str() | None as value):
                return value
            case ast.Constant(int() | float() as number):
                return _finite(number)
            case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as number)) if not isinstance(number, bool):
                return -_finite(number)
            case ast.Name(name) if name in _CONSTANTS:
                return _CONSTANTS[name]
            case ast.Name(name):
                raise InvalidInput(f"'{name}' is not a value; put texts in quotes")
            case _:
                raise InvalidInput(_KNOWN)

    def _column(self, node: ast.expr) -> str:
        match node:
            case ast.Name(name):
                pass
            case ast.Call(ast.Name("column"), [ast.Constant(str() as name)], []):
                pass
            case _:
                raise InvalidInput(f"expected a column name; {_KNOWN}")
        if name in self._columns:
            return name
        close = difflib.get_close_matches(name, self._columns, n=1, cutoff=0.6)
        hint = f"; did you mean '{close[0]}'?" if close else ". Texts need quotes"
        raise InvalidInput(f"'{name}' is not a synthesised column{hint}")


def _compared(column: str, operator: Operator, other: Value | ColumnName) -> Condition:
    if other is not None:
        return Comparison(column, operator, other)
    if operator not in {"==", "!="}:
        raise InvalidInput("null has no order; say `== null` or `!= null`")
    return InSlot(column, "missing") if operator == "==" else NotOf(InSlot(column, "missing"))


def _finite(number: float) -> float:
    """Return the number as a float.

    Raises:
        InvalidInput: it is too large for one.
    """
    try:
        found = float(number)
    except OverflowError:
        found = float("inf")
    if found in {float("inf"), float("-inf")}:
        raise InvalidInput("a number is too large")
    return found
