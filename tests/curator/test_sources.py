"""No cell stops a source, and nothing a producer says about its cells is passed on."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from encodings import __path__ as codec_folders
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator import Curator
from dpsynth.curator.sources.arrow_stream import ArrowStream
from dpsynth.curator.sources.base import RowSource
from dpsynth.curator.sources.csv_file import CsvFile
from dpsynth.curator.sources.frame import Frame
from dpsynth.curator.sources.parquet_file import ParquetFile
from dpsynth.errors import SchemaError, TableError
from dpsynth.ledger import Ledger
from dpsynth.schema.codec import encode_cells
from dpsynth.schema.schema import Schema

SECRET = "SECRET-CELL"
SCHEMA = """
name: clinic
fields:
  - {name: a, type: string, categories: [x, y]}
dpsynth: {unit: {kind: row}, public_rows: 2000}
"""


def wrongly_encoded(kind: pa.DataType) -> pa.Array:
    """Return three cells of text, the middle one not UTF-8."""
    is_large = kind == pa.large_string()
    raw = pa.array([b"x", b"\xff\xfe" + SECRET.encode(), b"y"], pa.large_binary() if is_large else pa.binary())
    if kind == pa.string_view():
        return raw.cast(pa.binary_view()).view(kind)
    return pa.Array.from_buffers(kind, 3, raw.buffers())


def of_words(words: list[int], kind: pa.DataType, stored: pa.DataType | None = None) -> pa.Array:
    return pa.array(words, stored or pa.int64()).view(kind)


FAR = [0, 2**62, 1]
COLUMNS: dict[str, Callable[[], pa.Array]] = {
    "text": lambda: wrongly_encoded(pa.string()),
    "large text": lambda: wrongly_encoded(pa.large_string()),
    "text view": lambda: wrongly_encoded(pa.string_view()),
    "dictionary": lambda: pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), wrongly_encoded(pa.string())),
    "dictionary of moments": lambda: pa.DictionaryArray.from_arrays(
        pa.array([0, 1, None]), pa.array([0, 10**14], pa.timestamp("s"))
    ),
    "runs": lambda: pa.RunEndEncodedArray.from_arrays(pa.array([1, 2, 3], pa.int32()), pa.array(["x", "?", "y"])),
    "second": lambda: of_words([0, 10**14, 1], pa.timestamp("s")),
    "unknown zone": lambda: of_words([0, 10**14, 1], pa.timestamp("ms", tz="Mars/Base")),
    "day": lambda: of_words([0, 2**31 - 1, 1], pa.date32(), pa.int32()),
    "day in milliseconds": lambda: of_words(FAR, pa.date64()),
    "time of day": lambda: of_words(FAR, pa.time64("us")),
    "duration": lambda: of_words(FAR, pa.duration("s")),
    "interval": lambda: pa.array([None, (1, 2, 3), None], pa.month_day_nano_interval()),
    "list": lambda: pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), wrongly_encoded(pa.string())),
    "structure": lambda: pa.StructArray.from_arrays([wrongly_encoded(pa.string())], ["part"]),
    "nothing": lambda: pa.nulls(3),
}
if hasattr(pa, "json_"):
    COLUMNS["JSON"] = lambda: pa.ExtensionArray.from_storage(pa.json_(), wrongly_encoded(pa.string()))
    COLUMNS["UUID"] = lambda: pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"\xff" * 16] * 3, pa.binary(16)))


def in_parquet(table: pa.Table, folder: Path) -> RowSource:
    file = folder / "t.parquet"
    try:
        pq.write_table(table, file)
    except pa.ArrowNotImplementedError:
        pytest.skip("a Parquet file cannot hold this")
    return ParquetFile(file)


def in_stream(table: pa.Table, folder: Path) -> RowSource:
    return ArrowStream(table)


def in_frame(table: pa.Table, folder: Path) -> RowSource:
    return Frame(
        pd.DataFrame({name: pd.Series(pd.arrays.ArrowExtensionArray(table[name])) for name in table.schema.names})
    )


@pytest.mark.parametrize("place", [in_parquet, in_stream, in_frame])
@pytest.mark.parametrize("column", COLUMNS)
def test_no_arrow_cell_stops_a_source_or_disturbs_another(
    column: str, place: Callable[[pa.Table, Path], RowSource], tmp_path: Path
) -> None:
    table = pa.table({"strange": COLUMNS[column](), "a": ["x", "y", "z"]})
    source = place(table, tmp_path)
    assert source.column_names() == ("strange", "a")
    (batch,) = source.batches()
    assert [len(cells) for cells in batch] == [3, 3]
    schema = Schema.from_text(SCHEMA.replace("name: a", "name: strange"), source="x")
    codes = encode_cells(schema, {"strange": batch[0]})[:, 0].tolist()
    if column in {"text", "large text", "text view", "dictionary", "runs", "JSON"}:
        assert (codes[0], codes[2]) == (0, 1)


def test_a_stream_is_the_same_as_its_parquet_file(tmp_path: Path) -> None:
    table = pa.table(
        {
            "seen": pa.array([0, None, 86_400_000], pa.timestamp("ms")),
            "kind": pa.array(["x", None, "y"]).dictionary_encode(),
            "size": pa.array([1, None, 3], pa.int8()),
            "part": pa.array(["x", "y", None], pa.large_string()),
        }
    )
    (streamed,) = in_stream(table, tmp_path).batches()
    (filed,) = in_parquet(table, tmp_path).batches()
    assert [list(map(str, cells)) for cells in streamed] == [list(map(str, cells)) for cells in filed]


def test_slices_of_runs_and_dictionaries_keep_their_place() -> None:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([2, 5], pa.int32()), pa.array(["x", "y"]))
    words = pa.array(["x", "y", "x", None, "y"]).dictionary_encode()
    whole = pa.record_batch([runs, words], names=["runs", "words"])
    stream = pa.RecordBatchReader.from_batches(whole.schema, iter([whole.slice(1, 3)]))
    assert list(ArrowStream(stream).batches()) == [[["x", "y", "y"], ["y", "x", None]]]


# ------------------------------------------------------------------------------------------------------------ streams


class Producer:
    """Batches made on demand, which count themselves and may fail."""

    def __init__(self, *, fails: bool) -> None:
        self.made = 0
        self._fails = fails
        self._schema = pa.schema([("a", pa.string())])
        self.reader = pa.RecordBatchReader.from_batches(self._schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for number in range(3):
            if self._fails and number == 1:
                raise ValueError(f"could not cast '{SECRET}' to INTEGER")
            self.made += 1
            yield pa.record_batch([pa.array(["x"] * 10)], schema=self._schema)


class Once:
    """A stream that can be had once only."""

    def __init__(self, table: pa.Table) -> None:
        self._table: pa.Table | None = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        if self._table is None:
            raise RuntimeError(SECRET)
        table, self._table = self._table, None
        return table.__arrow_c_stream__(requested_schema)


def test_no_batch_is_taken_before_anything_is_charged() -> None:
    producer = Producer(fails=False)
    books = Ledger("sqlite://")
    books.set_budget("clinic", PrivacyBudget(1, "1e-6"))
    made = Curator.open(
        producer.reader, Schema.from_text(SCHEMA, source="x"), ledger=books, control_fraction=Fraction(0)
    )
    assert producer.made == 0
    with made.within(PrivacyBudget("0.1", "1e-6"), purpose="x"):
        assert producer.made == 3


def test_what_a_failing_producer_says_is_dropped_and_the_reservation_is_spent() -> None:
    books = Ledger("sqlite://")
    books.set_budget("clinic", PrivacyBudget(1, "1e-6"))
    made = Curator.open(Producer(fails=True).reader, Schema.from_text(SCHEMA, source="x"), ledger=books)
    with pytest.raises(TableError) as refusal, made.within(PrivacyBudget("0.1", "1e-6"), purpose="x"):
        pass
    said: BaseException | None = refusal.value
    while said is not None:
        assert SECRET not in str(said)
        said = said.__cause__ or said.__context__
    assert books.spent("clinic").mu_squared


def test_a_stream_that_can_be_had_once_is_enough() -> None:
    source = ArrowStream(Once(pa.table({"a": ["x", "y"]})))
    assert source.column_names() == ("a",)
    assert list(source.batches()) == [[["x", "y"]]]


def test_a_long_batch_is_cut() -> None:
    sizes = [len(cells) for (cells,) in ArrowStream(pa.table({"a": np.arange(250_000)})).batches()]
    assert sizes == [100_000, 100_000, 50_000]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), "told apart"),
        (pa.table({}), "no columns"),
        (3, "does not open"),
    ],
)
def test_a_stream_without_usable_names_is_refused(data: object, words: str) -> None:
    with pytest.raises(TableError, match=words):
        ArrowStream(data).column_names()


def test_a_damaged_parquet_file_is_one_message(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [SECRET] * 1000}), file, use_dictionary=False, compression="snappy")
    raw = bytearray(file.read_bytes())
    raw[4:40] = b"\xff" * 36
    file.write_bytes(raw)
    with pytest.raises(TableError, match=r"t\.parquet: reading the rows failed"):
        list(ParquetFile(file).batches())


# ---------------------------------------------------------------------------------------------------------- encodings


def is_declared(encoding: str) -> bool:
    try:
        Schema.from_text(f"{SCHEMA}dialect: {{encoding: {encoding}}}\n", source="x")
    except SchemaError:
        return False
    return True


CODECS = sorted(module.name for module in pkgutil.iter_modules(codec_folders) if module.name not in {"mbcs", "oem"})
ACCEPTED = [encoding for encoding in CODECS if is_declared(encoding)]


@pytest.mark.parametrize(
    "encoding",
    [
        *("iso2022_jp", "iso2022_kr", "hz", "utf-7", "raw_unicode_escape", "unicode_escape", "punycode", "idna"),
        *("utf-16", "cp037", "rot13", "base64", "zlib", "undefined", "no-such-codec"),
    ],
)
def test_an_encoding_that_can_stop_at_a_byte_is_refused(encoding: str) -> None:
    with pytest.raises(SchemaError, match=r"keeps no state, such as utf-8 .*latin-1, iso8859-15, cp1252"):
        Schema.from_text(f"{SCHEMA}dialect: {{encoding: {encoding}}}\n", source="x")


def test_common_encodings_are_accepted() -> None:
    for encoding in ("utf-8", "UTF8", "latin-1", "cp1252", "iso8859-15", "koi8-r", "shift_jis", "gb18030", "ascii"):
        assert is_declared(encoding)


@given(line=st.lists(st.sampled_from([*range(256), *b"\x1b~+\\$\x0e"]), max_size=12).map(bytes))
def test_no_bytes_stop_an_accepted_encoding(line: bytes) -> None:
    for encoding in ACCEPTED:
        assert isinstance(line.decode(encoding, errors="surrogateescape"), str)


@pytest.mark.parametrize("encoding", ["iso2022_jp", "utf-7", "raw_unicode_escape", "hz"])
def test_no_line_stops_a_file_in_whatever_encoding(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    strange = [b"y\xa5\x1b,1", b"\x14+DVUm,1", b"\xb9\\u\xe5\x13\x96,1", b"H\xcf~,1"]
    file.write_bytes(b"\n".join([b"a,b", b"x,1", *strange, b"y,2"]) + b"\n")
    (batch,) = CsvFile(file, encoding=encoding).batches()
    assert (batch[0][0], batch[0][-1], len(batch[0])) == ("x", "y", 6)
