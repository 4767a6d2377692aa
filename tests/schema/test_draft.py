"""Drafts hold names and types, and a blank for everything that only public knowledge can tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput, SchemaError
from dpsynth.schema.draft import draft_schema
from dpsynth.schema.schema import Schema
from dpsynth.schema.yaml_source import BLANK, read_yaml


def types_in(text: str) -> dict[str, str]:
    source = read_yaml(text)
    assert source.problems == []
    assert isinstance(source.tree, dict)
    return {field["name"]: field["type"] for field in source.tree["fields"]}  # type: ignore[union-attr,index,call-overload,misc]


def test_types_are_guessed_from_names_word_by_word() -> None:
    guesses = {
        "age": "integer", "birth_year": "integer", "visitCount": "integer", "education-num": "integer",
        "country": "string",
        "admission_date": "date", "event_time": "datetime", "timestamp": "datetime", "is_smoker": "boolean",
        "hasChildren": "boolean",
        "amount": "number", "unit price": "number", "BodyWeight": "number", "heart_rate": "number",
        "race": "string", "state": "string",
        "discount": "string", "history": "string", "AGE": "integer", "separate": "string",
    }  # fmt: skip
    text = draft_schema(list(guesses), "trial")
    assert types_in(text) == guesses
    assert text.count("a guess from the name; rows were not read") == len(guesses)


def test_storage_types_are_kept() -> None:
    types = {
        "a": "int64", "b": "uint8", "c": "double", "d": "decimal128(10, 2)", "e": "bool",
        "f": "timestamp[us, tz=UTC]", "g": "date32[day]",
        "h": "string", "i": "dictionary<values=string, indices=int32, ordered=0>", "j": "halffloat",
        "k": "Int64", "l": "Float64",
        "m": "datetime64[ns]", "n": "object", "o": "list<item: int64>", "p": "large_string", "q": "boolean",
        "r": "float", "s": "time64[us]",
    }  # fmt: skip
    assert list(types_in(draft_schema(list(types), "trial", types)).values()) == [
        "integer", "integer", "number", "number", "boolean", "datetime", "date", "string", "string", "number",
        "integer", "number",
        "datetime", "string", "string", "string", "boolean", "number", "string",
    ]  # fmt: skip


def test_a_draft_is_refused_with_all_blanks_named() -> None:
    text = draft_schema(["age", "city", "is_smoker", "birth_date"], "trial")
    with pytest.raises(SchemaError) as refusal:
        Schema.from_text(text)
    problems = refusal.value.problems
    assert all("still says FILL_IN" in problem.message for problem in problems)
    assert [problem.where for problem in problems] == [
        "dpsynth.unit", "dpsynth.public_rows", "dpsynth.provenance",
        "column 'age': constraints.minimum", "column 'age': constraints.maximum", "column 'age': dpsynth.bins",
        "column 'city': categories", "column 'is_smoker': trueValues", "column 'is_smoker': falseValues",
        "column 'birth_date': format", "column 'birth_date': constraints.minimum",
        "column 'birth_date': constraints.maximum",
        "column 'birth_date': dpsynth.bins",
    ]  # fmt: skip
    lines = text.splitlines()
    assert all(lines[problem.line - 1][problem.column - 1 :].startswith(BLANK) for problem in problems)


def test_a_draft_that_is_filled_in_is_a_schema() -> None:
    text = draft_schema(["age", "city", "active", "birth_date"], "trial", {"active": "bool"})
    for blank, filled in (
        ("unit: FILL_IN", "unit: {kind: row}"), ("public_rows: FILL_IN", "public_rows: 1000"),
        ("provenance: FILL_IN", "provenance: x"),
        ("categories: FILL_IN", "categories: [a, b]"), ("format: FILL_IN", "format: default"),
    ):  # fmt: skip
        text = text.replace(blank, filled)
    age, born = text.split("- name: birth_date")
    age = (
        age.replace("minimum: FILL_IN", "minimum: 0")
        .replace("maximum: FILL_IN", "maximum: 99")
        .replace("bins: FILL_IN", "bins: 10")
    )
    born = (
        born.replace("minimum: FILL_IN", "minimum: 1900-01-01")
        .replace("maximum: FILL_IN", "maximum: 2020-01-01")
        .replace("bins: FILL_IN", "bins: 4")
    )
    assert Schema.from_text(f"{age}- name: birth_date{born}").domain.sizes == (11, 4, 3, 5)


@given(st.lists(st.text().filter(str.strip), min_size=1, max_size=5, unique=True))
def test_any_names_make_a_draft_that_can_be_read(names: list[str]) -> None:
    text = draft_schema(names, "trial")
    if not any("\ud800" <= letter <= "\udfff" for name in names for letter in name):
        assert list(types_in(text)) == names


def test_awkward_names_and_data_set_ids_are_quoted() -> None:
    names = ["no", "null", "1", "a: b", "# c", "=1", "ä", 'quote"', "x\ty", "{", "DATASET", "\U0001f600"]
    text = draft_schema(names, "on")
    assert list(types_in(text)) == names
    assert read_yaml(text).value_at(("name",)) == "on"


@pytest.mark.parametrize(
    ("names", "message"), [([], "at least one"), (["a", " "], "position 2"), (["a", "b", "a"], "positions 1, 3")]
)
def test_headers_that_name_no_table_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        draft_schema(names, "trial")
