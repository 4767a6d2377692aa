"""Synthetic tables as frames and files."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import BundleError, InvalidInput
from dpsynth.schema import table
from dpsynth.schema.codec import encode_cells
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable
from tests.schema.columns_to_try import FIELDS, SCHEMA


def decodable_codes(schema: Schema, rows: int, seed: int = 1) -> np.ndarray:
    """Return random codes without outside slots that come back as missing."""
    codes = np.random.default_rng(seed).integers(0, schema.domain.sizes, (rows, len(schema.columns))).astype(np.int32)
    for place, column in enumerate(schema.columns):
        if column.missing_code is not None and column.labels[-1] == "(outside)":
            codes[codes[:, place] == column.outside_code, place] = column.missing_code
    return codes


@pytest.fixture
def synthetic() -> SyntheticTable:
    return SyntheticTable(SCHEMA, decodable_codes(SCHEMA, 300), spread_seed=5, provenance={"generator": "test"})


def read_csv(path: Path, schema: Schema) -> list[list[str]]:
    with path.open(encoding=schema.dialect.encoding, newline="") as stream:
        return list(csv.reader(stream, delimiter=schema.dialect.delimiter))


def codes_in_csv(path: Path, schema: Schema) -> list[list[int]]:
    _, *records = read_csv(path, schema)
    return encode_cells(
        schema, {column.name: cells for column, cells in zip(schema.columns, zip(*records, strict=True), strict=True)}
    ).tolist()


def test_frames_are_the_same_for_the_same_seed(synthetic: SyntheticTable) -> None:
    first, second = synthetic.to_pandas(), synthetic.to_pandas()
    pd.testing.assert_frame_equal(first, second)
    assert list(first.columns) == [column.name for column in SCHEMA.columns]
    assert len(first) == len(synthetic) == synthetic.rows == 300
    other = SyntheticTable(SCHEMA, synthetic.codes, spread_seed=6).to_pandas()
    assert not other["price"].equals(first["price"])


def test_frames_are_encoded_to_the_codes_they_came_from(synthetic: SyntheticTable) -> None:
    frame = synthetic.to_pandas()
    assert encode_cells(SCHEMA, {name: frame[name] for name in frame}).tolist() == synthetic.codes.tolist()


def test_csv_files_are_encoded_to_the_codes_they_came_from(
    synthetic: SyntheticTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synthetic.write(tmp_path / "whole.csv")
    assert codes_in_csv(tmp_path / "whole.csv", SCHEMA) == synthetic.codes.tolist()
    monkeypatch.setattr(table, "_CHUNK_ROWS", 7)
    synthetic.write(tmp_path / "pieces.csv")
    assert (tmp_path / "pieces.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_parquet_files_hold_declared_types_and_the_codes_they_came_from(
    synthetic: SyntheticTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    monkeypatch.setattr(table, "_CHUNK_ROWS", 64)
    synthetic.write(tmp_path / "table.PARQUET")
    read = pq.read_table(tmp_path / "table.PARQUET")
    kinds = {field.name: str(field.type) for field in read.schema}
    assert {name: kinds[name] for name in ("city", "sex", "age", "share", "smoker", "born", "seen")} == {
        "city": "string", "sex": "int64", "age": "int64", "share": "double", "smoker": "bool",
        "born": "date32[day]", "seen": "timestamp[ms]",
    }  # fmt: skip
    assert (
        encode_cells(SCHEMA, {name: read.column(name) for name in read.column_names}).tolist()
        == synthetic.codes.tolist()
    )


def test_the_dialect_and_the_first_missing_value_are_written(tmp_path: Path) -> None:
    schema = Schema.from_text(
        'name: t\ndialect: {delimiter: ";", encoding: latin-1}\nmissingValues: ["?", ""]\n'
        "dpsynth: {unit: {kind: row}}\nfields: [{name: größe, type: string, categories: [groß, 'a;b']},"
        "{name: n, type: integer, constraints: {minimum: -5, maximum: -5}},"
        "{name: b, type: boolean, trueValues: [ja], falseValues: [nein]}, {name: d, type: date, format: '%d.%m.%Y',"
        " constraints: {minimum: 2020-02-29, maximum: 2020-02-29}}]"
    )
    SyntheticTable(schema, np.array([[0, 0, 1, 0], [1, 1, 0, 1], [2, 0, 2, 0], [3, 0, 0, 0]], dtype=np.int32), 0).write(
        tmp_path / "t.csv"
    )
    assert (tmp_path / "t.csv").read_text(encoding="latin-1") == (
        'größe;n;b;d\ngroß;-5;ja;29.02.2020\n"a;b";?;nein;?\n?;-5;?;29.02.2020\nother;-5;nein;29.02.2020\n'
    )


def test_formulas_do_not_survive_in_csv_files_and_are_read_back(tmp_path: Path) -> None:
    values = ["=cmd|' /C calc'!A0", "+x", "-x", "@x", " =1", "-", "-1"]
    listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    schema = Schema.from_text(
        f"name: t\nmissingValues: ['-', '']\ndpsynth: {{unit: {{kind: row}}}}\n"
        f"fields: [{{name: '=f', type: string, categories: [{listed}],"
        " missingValues: ['+']}, {name: n, type: number, constraints: {minimum: -3, maximum: -3}},"
        "{name: b, type: boolean, trueValues: ['=yes'], falseValues: ['@no']}]"
    )
    codes = np.array([[value, value % 2, value % 3] for value in range(9)], dtype=np.int32)
    SyntheticTable(schema, codes, 0).write(tmp_path / "t.csv")
    header, *records = read_csv(tmp_path / "t.csv", schema)
    assert header == ["'=f", "n", "b"]
    assert [record[0] for record in records] == [
        "'=cmd|' /C calc'!A0", "'+x", "'-x", "'@x", "' =1", "'-", "-1", "'+", "other"
    ]  # fmt: skip
    assert {record[1] for record in records} == {"-3.0", "'-"}
    assert {record[2] for record in records} == {"'=yes", "'@no", "'-"}
    assert codes_in_csv(tmp_path / "t.csv", schema) == codes.tolist()


def test_an_empty_table_is_a_header(tmp_path: Path) -> None:
    empty = SyntheticTable(SCHEMA, np.empty((0, len(SCHEMA.columns)), dtype=np.int32), 0)
    assert empty.to_pandas().shape == (0, len(SCHEMA.columns))
    for name in ("t.csv", "t.parquet"):
        empty.write(tmp_path / name)
    assert len(read_csv(tmp_path / "t.csv", SCHEMA)) == 1
    assert pd.read_parquet(tmp_path / "t.parquet").shape == (0, len(SCHEMA.columns))


def test_rows_are_selected_by_truth_values(synthetic: SyntheticTable) -> None:
    mask = synthetic.codes[:, 0] == 1
    kept = synthetic.select(mask)
    assert kept.codes.tolist() == synthetic.codes[mask].tolist()
    assert kept.provenance == {"generator": "test"}
    with pytest.raises(InvalidInput):
        synthetic.select(np.ones(3, dtype=np.bool_))
    with pytest.raises(InvalidInput):
        synthetic.select(np.arange(300))  # type: ignore[arg-type]


def test_codes_that_the_schema_does_not_have_are_refused() -> None:
    width = len(SCHEMA.columns)
    for codes in (np.full((1, width), -1), np.full((1, width), 10_000), np.zeros((1, width + 1)), np.zeros(width)):
        with pytest.raises(InvalidInput):
            SyntheticTable(SCHEMA, codes.astype(np.int32), 0)
    with pytest.raises(InvalidInput):
        SyntheticTable(SCHEMA, np.zeros((1, width), dtype=np.int32), -1)


def test_other_extensions_are_refused(synthetic: SyntheticTable, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"must end in \.csv or \.parquet"):
        synthetic.write(tmp_path / "t.xlsx")


def test_a_file_is_written_completely_or_not_at_all(
    synthetic: SyntheticTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BundleError, match="cannot write"):
        synthetic.write(tmp_path / "absent" / "t.csv")
    from dpsynth.schema import table_files

    def full(*_: object) -> list[str]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(table_files, "_texts", full)
    with pytest.raises(BundleError, match="No space left on device"):
        synthetic.write(tmp_path / "t.csv")
    assert list(tmp_path.iterdir()) == []


def test_schemas_of_the_trial_are_all_tried() -> None:
    assert len(re.findall(r"^- ", FIELDS, re.MULTILINE)) == len(SCHEMA.columns)
