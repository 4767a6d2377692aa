"""Columns whose categories nobody lists in public: what counts as a category, cell by cell.

Which of them occur often enough to be named is decided behind the door, with noise; see `curator.discovery`. Here is
only the public rule by which one cell says which category it would be.
"""

from __future__ import annotations

from dpsynth.schema.axes import CategoryAxis
from dpsynth.schema.cells import read_cell
from dpsynth.schema.columns import Column
from dpsynth.schema.formulas import as_declared
from dpsynth.schema.yaml_source import BLANK

LONGEST_CATEGORY = 200
"""Characters; longer text is no category."""


def is_open(column: Column) -> bool:
    """Return whether the categories of `column` are still to be found."""
    return isinstance(column.axis, CategoryAxis) and not column.axis.values


def category_in(column: Column, cell: object, encoding: str) -> str | None:
    """Return the category that `cell` would be, or None where it can be none: total, and a function of this cell alone.

    Args:
        column: an open column.
        cell: any object.
        encoding: of the CSV files that are written; what it cannot write is no category.
    """
    reading = read_cell(cell)
    if isinstance(reading, float) and reading in column.missing.numbers:
        return None
    if isinstance(reading, (bool, float)):
        whole = isinstance(reading, float) and reading.is_integer()
        reading = str(int(reading) if whole else reading)
    if not isinstance(reading, str):
        return None
    text = reading.strip()
    while (plain := as_declared(text)) != text:  # one spelling of each, so that all of them can stand in one schema
        text = plain
    if column.missing.has_text(text) or column.labels[-1] == text or BLANK in text:
        return None
    if len(text) > LONGEST_CATEGORY or not text.isprintable() or text != text.strip():
        return None
    try:
        text.encode(encoding)
    except ValueError:
        return None
    return text
