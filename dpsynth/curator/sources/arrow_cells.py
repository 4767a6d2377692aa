"""From Arrow columns to cells, whatever stands in them.

How a column is turned into Python objects follows from its storage type alone, never from a cell: text that is not
UTF-8, or a date outside Python's calendar, must stay the affair of its own record.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from dpsynth.curator.sources.base import Cells
from dpsynth.errors import TableError

if TYPE_CHECKING:
    import pyarrow as pa


def cells_of(column: pa.Array) -> Cells:
    """Return the cells of one column of a batch; no cell can make this raise.

    Text that does not decode keeps its bytes as surrogates. Moments come in whole seconds, times of day and durations
    in their own unit. Lists, structs and intervals are missing throughout: no column of a schema can hold them.
    """
    import pyarrow as pa

    kind, types = column.type, pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return cells_of(column.storage)
    cells: Cells
    if types.is_dictionary(kind):
        values = dict(enumerate(cells_of(column.dictionary)))
        cells = [values.get(place) for place in column.indices.to_pylist()]
    elif types.is_run_end_encoded(kind):
        values = dict(enumerate(cells_of(column.values)))
        ends = column.run_ends.to_numpy()
        places = np.searchsorted(ends, np.arange(len(column)) + column.offset, side="right")
        cells = [values.get(place) for place in places.tolist()]
    elif types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        raw = column.view(pa.binary_view()) if types.is_string_view(kind) else column.cast(pa.large_binary())
        cells = [None if cell is None else cell.decode("utf-8", errors="surrogateescape") for cell in raw.to_pylist()]
    elif types.is_timestamp(kind) or types.is_date(kind):
        moments = column.cast(pa.timestamp("s", tz=getattr(kind, "tz", None)), safe=False)
        cells = moments.to_numpy(zero_copy_only=False).astype("datetime64[s]")
    elif types.is_nested(kind) or types.is_interval(kind):
        cells = [None] * len(column)
    elif types.is_temporal(kind):
        cells = column.cast(pa.int32() if types.is_time32(kind) else pa.int64()).to_pylist()
    else:
        cells = column.to_pylist()
    return cells


def guarded(batches: Iterator[list[Cells]], description: str) -> Iterator[list[Cells]]:
    """Yield the batches of a reader that may fail.

    Raises:
        TableError: the reader failed. What it said is dropped, because readers quote cells.
    """
    while True:
        failed, cells = False, None
        try:
            cells = next(batches, None)
        except Exception:  # noqa: BLE001 - whoever makes the batches is foreign code and may raise anything
            failed = True
        if failed:  # outside the handler, so that the reader's error does not travel along as context
            raise TableError(f"{description}: reading the rows failed; the reservation was opened")
        if cells is None:
            return
        yield cells
