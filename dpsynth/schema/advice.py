"""What to say about a key or value that a schema file should not have: what is wrong and what may have been meant."""

from __future__ import annotations

import difflib
import re

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from dpsynth.schema.document import (
    CategoryEntry,
    ConstraintPart,
    Constraints,
    Dialect,
    FieldDocument,
    FieldPart,
    MarginalPart,
    TableDocument,
    TablePart,
    UnitPart,
    WorkloadPart,
)
from dpsynth.schema.yaml_source import Path

_UNUSED_KEYS = {
    "primaryKey": "not used; the privacy unit is declared under `dpsynth.unit`",
    "foreignKeys": "not used; a schema describes one table",
    "uniqueKeys": "not used",
    "fieldsMatch": "not used; columns are always matched by name",
    "unique": "not used; a column of unique values cannot be synthesised, list it under `dpsynth.ignore`",
    "pattern": "not used; list the values under `categories`",
    "minLength": "not used; list the values under `categories`",
    "maxLength": "not used; list the values under `categories`",
    "example": "not used: an example may be somebody's cell",
    "decimalChar": "not used; numbers are written with a point",
    "groupChar": "not used; numbers are written without groups",
    "bareNumber": "not used; numbers are written without units",
}
_MESSAGES = {
    "missing": "is missing",
    "int_parsing": "must be a whole number",
    "bool_parsing": "must be true or false",
    "string_too_short": "must not be empty",
    "string_type": "must be one text",
    "tuple_type": "must be a list",
    "too_short": "needs at least one entry",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
}


def message_of(error: ErrorDetails) -> str:
    """Return what is wrong at one place of the file, and what may have been meant."""
    path = error["loc"]
    kind = error["type"]
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind == "literal_error":
        given = str(error["input"])
        choices = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        close = difflib.get_close_matches(given, choices, n=1, cutoff=0.5)
        hint = f"did you mean '{close[0]}'? " if close else ""
        return f"'{given}' is not known; {hint}it must be one of {', '.join(choices)}"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind == "tuple_type" and path[-1] == "categories":
        return "must be a list; where nobody lists the values in public, say `dpsynth: {categories: private}`"
    return _MESSAGES.get(kind, error["msg"][:1].lower() + error["msg"][1:])


def _unknown_key(path: Path) -> str:
    """Say that a key is not known, and which one may have been meant."""
    key = str(path[-1])
    if key in _UNUSED_KEYS:
        return _UNUSED_KEYS[key]
    around = tuple(step for step in path[:-1] if isinstance(step, str))
    known = _keys_of(_MODELS.get(around, TableDocument))
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if close:
        return f"unknown key; did you mean `{close[0]}`?"
    for inner, model in _MODELS.items():
        if inner[:-1] == around and inner and key in _keys_of(model):
            return f"unknown key here; it belongs under `{inner[-1]}`"
        if inner == around[:-1] and around and key in _keys_of(model):
            return f"unknown key here; it belongs one level up, beside `{around[-1]}`"
    return f"unknown key; known here are {', '.join(f'`{name}`' for name in known)}"


def _keys_of(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


_MODELS: dict[tuple[str, ...], type[BaseModel]] = {
    (): TableDocument,
    ("dialect",): Dialect,
    ("dpsynth",): TablePart,
    ("dpsynth", "unit"): UnitPart,
    ("dpsynth", "workload"): WorkloadPart,
    ("dpsynth", "workload", "marginals"): MarginalPart,
    ("dpsynth", "constraints"): ConstraintPart,
    ("fields",): FieldDocument,
    ("fields", "constraints"): Constraints,
    ("fields", "dpsynth"): FieldPart,
    ("fields", "categories"): CategoryEntry,
}
