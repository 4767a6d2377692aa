"""Rows from a Parquet file, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dpsynth.curator.sources.base import Cells
from dpsynth.errors import TableError


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
                yield [batch.column(name).to_pylist() for name in names]
