"""Privacy units that cannot be enforced are refused."""

from __future__ import annotations

import pytest

from dpsynth.accounting.unit import NeighboringRelation, PrivacyUnit
from dpsynth.errors import InvalidInput


def test_a_row_is_a_unit_by_default() -> None:
    unit = PrivacyUnit()
    assert unit.max_rows_per_unit == 1
    assert unit.relation is NeighboringRelation.ADD_OR_REMOVE_ONE
    assert unit.describe() == "one row"


def test_a_person_with_several_rows_is_described() -> None:
    assert PrivacyUnit(max_rows_per_unit=3, id_column="person").describe() == (
        "all rows that share a value of 'person', at most 3 of them"
    )


@pytest.mark.parametrize(("rows", "column"), [(0, "person"), (-1, None), (2, None)])
def test_units_that_cannot_be_enforced_are_refused(rows: int, column: str | None) -> None:
    with pytest.raises(InvalidInput):
        PrivacyUnit(max_rows_per_unit=rows, id_column=column)
