"""The header of a file: column names and storage types, the only part that is read without a charge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dpsynth.curator.sources.csv_file import CsvFile
from dpsynth.curator.sources.parquet_file import ParquetFile
from dpsynth.errors import TableError


@dataclass(frozen=True, slots=True)
class Header:
    """Names of the columns, and their storage types where the file itself states them (Parquet)."""

    names: tuple[str, ...]
    storage_types: Mapping[str, str] | None


def read_header(path: Path) -> Header:
    """Return the header of a CSV or Parquet file; reads no row.

    Raises:
        TableError: no such file, no header, repeated or empty names, or a first line that looks like a record: its
            cells would be written into the draft, and they belong to a person.
    """
    if path.suffix.lower() in {".parquet", ".pq"}:
        types = ParquetFile(path).storage_types()
        return Header(names=tuple(types), storage_types=types)
    names = CsvFile(path).column_names()
    if any(not name or _is_number(name) for name in names):
        raise TableError(
            f"{path.name}: the first line does not look like a header (it has empty or numeric names). "
            "Add a line with the column names."
        )
    if len(set(names)) != len(names):
        raise TableError(f"{path.name}: the header repeats a column name; rename the columns apart")
    return Header(names=names, storage_types=None)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
