"""Records hold codes on a public scale; special slots are at full distance from everything; nothing can be changed."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.attacks import Records
from dpsynth.attacks.distance import nearest_distances
from dpsynth.errors import InvalidInput
from dpsynth.schema.schema import Schema
from tests.attacks.populations import PlainColumn, PlainSchema

SCHEMA = PlainSchema([PlainColumn(7, is_ordered=True, missing_code=5, outside_code=6), PlainColumn(3, missing_code=2)])


def test_ordered_codes_become_positions_and_special_slots_lie_outside() -> None:
    records = Records.from_codes(np.array([[0, 0], [2, 1], [4, 2], [5, 2], [6, 0]]), SCHEMA)
    np.testing.assert_array_equal(records.values[:, 0], [0, 0.5, 1, 2, 3])
    np.testing.assert_array_equal(records.values[:, 1], [0, 1, 2, 2, 0])
    assert (len(records), records.width) == (5, 2)


def test_special_slots_may_stand_anywhere() -> None:
    schema = PlainSchema([PlainColumn(4, is_ordered=True, missing_code=0)])
    np.testing.assert_array_equal(
        Records.from_codes(np.array([[0], [1], [2], [3]]), schema).values[:, 0], [2, 0, 0.5, 1]
    )


@pytest.mark.parametrize("special", [5, 6])
def test_a_special_slot_equals_itself_and_nothing_else(special: int) -> None:
    one = Records.from_codes(np.array([[special, 0]]), SCHEMA)
    others = Records.from_codes(np.array([[code, 0] for code in range(7)]), SCHEMA)
    distances = [float(nearest_distances(one, others.take(np.array([code])))[0, 0]) for code in range(7)]
    assert distances == [0.0 if code == special else 0.5 for code in range(7)]


def test_a_column_with_one_value_is_harmless() -> None:
    schema = PlainSchema([PlainColumn(1, is_ordered=True), PlainColumn(2, is_ordered=True, missing_code=1)])
    np.testing.assert_array_equal(Records.from_codes(np.array([[0, 0], [0, 1]]), schema).values, [[0, 0], [0, 2]])


def test_a_schema_of_the_package_fits() -> None:
    schema = Schema.from_text(
        "{name: clinic, fields: [{name: smoker, type: boolean}, "
        "{name: age, type: integer, constraints: {minimum: 0, maximum: 99}, dpsynth: {bins: 5}}], "
        "dpsynth: {unit: {kind: row}, public_rows: 100}}",
        source="clinic.yaml",
    )
    smoker, age = schema.columns
    assert age.is_ordered
    codes = np.array([[0, 0], [smoker.size - 1, age.declared_size - 1]], dtype=np.int32)
    np.testing.assert_array_equal(Records.from_codes(codes, schema).values[:, 1], [0, 1])


def test_records_are_a_frozen_copy() -> None:
    values = np.array([[0.0], [1.0]])
    records = Records(values, np.array([True]))
    values[0, 0] = 0.5
    assert records.values[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        records.values[0, 0] = 1


def test_no_rows_are_records_too() -> None:
    nothing = Records.from_codes(np.empty((0, 2), dtype=np.int32), SCHEMA)
    assert len(nothing) == 0
    assert len(nothing.followed_by(nothing)) == 0


@pytest.mark.parametrize(
    ("values", "ordered"),
    [
        ([[0.5]], [False]),
        ([[-1.0]], [False]),
        ([[np.nan]], [True]),
        ([[np.inf]], [True]),
        ([[1.0, 2.0]], [True]),
        ([1.0], [True]),
        (np.empty((3, 0)), np.empty(0)),
    ],
)
def test_what_is_no_table_of_codes_is_refused(values: object, ordered: object) -> None:
    with pytest.raises(InvalidInput):
        Records(np.array(values), np.array(ordered))


@pytest.mark.parametrize("codes", [[[7, 0]], [[-1, 0]], [[0]], [0, 0]])
def test_codes_outside_the_schema_are_refused_without_naming_them(codes: object) -> None:
    with pytest.raises(InvalidInput, match=r"^[^7-9-]*$"):
        Records.from_codes(np.array(codes), SCHEMA)


def test_tables_of_different_kind_are_not_compared() -> None:
    ordered, unordered = Records(np.zeros((1, 1)), np.array([True])), Records(np.zeros((1, 1)), np.array([False]))
    with pytest.raises(InvalidInput):
        ordered.followed_by(unordered)
    with pytest.raises(InvalidInput):
        nearest_distances(ordered, unordered)
