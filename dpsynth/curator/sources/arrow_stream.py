"""Rows from an object in memory that offers an Arrow stream, such as a polars frame or a DuckDB relation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dpsynth.curator.sources.arrow_cells import cells_of, guarded
from dpsynth.curator.sources.base import Cells
from dpsynth.errors import TableError

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 100_000


class ArrowStream:
    """An object with `__arrow_c_stream__`; only the schema of its stream is looked at before the data is opened.

    A producer may start to work when its stream is asked for its schema. Nothing it says then is passed on.
    """

    __slots__ = ("_data", "_first")

    def __init__(self, data: object) -> None:
        """Hold the object; no stream is opened yet."""
        self._data = data
        self._first: pa.RecordBatchReader | None = None

    @property
    def description(self) -> str:
        """The kind of object."""
        return "the Arrow stream"

    def column_names(self) -> tuple[str, ...]:
        """Return the names in the stream's schema; takes no batch from it.

        Raises:
            TableError: when no stream opens, or it has no columns, or two of one name.
        """
        self._first = self._first or self._opened()
        names = () if self._first is None else tuple(self._first.schema.names)
        if not names or len(set(names)) != len(names):
            raise TableError(f"{self.description}: it has no columns that can be told apart by name, or does not open")
        return names

    def batches(self) -> Iterator[list[Cells]]:
        """Yield batches of at most 100,000 rows.

        Raises:
            TableError: the producer failed, or gives other columns than before; what it said is dropped.
        """
        return guarded(self._read(), self.description)

    def _read(self) -> Iterator[list[Cells]]:
        names = self.column_names()
        # A stream that can be had only once is the one whose schema was read.
        for batch in self._opened() or self._first or ():
            for start in range(0, batch.num_rows, _BATCH_ROWS):
                yield [cells_of(batch.column(name).slice(start, _BATCH_ROWS)) for name in names]

    def _opened(self) -> pa.RecordBatchReader | None:
        import pyarrow as pa

        try:
            return pa.RecordBatchReader.from_stream(self._data)
        except Exception:  # noqa: BLE001 - the producer is foreign code, and its errors may quote cells
            return None
