"""Reads the table of a release back, to see that it is what its schema and certificate say. Public from end to end."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import BundleError
from dpsynth.schema.axes import CategoryAxis
from dpsynth.schema.cells import read_cell
from dpsynth.schema.columns import Column
from dpsynth.schema.formulas import as_declared
from dpsynth.schema.schema import Schema

_LONGEST_FIELD = 1 << 20


def problems_of_table(path: Path, schema: Schema, rows: int) -> list[str]:
    """Return what is wrong with the table in `path`, one sentence each; empty where nothing is.

    Checks that it can be read, holds exactly the columns of `schema` in their order and `rows` rows, that every cell
    lies in the declared domain or is written the way the schema writes cells outside it, and that no row is one that
    the schema declares impossible.
    """
    try:
        cells = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path, schema)
    except (OSError, ValueError, LookupError, csv.Error) as fault:
        return [f"{path.name} cannot be read as a table ({type(fault).__name__})"]
    names = [column.name for column in schema.columns]
    if list(cells) != names:
        return [f"{path.name} has other columns than the schema"]
    codes = {column.name: column.encode(cells[column.name]) for column in schema.columns}
    problems = [
        f"column '{column.name}' holds cells outside its declared domain"
        for column in schema.columns
        if _leaves_domain(column, cells[column.name], codes[column.name])
    ]
    if schema.constraints.violations(np.stack(list(codes.values()), axis=1)).any():
        problems.append(f"{path.name} has rows that the schema declares impossible")
    found = len(cells[names[0]])
    if found != rows:
        problems.append(f"{path.name} has {found} rows, the certificate is about {rows}")
    return problems


def codes_of_table(path: Path, schema: Schema) -> NDArray[np.int32]:
    """Return the codes of the table in `path`, shape (rows, columns): those that it was written from.

    Raises:
        BundleError: it cannot be read as a table of `schema`.
    """
    try:
        cells = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path, schema)
        return np.stack([column.encode(cells[column.name]) for column in schema.columns], axis=1)
    except (OSError, ValueError, LookupError, csv.Error) as fault:
        raise BundleError(f"{path.name} cannot be read as a table ({type(fault).__name__})") from fault


def codes_as_written(codes: NDArray[np.int32], schema: Schema) -> NDArray[np.int32]:
    """Return what `codes_of_table` finds in a file that these codes were written to.

    A cell outside the domain of a column that has no label for it is written like a missing one.
    """
    written = codes.copy()
    for place, column in enumerate(schema.columns):
        label = column.axis.outside_label if isinstance(column.axis, CategoryAxis) else None
        if column.missing_code is not None and column.outside_code is not None and label is None:
            cells = written[:, place]
            written[:, place] = np.where(cells == column.outside_code, column.missing_code, cells)
    return written


def _leaves_domain(column: Column, cells: Sequence[object], codes: NDArray[np.int32]) -> bool:
    """Return whether a cell has the code of cells that do not fit, and is not written as the schema writes those."""
    slot = column.missing_code if column.outside_code is None else column.outside_code
    label = column.axis.outside_label if isinstance(column.axis, CategoryAxis) else None
    empty_fits = column.outside_code is None or column.missing_code is None
    suspects = (cells[place] for place in (codes == slot).nonzero()[0])
    return not all((empty_fits and _is_empty(column, cell)) or _is_label(cell, label) for cell in suspects)


def _is_label(cell: object, label: str | None) -> bool:
    return label is not None and isinstance(cell, str) and as_declared(cell) == label


def _is_empty(column: Column, cell: object) -> bool:
    if isinstance(cell, str):
        return column.missing.has_text(cell) or column.missing.has_text(as_declared(cell))
    reading = read_cell(cell)
    return reading is None or reading in column.missing.numbers


def _read_csv(path: Path, schema: Schema) -> dict[str, list[str]]:
    csv.field_size_limit(_LONGEST_FIELD)
    with path.open(encoding=schema.dialect.encoding, newline="") as file:
        reader = csv.reader(file, delimiter=schema.dialect.delimiter, strict=True)
        header = [as_declared(name) for name in next(reader, [])]
        rows = list(reader)
    if not header or len(set(header)) != len(header) or any(len(row) != len(header) for row in rows):
        raise ValueError("a table has one header and rows of its length")
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}


def _read_parquet(path: Path) -> dict[str, list[object]]:
    import pyarrow as pa
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except pa.ArrowException as fault:
        raise ValueError("not a Parquet file") from fault
    return {name: table.column(name).to_pylist() for name in table.column_names}
