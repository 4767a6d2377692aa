"""Conditions in the terms of the schema: which values are understood as which codes, and which are refused."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from dpsynth.errors import InvalidInput
from dpsynth.generators.given_values import allowed_codes
from dpsynth.schema.schema import Schema

SCHEMA = Schema.from_text(
    """
name: t
fields:
  - {name: stage, type: string, categories: [none, early, late], dpsynth: {outside: slot}}
  - {name: sex, type: integer, categories: [1, 2]}
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 99, required: true}, dpsynth: {bins: 5}}
  - {name: cost, type: number, constraints: {minimum: 0, maximum: 1000}, dpsynth: {bins: 4, spikes: [0]}}
  - {name: seen, type: date, constraints: {minimum: 2020-01-01, maximum: 2020-12-31}, dpsynth: {bins: 12}}
  - {name: alive, type: boolean}
dpsynth: {unit: {kind: row}, public_rows: 1000}
"""
)


def codes(name: str, values: object) -> list[int]:
    allowed = allowed_codes(SCHEMA, {name: values})
    assert list(allowed) == [name]
    return np.flatnonzero(allowed[name]).tolist()


def missing(name: str) -> int:
    code = SCHEMA.column(name).missing_code
    assert code is not None
    return code


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("stage", "early", [1]),
        ("stage", ["late", "none"], [0, 2]),
        ("stage", {"late", "early"}, [1, 2]),
        ("sex", 2, [1]),
        ("sex", "2", [1]),
        ("age", 37, [1]),
        ("age", range(18, 41), [0, 1, 2]),
        ("age", np.array([3.0, 99.0]), [0, 4]),
        ("age", "20 to 39", [1]),
        ("cost", 0, [0]),
        ("cost", ("0.5", 999), [1, 4]),
        ("seen", datetime.date(2020, 1, 2), [0]),
        ("seen", "2020-12-31", [11]),
        ("alive", True, [1]),
        ("alive", "false", [0]),
    ],
)
def test_values_stand_for_their_codes(name: str, values: object, expected: list[int]) -> None:
    assert codes(name, values) == expected


@pytest.mark.parametrize("value", [None, float("nan"), "", "(missing)", [None, None]])
@pytest.mark.parametrize("name", ["stage", "cost", "alive"])
def test_missing_cells(name: str, value: object) -> None:
    assert codes(name, value) == [missing(name)]


def test_cells_outside_the_domain_are_asked_for_by_their_label_only() -> None:
    column = SCHEMA.column("stage")
    assert codes("stage", column.labels[-1]) == [column.outside_code]
    with pytest.raises(InvalidInput, match="does not declare that value of 'stage'; it has none, early, late"):
        codes("stage", "very late")
    with pytest.raises(InvalidInput, match="does not declare that value of 'alive'"):
        codes("alive", "perhaps")


def test_what_the_schema_does_not_have_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"'ward' is not a column; the schema has stage, sex"):
        codes("ward", 1)
    with pytest.raises(InvalidInput, match="leave the column out"):
        codes("stage", [])
    with pytest.raises(InvalidInput, match="'age' are never missing"):
        codes("age", None)
