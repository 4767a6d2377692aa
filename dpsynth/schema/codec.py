"""From cells to codes, column by column and cell by cell."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import TableError
from dpsynth.schema.cells import Cells
from dpsynth.schema.schema import Schema


def encode_cells(schema: Schema, columns: Mapping[str, Cells]) -> NDArray[np.int32]:
    """Return the codes of a table.

    Each code depends on its own cell and the schema only: not on other cells, and not on the storage type that other
    cells forced on their column. Whatever stands in a cell, there is a code for it. Columns that the schema does not
    code are ignored.

    Args:
        schema: what is publicly known.
        columns: the cells of every column of the schema, all of the same length.

    Returns:
        Codes, shape (rows, columns), columns in the order of the schema.

    Raises:
        TableError: a column is missing, or columns differ in length.
    """
    absent = [column.name for column in schema.columns if column.name not in columns]
    if absent:
        raise TableError("columns of the schema are not there: " + ", ".join(f"'{name}'" for name in absent))
    if len({len(columns[column.name]) for column in schema.columns}) > 1:
        raise TableError("columns of a table must have the same number of cells")
    coded = [column.encode(columns[column.name]) for column in schema.columns]
    return np.ascontiguousarray(np.column_stack(coded))
