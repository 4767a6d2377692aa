"""A schema is read, written, compared and asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpsynth.accounting.unit import PrivacyUnit
from dpsynth.errors import InvalidInput, SchemaError
from dpsynth.schema.columns import ColumnKind
from dpsynth.schema.domain import Domain
from dpsynth.schema.schema import Schema
from tests.schema.columns_to_try import FIELDS, SCHEMA

PATIENTS = """\
# who is in the table
name: patients
title: Patients of a clinic
dialect: {delimiter: ";", encoding: latin-1}
missingValues: ["NA", ""]
dpsynth:
  dataset: clinic.patients-2020
  unit: {id_column: patient, max_rows_per_unit: 4}
  public_rows: 5000
  ignore: [free text]
  provenance: code book, version 3
fields:
- {name: patient, type: string}
- name: age
  type: integer
  constraints: {minimum: 0, maximum: 120}
  dpsynth: {bins: 12, provenance: nature}
- {name: sex, type: string, categories: [{value: f, label: female}, m], constraints: {required: true}}
- {name: note, type: string, dpsynth: {role: ignore}}
- {name: free text, type: string}
- {name: smoker, type: boolean, trueValues: [yes, on], falseValues: [no, off]}
- {name: weight, type: number, constraints: {minimum: 1e0, maximum: 1_000}} # underscores are no numbers
"""


@pytest.fixture
def patients() -> Schema:
    return Schema.from_text(PATIENTS.replace("1_000", "1000"))


def test_a_schema_says_what_it_declares(patients: Schema) -> None:
    assert patients.dataset == "clinic.patients-2020"
    assert patients.unit == PrivacyUnit(max_rows_per_unit=4, id_column="patient")
    assert patients.public_rows == 5000
    assert (patients.dialect.delimiter, patients.dialect.encoding) == (";", "latin-1")
    assert [column.name for column in patients.columns] == ["age", "sex", "smoker", "weight"]
    assert patients.ignored == ("free text", "note")
    assert patients.domain == Domain(("age", "sex", "smoker", "weight"), (13, 3, 3, 17))
    assert patients.column("age").kind is ColumnKind.INTEGER
    assert patients.column("age").provenance == "nature"
    assert patients.column("age").missing.written == "NA"
    assert patients.column("smoker").labels == ("no", "yes", "(missing)")
    patients.require_complete()


def test_an_unknown_column_is_refused(patients: Schema) -> None:
    with pytest.raises(InvalidInput, match="'note' is not a column"):
        patients.column("note")


def test_row_units_need_no_id_column() -> None:
    assert SCHEMA.unit == PrivacyUnit()
    assert SCHEMA.dataset == "trial"
    assert SCHEMA.public_rows is None
    assert SCHEMA.ignored == ()


def test_yaml_1_1_traps_stay_categories() -> None:
    listed = ["no", "NO", "yes", "on", "1_000", "010", "null", "~", "1e3", "2001-01-01", "12:30", "0x1F", ".5"]
    column = Schema.from_text(
        f"name: t\ndpsynth: {{unit: {{kind: row}}}}\nfields: [{{name: x, type: string, "
        f"categories: [{', '.join(listed)}]}}]"
    ).column("x")
    assert column.labels[: len(listed)] == tuple(listed)
    assert [column.code_of(text) for text in listed] == list(range(len(listed)))


@pytest.mark.parametrize(
    "text", [PATIENTS.replace("1_000", "1000"), "name: trial\ndpsynth: {unit: {kind: row}}\nfields:\n" + FIELDS]
)
def test_writing_and_reading_gives_the_same_schema(text: str) -> None:
    schema = Schema.from_text(text)
    written = schema.to_yaml()
    again = Schema.from_text(written)
    assert again == schema
    assert again.digest == schema.digest
    assert again.to_yaml() == written


def test_other_readers_of_yaml_see_what_was_meant(patients: Schema) -> None:
    import yaml

    read = yaml.safe_load(patients.to_yaml())
    fields = {field["name"]: field for field in read["fields"]}
    assert fields["smoker"]["trueValues"] == ["yes", "on"]
    assert fields["age"]["constraints"] == {"minimum": 0, "maximum": 120}
    assert fields["sex"]["categories"] == [{"value": "f", "label": "female"}, "m"]
    assert read["dpsynth"]["unit"] == {"id_column": "patient", "max_rows_per_unit": 4}


def test_json_gives_the_same_schema_as_yaml(patients: Schema) -> None:
    import yaml

    read = yaml.safe_load(patients.to_yaml())
    assert Schema.from_text(json.dumps(read)).columns == patients.columns
    assert Schema.from_text(json.dumps(read, indent="\t")).columns == patients.columns


def test_the_digest_sees_declarations_and_not_layout(patients: Schema) -> None:
    base = PATIENTS.replace("1_000", "1000")
    assert len(patients.digest) == 64
    assert Schema.from_text(base.replace("# who is in the table\n", "\n\n")).digest == patients.digest
    for old, new in (
        ("maximum: 120", "maximum: 110"),
        ("[no, off]", "[off, no]"),
        ("max_rows_per_unit: 4", "max_rows_per_unit: 5"),
    ):
        assert Schema.from_text(base.replace(old, new)).digest != patients.digest


def test_a_digest_is_golden() -> None:
    # sha256 of {"dpsynth":{"unit":{"kind":"row"}},"fields":[{"name":"x","type":"boolean"}],"name":"t"}
    schema = Schema.from_text("name: t\ndpsynth: {unit: {kind: row}}\nfields: [{name: x, type: boolean}]")
    import hashlib

    text = b'{"dpsynth":{"unit":{"kind":"row"}},"fields":[{"name":"x","type":"boolean"}],"name":"t"}'
    assert schema.digest == hashlib.sha256(text).hexdigest()


def test_files_are_read(tmp_path: Path, patients: Schema) -> None:
    path = tmp_path / "patients.schema.yaml"
    path.write_text("\ufeff" + patients.to_yaml(), encoding="utf-8")
    assert Schema.from_yaml(path) == Schema.from_yaml(str(path)) == patients


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        (b"name: \xff", "not UTF-8 text"),
        (b"", "must be a mapping"),
        (b"\xff\xfen\x00", "not UTF-8"),
    ],
)
def test_files_that_cannot_be_read_are_refused_by_name(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "broken.schema.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SchemaError, match=message) as refusal:
        Schema.from_yaml(path)
    assert "broken.schema.yaml" in str(refusal.value)


def test_a_folder_and_a_huge_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="cannot be read"):
        Schema.from_yaml(tmp_path)
    huge = tmp_path / "huge.yaml"
    with huge.open("wb") as stream:
        stream.truncate(17 << 20)
    with pytest.raises(SchemaError, match="is this the table itself"):
        Schema.from_yaml(huge)
