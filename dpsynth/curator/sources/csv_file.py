"""Rows from a CSV file, where no record can disturb another.

One physical line is one record, so an unbalanced quote damages its own record and no other. Short records are padded
with missing cells, long ones are cut, bytes that do not decode stay inside their cell. A parser that aborts on a bad
record, or lets it swallow the next one, would make the whole result depend on one person.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from dpsynth.curator.sources.base import Cells
from dpsynth.errors import TableError

_LONGEST_HEADER = 1 << 20
_BATCH_LINES = 50_000
_FOREIGN_MARKS = {
    b"PK\x03\x04": "a ZIP or spreadsheet file",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"\x1f\x8b": "a gzip file",
    b"%PDF": "a PDF file",
    b"\x89PNG": "a picture",
    b"SQLite format 3": "a database",
}


class CsvFile:
    """A CSV file with a header line."""

    __slots__ = ("_delimiter", "_encoding", "_path")

    def __init__(self, path: Path, *, delimiter: str = ",", encoding: str = "utf-8") -> None:
        """Name the file; nothing is read yet."""
        self._path = path
        self._delimiter = delimiter
        self._encoding = "utf-8-sig" if encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else encoding

    @property
    def description(self) -> str:
        """The file's name."""
        return self._path.name

    def column_names(self) -> tuple[str, ...]:
        """Return the header's cells.

        Raises:
            TableError: missing, unreadable or empty file, a file of another kind, or another encoding.
        """
        line = self._header_line()
        for mark, kind in _FOREIGN_MARKS.items():
            if line.startswith(mark):
                raise TableError(f"{self.description}: this is {kind}, not a CSV file. Export it as UTF-8 CSV.")
        if not line.strip():
            raise TableError(f"{self.description}: the file is empty; it needs a header line with the column names")
        if b"\x00" in line or len(line) >= _LONGEST_HEADER:
            raise TableError(f"{self.description}: this is not a table: no header line of column names was found")
        try:
            text = line.decode(self._encoding)
        except (UnicodeDecodeError, LookupError):
            raise TableError(
                f"{self.description}: the header is not text in the encoding '{self._encoding}'. "
                "Save the file as UTF-8, or declare `dialect: {encoding: ...}` in the schema."
            ) from None
        return tuple(name.strip() for name in _split(text.rstrip("\r\n"), self._delimiter))

    def batches(self) -> Iterator[list[Cells]]:
        """Yield batches of at most 50,000 records as text cells."""
        width = len(self.column_names())
        delimiter = self._delimiter
        with self._path.open("rb") as stream:
            stream.readline()
            while lines := list(islice(stream, _BATCH_LINES)):
                records: list[list[str | None]] = []
                for raw in lines:
                    line = raw.decode(self._encoding, errors="surrogateescape").rstrip("\r\n")
                    if not line and width > 1:
                        continue
                    cells: list[str | None] = [*_split(line, delimiter)]
                    if len(cells) != width:
                        cells = (cells + [None] * width)[:width]
                    records.append(cells)
                if records:
                    yield [list(column) for column in zip(*records, strict=True)]

    def _header_line(self) -> bytes:
        try:
            with self._path.open("rb") as stream:
                return stream.readline(_LONGEST_HEADER)
        except FileNotFoundError:
            raise TableError(f"{self._path}: there is no such file") from None
        except IsADirectoryError:
            raise TableError(f"{self._path}: this is a folder; name the CSV or Parquet file inside it") from None
        except OSError as fault:
            raise TableError(f"{self._path}: cannot be read ({fault.strerror})") from None


def _split(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line; never raises and never looks beyond the line."""
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except (csv.Error, StopIteration):
        return line.split(delimiter)
