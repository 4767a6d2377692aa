"""Synthetic tables as CSV and Parquet files, piece by piece."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpsynth.errors import BundleError, InvalidInput
from dpsynth.schema.axes import Axis, CategoryAxis, MomentAxis, TruthAxis
from dpsynth.schema.cells import moment_of
from dpsynth.schema.columns import Column
from dpsynth.schema.formulas import made_inert
from dpsynth.schema.moment_axis import moment_text
from dpsynth.schema.schema import Schema


def write_codes(schema: Schema, pieces: Iterable[NDArray[np.int32]], spread_seed: int, path: str | Path) -> None:
    """Write a table that arrives in pieces as CSV or Parquet, by the extension; it is there completely or not at all.

    Args:
        schema: what the columns mean.
        pieces: codes, shape (rows, columns) each; where the table is cut does not matter to its cells.
        spread_seed: decides where inside its bin each number falls.
        path: the file; one that exists is replaced once the new one is complete.

    Raises:
        InvalidInput: the extension is neither `.csv` nor `.parquet`.
        BundleError: the file cannot be written, for example because the disk is full.
    """
    place = Path(path)
    writers = {".csv": write_csv, ".parquet": write_parquet}
    if place.suffix.lower() not in writers:
        raise InvalidInput(f"cannot write '{place.name}': the name must end in .csv or .parquet")
    partial = place.with_name(place.name + ".partial")
    try:
        try:
            writers[place.suffix.lower()](schema, decoded(schema, pieces, spread_seed), partial)
            partial.replace(place)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as fault:
        raise BundleError(f"cannot write {place} ({fault.strerror or 'the system refuses'})") from None


def decoded(schema: Schema, pieces: Iterable[NDArray[np.int32]], spread_seed: int) -> Iterator[pd.DataFrame]:
    """Yield the cells of `pieces`, one frame each, and an empty one where there is no piece.

    Each column spreads its numbers with a generator of its own, so the cells do not depend on the cutting.
    """
    spreaders = [np.random.default_rng([spread_seed, place]) for place in range(len(schema.columns))]
    nothing = np.empty((0, len(schema.columns)), dtype=np.int32)
    pieces = iter(pieces)
    for codes in chain([next(pieces, nothing)], pieces):
        cells = [column.decode(codes[:, place], spreaders[place]) for place, column in enumerate(schema.columns)]
        yield pd.concat(cells, axis=1)


def write_csv(schema: Schema, frames: Iterator[pd.DataFrame], path: Path) -> None:
    """Write `frames` in the schema's delimiter and encoding, with a header; formulas are made inert."""
    with path.open("w", encoding=schema.dialect.encoding, newline="") as stream:
        writer = csv.writer(stream, delimiter=schema.dialect.delimiter, lineterminator="\n")
        writer.writerow([made_inert(column.name) for column in schema.columns])
        for frame in frames:
            texts = [_texts(column, frame.iloc[:, place]) for place, column in enumerate(schema.columns)]
            writer.writerows(zip(*texts, strict=True))


def write_parquet(schema: Schema, frames: Iterator[pd.DataFrame], path: Path) -> None:
    """Write `frames` as one Parquet file; its column types follow from the schema alone."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "string": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "datetime": pa.timestamp("ms"),
    }
    layout = pa.schema([pa.field(column.name, types[column.axis.storage]) for column in schema.columns])
    with pq.ParquetWriter(path, layout) as writer:
        for frame in frames:
            arrays = [
                pa.array(_plain(frame.iloc[:, place]), from_pandas=True).cast(kind.type)
                for place, kind in enumerate(layout)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=layout))


def _plain(cells: pd.Series) -> pd.Series:
    return cells.astype(object) if isinstance(cells.dtype, pd.CategoricalDtype) else cells


def _texts(column: Column, cells: pd.Series) -> list[str]:
    """Return the cells of one column as a CSV file shows them."""
    axis = column.axis
    missing = made_inert(column.missing.written)
    present = cells.notna().to_numpy()
    if isinstance(axis, CategoryAxis) and axis.storage == "string":
        shown = np.array([*map(made_inert, map(str, cells.cat.categories)), missing], dtype=object)
        return cast("list[str]", shown[cells.cat.codes.to_numpy()].tolist())
    distinct, inverse = np.unique(cells[present].to_numpy(), return_inverse=True)
    texts = np.full(len(cells), missing, dtype=object)
    texts[present] = np.array([*map(_writer_of(axis), distinct.tolist()), missing], dtype=object)[inverse]
    return cast("list[str]", texts.tolist())


def _writer_of(axis: Axis) -> Callable[[object], str]:
    """Return how one present cell is written; numbers stay numbers, negative ones too."""
    if isinstance(axis, MomentAxis):
        storage, pattern = axis.storage, axis.pattern
        return lambda cell: made_inert(moment_text(moment_of(cast("datetime", cell)).seconds, storage, pattern))
    if isinstance(axis, TruthAxis):
        truth = {False: made_inert(axis.false_texts[0]), True: made_inert(axis.true_texts[0])}
        return lambda cell: truth[bool(cell)]
    return repr
