"""Rows from a Parquet file, batch by batch.

How a column is turned into Python objects follows from its storage type alone, never from a cell: text that is not
UTF-8, or a date outside Python's calendar, must stay the affair of its own record.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dpsynth.curator.sources.base import Cells
from dpsynth.errors import TableError

if TYPE_CHECKING:
    import pyarrow as pa


class ParquetFile:
    """A Parquet file; only its column names and storage types are looked at before the data is opened."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is read yet."""
        self._path = path

    @property
    def description(self) -> str:
        """The file's name."""
        return self._path.name

    def column_names(self) -> tuple[str, ...]:
        """Return the names in the file's footer.

        Raises:
            TableError: missing, unreadable or damaged file.
        """
        return tuple(self.storage_types())

    def storage_types(self) -> dict[str, str]:
        """Return the storage type of every column, as the file's footer names it.

        Raises:
            TableError: missing, unreadable or damaged file, or two columns of one name.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            arrow_schema = pq.read_schema(self._path)
        except FileNotFoundError:
            raise TableError(f"{self._path}: there is no such file") from None
        except (OSError, pa.ArrowException):
            raise TableError(f"{self.description}: this is not a readable Parquet file") from None
        if len(set(arrow_schema.names)) != len(arrow_schema.names):
            raise TableError(f"{self.description}: two columns have the same name; rename one of them")
        return {field.name: str(field.type) for field in arrow_schema}

    def batches(self) -> Iterator[list[Cells]]:
        """Yield record batches as Python objects."""
        import pyarrow.parquet as pq

        names = list(self.column_names())
        with pq.ParquetFile(self._path) as parquet:
            for batch in parquet.iter_batches(batch_size=100_000, columns=names):
                yield [_cells(batch.column(name)) for name in names]


def _cells(column: pa.Array) -> Cells:
    """Return the cells of one column of a batch; no cell can make this raise."""
    import pyarrow as pa

    kind = column.type
    cells: Cells
    if pa.types.is_dictionary(kind):
        return _cells(column.dictionary_decode())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        as_bytes = column.cast(pa.large_binary()).to_pylist()
        cells = [None if cell is None else cell.decode("utf-8", errors="surrogateescape") for cell in as_bytes]
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        moments = column.cast(pa.timestamp("s", tz=getattr(kind, "tz", None)), safe=False)
        cells = moments.to_numpy(zero_copy_only=False).astype("datetime64[s]")
    elif pa.types.is_temporal(kind):
        cells = column.cast(pa.int32() if pa.types.is_time32(kind) else pa.int64()).to_pylist()
    elif pa.types.is_nested(kind):
        cells = [None] * len(column)
    else:
        cells = column.to_pylist()
    return cells
