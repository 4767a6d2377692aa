"""Reading one cell."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.schema.cells import Moment, encode_each, number_in, read_cell
from tests.schema.columns_to_try import STRANGE_CELLS, cells


@given(cells)
def test_reading_never_raises_and_never_gives_nan(cell: object) -> None:
    reading = read_cell(cell)
    assert not (isinstance(reading, float) and math.isnan(reading))


@pytest.mark.parametrize("place", range(len(STRANGE_CELLS)))
def test_reading_is_total(place: int) -> None:
    read_cell(STRANGE_CELLS[place])


@pytest.mark.parametrize(
    ("text", "number"),
    [("3", 3.0), (" +3.50 ", 3.5), (".5", 0.5), ("3.", 3.0), ("-1e3", -1000.0), ("1e999", math.inf), ("-INF",
    -math.inf),
     ("Infinity", math.inf), ("0003", 3.0)],
)  # fmt: skip
def test_decimal_digits_are_numbers(text: str, number: float) -> None:
    assert number_in(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ".",
        "+",
        "e5",
        "1_000",
        "1,5",
        "1 000",
        "0x10",
        "nan",
        "NaN",
        "٣",
        "３",
        "1e",
        "--1",
        "1.2.3",
        "True",
        "\ud800",
    ],
)
def test_other_text_is_no_number(text: str) -> None:
    assert number_in(text) is None


@given(st.floats(allow_nan=False))
def test_numbers_are_read_back_exactly(number: float) -> None:
    assert number_in(repr(number)) == number


def test_long_texts_are_read_in_linear_time() -> None:
    assert number_in("1" * 200_000 + "x") is None
    assert number_in("9" * 200_000) == math.inf


@given(st.datetimes())
def test_times_without_a_zone_are_kept_as_they_stand(moment: dt.datetime) -> None:
    expected = Moment((moment.replace(microsecond=0) - dt.datetime(1970, 1, 1)) // dt.timedelta(seconds=1))
    assert read_cell(moment) == read_cell(np.datetime64(moment)) == expected


def test_the_hour_that_clocks_repeat_is_read_twice() -> None:
    from zoneinfo import ZoneInfo

    first = dt.datetime(2020, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    second = first.replace(fold=1)
    assert first == second  # equality overlooks the repeated hour, so such cells must not share a cache
    codes = encode_each([first, second], lambda cell: read_cell(cell).seconds % 86_400)  # type: ignore[union-attr]
    assert codes.tolist() == [1800, 5400]


def test_cells_are_asked_once_per_distinct_value_and_told_apart_by_type() -> None:
    asked: list[object] = []

    def code_of(cell: object) -> int:
        asked.append(cell)
        return len(repr(type(cell)))

    assert encode_each([1, True, 1.0, "1", 1, True, 1.0, "1"], code_of).shape == (8,)
    assert [type(cell) for cell in asked] == [int, bool, float, str]
