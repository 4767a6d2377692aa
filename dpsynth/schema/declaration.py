"""From what a field declares to a column: which keys go together, and which values can be told apart.

Everything that is wrong with a field is reported, none of it is raised, so that a schema can name all problems at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from dpsynth.errors import InvalidInput
from dpsynth.schema.axes import Axis, CategoryAxis, TruthAxis
from dpsynth.schema.bins import LARGEST_WHOLE
from dpsynth.schema.cells import number_in
from dpsynth.schema.columns import Column, ColumnKind, MissingCells
from dpsynth.schema.document import FieldDocument
from dpsynth.schema.faults import Faults
from dpsynth.schema.formulas import made_inert
from dpsynth.schema.merging import KeepCodes, MergeRare, Merging
from dpsynth.schema.ranges import is_number, moment_axis, number_axis
from dpsynth.schema.yaml_source import Path

DEFAULT_OUTSIDE_LABEL = "other"
"""What the outside slot of a text column is written as, unless the schema says something else."""

DEFAULT_TRUE = ("true", "True", "TRUE", "1")
DEFAULT_FALSE = ("false", "False", "FALSE", "0")

_KINDS: dict[str, tuple[ColumnKind, ...]] = {
    "string": (ColumnKind.CATEGORICAL, ColumnKind.ORDINAL),
    "integer": (ColumnKind.INTEGER, ColumnKind.CATEGORICAL, ColumnKind.ORDINAL),
    "number": (ColumnKind.CONTINUOUS, ColumnKind.CATEGORICAL, ColumnKind.ORDINAL),
    "boolean": (ColumnKind.BOOLEAN,),
    "date": (ColumnKind.DATETIME,),
    "datetime": (ColumnKind.DATETIME,),
}
_LISTED = frozenset({"enum", "categories", "categories_ordered", "outside_label", "rare"})
_RANGED = frozenset({"minimum", "maximum", "bins", "cells", "spread", "spikes", "rare"})
_KEYS: dict[ColumnKind, frozenset[str]] = {
    ColumnKind.CATEGORICAL: _LISTED,
    ColumnKind.ORDINAL: _LISTED,
    ColumnKind.INTEGER: _RANGED,
    ColumnKind.CONTINUOUS: _RANGED | {"decimals"},
    ColumnKind.DATETIME: _RANGED | {"format"},
    ColumnKind.BOOLEAN: frozenset({"true_values", "false_values"}),
}
_PLACES: dict[str, Path] = {
    "enum": ("constraints", "enum"),
    "minimum": ("constraints", "minimum"),
    "maximum": ("constraints", "maximum"),
    "categories": ("categories",),
    "private": ("dpsynth", "categories"),
    "categories_ordered": ("categoriesOrdered",),
    "bins": ("dpsynth", "bins"),
    "cells": ("dpsynth", "cells"),
    "spread": ("dpsynth", "spread"),
    "rare": ("dpsynth", "rare"),
    "spikes": ("dpsynth", "spikes"),
    "decimals": ("dpsynth", "decimals"),
    "outside_label": ("dpsynth", "outside_label"),
    "format": ("format",),
    "true_values": ("trueValues",),
    "false_values": ("falseValues",),
}


_RARE: dict[str, Merging] = {"merge": MergeRare(), "keep": KeepCodes()}


def declare_column(
    field: FieldDocument, missing_values: Sequence[str], report: Callable[[Path, str], None]
) -> Column | None:
    """Return the column that a field declares, or None where something is wrong with it.

    Args:
        field: the field as written.
        missing_values: the table's list, for fields without one of their own.
        report: is given every problem, with its place within the field.
    """
    faults = Faults(report)
    kind = _kind(field, faults)
    outside = _outside(field, kind, faults)
    _check_private_bins(field, faults)
    axis, merging = (_axis(field, kind, faults) if faults.none() else None) or (None, None)
    if axis is None or not faults.none():
        return None
    column = Column(
        name=field.name,
        kind=kind,
        axis=axis,
        missing=MissingCells(tuple(missing_values if field.missing_values is None else field.missing_values)),
        has_missing_slot=not field.constraints.required,
        has_outside_slot=outside == "slot" or field.constraints.required,
        provenance=field.dpsynth.provenance,
        declared_merging=merging if field.dpsynth.rare is None else _RARE[field.dpsynth.rare],
        outside_is_possible=not field.constraints.required or _keeps_outside(field),
    )
    _check_values_read_back(field, column, faults)
    return column if faults.none() else None


def _kind(field: FieldDocument, faults: Faults) -> ColumnKind:
    """Return how the column is coded; keys that do not belong to that kind are problems."""
    allowed = _KINDS[field.type]
    listed = field.type == "string" or field.categories is not None or field.constraints.enum is not None
    if field.dpsynth.kind is not None:
        kind = ColumnKind(field.dpsynth.kind)
    elif listed and ColumnKind.CATEGORICAL in allowed:
        kind = ColumnKind.ORDINAL if field.categories_ordered else ColumnKind.CATEGORICAL
    else:
        kind = allowed[0]
    if kind not in allowed:
        names = " or ".join(f"'{choice.value}'" for choice in allowed)
        faults.add(("dpsynth", "kind"), f"a column of type '{field.type}' can only be {names}")
        return kind
    given = {*field.model_fields_set, *field.constraints.model_fields_set, *field.dpsynth.model_fields_set}
    if field.format == "default":
        given -= {"format"}
    for key in sorted(given & _PLACES.keys() - _KEYS[kind]):
        owners = ", ".join(other.value for other in ColumnKind if key in _KEYS[other])
        faults.add(_PLACES[key], f"means nothing for a column of kind '{kind.value}', only for {owners}")
    return kind


def _outside(field: FieldDocument, kind: ColumnKind, faults: Faults) -> Literal["slot", "clip", "missing"]:
    """Return where cells outside the declared domain go."""
    asked = field.dpsynth.outside
    ranged = _KEYS[kind] >= _RANGED
    required = field.constraints.required
    if asked == "clip" and not ranged:
        faults.add(("dpsynth", "outside"), "only numbers and moments can be clipped; say `slot` or `missing`")
    if asked == "missing" and required:
        faults.add(("dpsynth", "outside"), "a required column has no missing slot; say `slot` or `clip`")
    if asked is not None:
        return asked
    if ranged:
        return "clip"
    return "slot" if required or field.type == "string" else "missing"


def _keeps_outside(field: FieldDocument) -> bool:
    """Return whether the field says itself that cells outside the declared domain belong into the table."""
    return field.dpsynth.outside == "slot" or field.dpsynth.outside_label is not None


def _check_private_bins(field: FieldDocument, faults: Faults) -> None:
    """Report keys that say differently, or for nothing, how codes are merged."""
    block = field.dpsynth
    private, histogram = isinstance(block.bins, str), block.spread == "private-histogram"
    if private and block.spread is not None:
        faults.add(_PLACES["spread"], "private bins are spread by the noisy counts that they are made from")
    if block.rare is not None and (private or histogram):
        faults.add(_PLACES["rare"], "private bins and histograms already say what is merged; leave it out")
    if block.cells is not None and not (private or histogram):
        faults.add(_PLACES["cells"], "means nothing without private bins or `spread: private-histogram`")


def _axis(field: FieldDocument, kind: ColumnKind, faults: Faults) -> tuple[Axis | None, Merging | None] | None:
    """Return the declared values, and how the declaration merges them."""
    try:
        match kind:
            case ColumnKind.CATEGORICAL | ColumnKind.ORDINAL:
                return _category_axis(field, kind, faults), None
            case ColumnKind.INTEGER | ColumnKind.CONTINUOUS:
                return number_axis(field, faults, whole=kind is ColumnKind.INTEGER)
            case ColumnKind.DATETIME:
                return moment_axis(field, faults)
            case ColumnKind.BOOLEAN:
                return _truth_axis(field, faults), None
    except InvalidInput as fault:
        faults.add(_PLACES["bins"] if field.dpsynth.bins is not None else ("constraints",), str(fault))
    return None


def _declared_values(field: FieldDocument, kind: ColumnKind, faults: Faults) -> tuple[str, ...] | None:
    """Return the categories of a field, none where they are still to be found."""
    listed = None if field.categories is None else tuple(entry.value for entry in field.categories)
    values = listed if listed is not None else field.constraints.enum
    if field.dpsynth.categories == "private":
        if field.type != "string" or kind is ColumnKind.ORDINAL or values is not None:
            faults.add(_PLACES["private"], "only an unordered text column without a list can have private categories")
        return ()
    if values is None:
        faults.add(
            (),
            "`categories` is missing: list every value that can occur by public knowledge, or say "
            "`dpsynth: {categories: private}` to have them found in noisy counts",
        )
    elif listed is not None and field.constraints.enum not in {None, listed}:
        faults.add(_PLACES["enum"], "differs from `categories`; give one of them")
    elif not values:
        faults.add(_values_path(field), "needs at least one value")
    return values


def _category_axis(field: FieldDocument, kind: ColumnKind, faults: Faults) -> CategoryAxis | None:
    values = _declared_values(field, kind, faults)
    if values is None:
        return None
    path = _values_path(field)
    is_text = field.type == "string"
    for place, value in enumerate(values):
        if not value.strip() or _breaks_lines(value):
            faults.add((*path, place), "a category must be text on one line that is not blank")
        elif not is_text and not is_number(value, whole=field.type == "integer"):
            faults.add((*path, place), f"'{value}' is not of type '{field.type}'")
        elif not is_text and abs(number_in(value) or 0.0) > LARGEST_WHOLE:
            faults.add((*path, place), f"'{value}' is too large to be told from its neighbours; use type 'string'")
    block = field.dpsynth
    has_label = is_text and (block.outside != "missing" or field.constraints.required)
    if block.outside_label is not None and (not has_label or _breaks_lines(block.outside_label)):
        faults.add(_PLACES["outside_label"], "only a text column with an outside slot has a label, on one line")
    if not faults.none():
        return None
    return CategoryAxis(
        values=values,
        storage="string" if is_text else "integer" if field.type == "integer" else "number",
        ordered=kind is ColumnKind.ORDINAL,
        outside_label=(block.outside_label or DEFAULT_OUTSIDE_LABEL) if has_label else None,
    )


def _truth_axis(field: FieldDocument, faults: Faults) -> TruthAxis | None:
    true_texts = DEFAULT_TRUE if field.true_values is None else field.true_values
    false_texts = DEFAULT_FALSE if field.false_values is None else field.false_values
    for key, texts in (("trueValues", true_texts), ("falseValues", false_texts)):
        if not texts:
            faults.add((key,), "needs at least one value")
    return TruthAxis(true_texts, false_texts) if faults.none() else None


def _check_values_read_back(field: FieldDocument, column: Column, faults: Faults) -> None:
    """Report declared values that cannot be told apart, or from missing, when they are read back from a file."""
    for place, text in enumerate(column.missing.texts):
        if _breaks_lines(text):
            faults.add(("missingValues", place), "a missing value must stay on one line")
    if isinstance(column.axis, CategoryAxis):
        _check_categories(column, column.axis, _values_path(field), faults)
    elif isinstance(column.axis, TruthAxis):
        for code, key, texts in (
            (1, "trueValues", column.axis.true_texts),
            (0, "falseValues", column.axis.false_texts),
        ):
            for place, text in enumerate(texts):
                number = number_in(text)
                differs = number is not None and column.code_of(number) != code
                if differs or _breaks_lines(text) or not _reads_as(column, text, code):
                    faults.add((key, place), f"'{text}' cannot be told from the other value or from missing")


def _check_categories(column: Column, axis: CategoryAxis, path: Path, faults: Faults) -> None:
    for code, value in enumerate(axis.values):
        same_number = axis.storage != "string" and axis.place(number_in(value)) != code
        if same_number or not _reads_as(column, value, code):
            faults.add((*path, code), f"'{value}' cannot be told from another category or from missing")
    label = axis.outside_label
    if label is not None and column.outside_code is not None and not _reads_as(column, label, column.outside_code):
        message = (
            f"'{label}' is a declared category or means missing, but cells that are no declared category would come "
            "out as it; give `dpsynth: {outside_label: ...}` another text, or say `outside: missing`"
        )
        faults.add(_PLACES["outside_label"], message)


def _reads_as(column: Column, text: str, code: int) -> bool:
    return column.code_of(text) == code and column.code_of(made_inert(text)) == code


def _values_path(field: FieldDocument) -> Path:
    return _PLACES["categories" if field.categories is not None else "enum"]


def _breaks_lines(text: str) -> bool:
    return len(text.splitlines()) > 1 or text.endswith(("\n", "\r"))
