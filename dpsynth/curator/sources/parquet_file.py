"""Rows from a Parquet file, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dpsynth.curator.sources.arrow_cells import cells_of, guarded
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
        return {field.name: str(field.type) for field in self._arrow_schema()}

    def batches(self) -> Iterator[list[Cells]]:
        """Yield batches of at most 100,000 rows.

        Raises:
            TableError: the file is damaged.
        """
        return guarded(self._read(), self.description)

    def _read(self) -> Iterator[list[Cells]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        fields = {field.name: _storage(field.type) for field in self._arrow_schema()}
        # Lists and structs are missing cells here; left unread, nothing in them can stop the reader.
        flat = [name for name, kind in fields.items() if not pa.types.is_nested(kind)]
        # Unless it is told to keep a dictionary, the reader checks its texts and stops at one that is not UTF-8.
        kept = [name for name in flat if pa.types.is_dictionary(fields[name]) and "string" in str(fields[name])]
        with pq.ParquetFile(self._path, read_dictionary=kept) as parquet:
            for batch in parquet.iter_batches(batch_size=100_000, columns=flat):
                cells = {name: cells_of(batch.column(name)) for name in flat}
                yield [cells.get(name, [None] * batch.num_rows) for name in fields]

    def _arrow_schema(self) -> pa.Schema:
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
        return arrow_schema


def _storage(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
