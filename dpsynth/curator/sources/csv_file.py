"""Rows from a CSV file, where no record can disturb another.

One physical line is one record, so an unbalanced quote damages its own record and no other. A line with more or fewer
cells than the header is no record and gives no row; bytes that do not decode stay inside their cell. A parser that
aborts on a bad record, or lets it swallow the next one, would make the whole result depend on one person.

A line break inside quotes therefore makes lines that nobody meant to be records. Most have another number of cells and
are dropped; one that happens to have the right number is taken for a record. Such tables belong into Parquet.
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
            TableError: missing, unreadable or empty file, a file of another kind, another encoding, or lines that end
                with a carriage return alone: then the first line is the whole table.
        """
        line = self._header_line()
        for mark, kind in _FOREIGN_MARKS.items():
            if line.startswith(mark):
                raise TableError(f"{self.description}: this is {kind}, not a CSV file. Export it as UTF-8 CSV.")
        if not line.strip():
            raise TableError(f"{self.description}: the file is empty; it needs a header line with the column names")
        if b"\x00" not in line and b"\r" in line.rstrip(b"\r\n"):
            raise TableError(
                f"{self.description}: the first line has a carriage return inside. Save the file with line ends LF or "
                "CR LF, and with no line break inside a column name."
            )
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
        """Yield batches of at most 50,000 records as text cells, without lines of another width than the header."""
        width = len(self.column_names())
        delimiter = self._delimiter
        with self._path.open("rb") as stream:
            stream.readline()
            while lines := list(islice(stream, _BATCH_LINES)):
                split = (_split(self._decoded(line).rstrip("\r\n"), delimiter) for line in lines)
                records = [cells for cells in split if len(cells) == width]
                if records:
                    yield [list(column) for column in zip(*records, strict=True)]

    def _decoded(self, line: bytes) -> str:
        """Return the text of one line; never raises, though some codecs do whatever they are told about errors."""
        try:
            return line.decode(self._encoding, errors="surrogateescape")
        except ValueError:
            return line.decode("ascii", errors="replace")

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
