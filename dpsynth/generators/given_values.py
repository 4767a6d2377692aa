"""Conditions on synthetic rows in the terms of the schema: values, turned into the codes that remain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput
from dpsynth.schema.cells import read_cell
from dpsynth.schema.columns import Column
from dpsynth.schema.schema import Schema

_MOST_SHOWN = 12
"""An error names at most so many of a column's values."""


def allowed_codes(schema: Schema, given: Mapping[str, object]) -> dict[str, NDArray[np.bool_]]:
    """Return which codes of each column of `given` remain, shape (codes,) each.

    Args:
        schema: what the columns mean.
        given: per column one value, or a list, tuple, set, range or array of several. A value is a cell as it could
            stand in the table, or a label of the column; a number stands for the bin that contains it, None for a
            missing cell.

    Raises:
        InvalidInput: a column or a value is not in the schema, or a list of values is empty.
    """
    columns = {column.name: column for column in schema.columns}
    allowed: dict[str, NDArray[np.bool_]] = {}
    for name, values in given.items():
        if name not in columns:
            raise InvalidInput(f"'{name}' is not a column; the schema has {', '.join(columns)}")
        codes = [_code(columns[name], value) for value in _listed(values)]
        if not codes:
            raise InvalidInput(f"no value is given for '{name}'; leave the column out to leave it free")
        allowed[name] = np.isin(np.arange(columns[name].size), codes)
    return allowed


def _listed(values: object) -> list[object]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        return [values]
    return list(values)


def _code(column: Column, value: object) -> int:
    """Return the code of one value; one that the schema does not declare is refused, not counted as outside."""
    code = column.code_of(value)
    if code not in {column.missing_code, column.outside_code}:
        return code
    if isinstance(value, str) and value in column.labels:
        return column.labels.index(value)
    is_missing = column.missing.has_text(value) if isinstance(value, str) else read_cell(value) is None
    if is_missing and column.missing_code is not None:
        return column.missing_code
    if is_missing:
        raise InvalidInput(f"cells of '{column.name}' are never missing by the schema")
    shown = ", ".join(column.labels[:_MOST_SHOWN]) + (", ..." if len(column.labels) > _MOST_SHOWN else "")
    raise InvalidInput(f"the schema does not declare that value of '{column.name}'; it has {shown}")
