"""Cells of open columns: which category each would be, and that every category found makes a schema."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import SchemaError
from dpsynth.schema.formulas import made_inert
from dpsynth.schema.open_categories import LONGEST_CATEGORY, category_in, is_open
from dpsynth.schema.schema import Schema
from tests.schema.columns_to_try import cells

OPEN = Schema.from_text("""
name: trial
missingValues: ["", "NA", "-9"]
fields:
  - {name: city, type: string, dpsynth: {categories: private, provenance: a survey}}
  - {name: sex, type: string, categories: [f, m]}
dpsynth: {unit: {kind: row}}
""")
CITY = OPEN.column("city")


def test_an_open_column_has_only_special_slots_and_the_schema_is_not_complete() -> None:
    assert is_open(CITY)
    assert not is_open(OPEN.column("sex"))
    assert (CITY.size, CITY.code_of("Bonn"), CITY.code_of(None)) == (2, CITY.outside_code, CITY.missing_code)
    with pytest.raises(SchemaError, match=r"city.*dpsynth discover"):
        OPEN.require_complete()
    assert Schema.from_text(OPEN.to_yaml()) == OPEN


def test_found_categories_complete_the_schema() -> None:
    made = OPEN.with_categories({"city": ["Bonn", "=1+1"]}, "found in a test")
    made.require_complete()
    column = made.column("city")
    assert [column.code_of(cell) for cell in ("Bonn", " Bonn ", "=1+1", "'=1+1", "Ulm", None)] == [0, 0, 1, 1, 3, 2]
    assert column.provenance == "a survey; found in a test"
    assert made.column("sex") == OPEN.column("sex")
    assert Schema.from_text(made.to_yaml()).digest == made.digest


def test_a_column_without_any_category_is_left_out() -> None:
    made = OPEN.with_categories({"city": []}, "found in a test")
    assert [column.name for column in made.columns] == ["sex"]
    assert "city" in made.ignored


@pytest.mark.parametrize(
    ("cell", "category"),
    [
        ("Bonn", "Bonn"),
        (" Bonn\t", "Bonn"),
        ("'=1+1", "=1+1"),
        ("''=1+1", "=1+1"),
        (b"Bonn", "Bonn"),
        (3, "3"),
        (3.0, "3"),
        (2.5, "2.5"),
        (True, "True"),
        ("", None),
        ("  ", None),
        ("NA", None),
        (-9, None),
        (None, None),
        (float("nan"), None),
        ("other", None),
        ("two\nlines", None),
        ("FILL_IN", None),
        ("x" * (LONGEST_CATEGORY + 1), None),
        ("\ud800", None),
        ([1], None),
    ],
)
def test_which_category_a_cell_would_be(cell: object, category: str | None) -> None:
    assert category_in(CITY, cell, "utf-8") == category


def test_what_a_file_cannot_write_is_no_category() -> None:
    assert category_in(CITY, "Łódź", "latin-1") is None
    assert category_in(CITY, "Köln", "latin-1") == "Köln"


@given(cells)
def test_any_object_may_stand_in_a_cell(cell: object) -> None:
    category = category_in(CITY, cell, "utf-8")
    assert category is None or category.strip()


@given(st.lists(st.text(max_size=8) | st.sampled_from(["=1", "'=1", "''=1", "-3", "- 3", "3", "3.0", "no", "other"])))
def test_whatever_is_found_makes_a_schema_in_which_each_category_has_its_own_code(cells: list[str]) -> None:
    found = [category_in(CITY, cell, "utf-8") for cell in cells]
    distinct = list(dict.fromkeys(category for category in found if category is not None))
    made = OPEN.with_categories({"city": distinct}, "found in a test")
    if not distinct:
        return
    column = made.column("city")
    for code, category in enumerate(distinct):
        assert column.code_of(category) == column.code_of(made_inert(category)) == code
    for cell, category in zip(cells, found, strict=True):
        if category is not None and cell == cell.strip() and not cell.startswith("''"):
            assert column.code_of(cell) == distinct.index(category)


@pytest.mark.parametrize(
    "field",
    [
        "{name: x, type: string, categories: [a], dpsynth: {categories: private}}",
        "{name: x, type: integer, categories: [1], dpsynth: {categories: private}}",
        "{name: x, type: string, categoriesOrdered: true, dpsynth: {categories: private}}",
        "{name: x, type: string, dpsynth: {categories: secret}}",
    ],
)
def test_only_unordered_text_without_a_list_can_be_open(field: str) -> None:
    with pytest.raises(SchemaError):
        Schema.from_text(f"name: trial\ndpsynth: {{unit: {{kind: row}}}}\nfields:\n- {field}\n")
