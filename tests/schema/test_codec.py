"""Encoding stability: one strange record changes its own code and no other, and never stops the run."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import TableError
from dpsynth.schema.codec import encode_cells
from dpsynth.schema.columns import Column
from tests.schema.columns_to_try import COLUMNS, ORDINARY_CELLS, SCHEMA, STRANGE_CELLS, cells, columns, texts


def as_pandas(values: list[object]) -> pd.Series:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pd.Series(values)


def codes_of(column: Column, values: list[object]) -> list[int]:
    return [column.code_of(value) for value in values]


@given(columns, st.lists(cells, max_size=8), cells, st.integers(0, 8))
def test_one_more_record_in_a_list_changes_no_other_code(
    column: Column, others: list[object], strange: object, place: int
) -> None:
    place = min(place, len(others))
    with_record = column.encode([*others[:place], strange, *others[place:]])
    assert np.delete(with_record, place).tolist() == column.encode(others).tolist() == codes_of(column, others)
    assert 0 <= with_record[place] < column.size


@given(columns, st.lists(texts, max_size=8), texts)
def test_one_more_record_in_a_text_file_changes_no_other_code(
    column: Column, others: list[object], strange: object
) -> None:
    assert column.encode([*others, strange]).tolist() == codes_of(column, [*others, strange])


PURE = st.one_of(
    st.lists(st.integers(-(2**53), 2**53), min_size=1, max_size=6),
    st.lists(st.floats(), min_size=1, max_size=6),
    st.lists(st.booleans(), min_size=1, max_size=6),
    st.lists(st.text(max_size=5), min_size=1, max_size=6),
    st.lists(st.dates(), min_size=1, max_size=6),
    st.lists(st.datetimes(), min_size=1, max_size=6),
    st.lists(st.sampled_from([0, 1, 2, 3, 50, 1000, -9]), min_size=1, max_size=6),
    st.lists(st.sampled_from(["Bonn", "a", "1", "3.0", "I", "yes"]), min_size=1, max_size=6),
)
"""Columns to which pandas gives a storage type of their own."""


@given(columns, PURE, cells)
def test_one_more_record_that_changes_the_storage_type_changes_no_other_code(
    column: Column, others: list[object], strange: object
) -> None:
    without = column.encode(as_pandas(others))
    try:
        longer = as_pandas([*others, strange])
    except Exception:  # pandas cannot hold some mixtures in one column; then there is no such table
        return
    assert column.encode(longer)[:-1].tolist() == without.tolist()
    assert column.encode(longer.to_numpy(dtype=object))[:-1].tolist() == without.tolist()
    assert column.encode(others).tolist() == without.tolist()


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_every_strange_cell_has_a_code_that_does_not_depend_on_its_neighbours(column: Column) -> None:
    alone = [int(column.encode([cell])[0]) for cell in STRANGE_CELLS]
    assert column.encode(STRANGE_CELLS).tolist() == alone
    assert column.encode([*STRANGE_CELLS, *ORDINARY_CELLS][::-1])[::-1][: len(alone)].tolist() == alone
    assert all(0 <= code < column.size for code in alone)


NUMPY_KINDS = [*"?bhilBHILefdgFD", "U4", "S4", "M8[s]", "M8[D]", "M8[ns]", "m8[s]", "V2"]
PANDAS_KINDS = ["Int64", "Float64", "boolean", "string", "category", "object", "int64[pyarrow]"]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_arrays_of_every_storage_type_are_read_cell_by_cell(column: Column) -> None:
    for kind in NUMPY_KINDS:
        values = np.array([0, 1, 2, 3, 50, 100]).astype("U4" if kind == "S4" else "i8").astype(kind)
        assert column.encode(values).tolist() == codes_of(column, list(values)), kind


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_pandas_columns_of_every_storage_type_are_read_cell_by_cell(column: Column) -> None:
    for dtype in PANDAS_KINDS:
        same = {"string": ["1", "0", None, "1"], "boolean": [True, False, None, True]}.get(dtype, [1, 0, None, 1])
        assert column.encode(pd.Series([1, 0, None, 1], dtype=dtype)).tolist() == codes_of(column, same), dtype


def test_arrow_columns_are_read_cell_by_cell() -> None:
    import pyarrow as pa

    column = SCHEMA.column("age")
    assert column.encode(pa.chunked_array([[1, None], [50]])).tolist() == codes_of(column, [1, None, 50])
    assert column.code_of(pa.scalar(50)) == column.code_of(50)


NUMERIC = [
    column for column in COLUMNS if column.name in {"age", "gain", "share", "price", "sex", "dose", "city", "age_slot"}
]


@pytest.mark.parametrize("column", NUMERIC, ids=lambda column: column.name)
@pytest.mark.parametrize("number", [0, 1, 2, 3, 50, 100])
def test_a_number_is_the_same_however_it_is_stored(column: Column, number: int) -> None:
    spellings = [
        *(number, float(number), str(number), f" {number} ", f"{number}.0", f"{number}.", f"+{number}", f"{number}e0"),
        *(
            np.int8(number),
            np.uint64(number),
            np.float32(number),
            np.float64(number),
            complex(number),
            f"{number}".encode(),
        ),
    ]
    assert len(set(codes_of(column, spellings))) == 1


def test_numbers_outside_the_range_count_as_its_ends() -> None:
    age = SCHEMA.column("age")
    assert codes_of(age, [-1, -1e308, "-1e999", -(10**400), -float("inf"), "-inf"]) == [0] * 6
    assert codes_of(age, [120.5, 121, "1e999", 10**400, float("inf"), "9" * 10_000]) == [19] * 6
    assert codes_of(SCHEMA.column("gain"), [-5, 5000, -9]) == [1, 7, 0]  # of the spikes -9, 0, 50, 1000


def test_a_declared_value_beyond_the_range_is_not_clipped() -> None:
    gain = SCHEMA.column("gain")
    assert gain.labels[:7] == ("-9", "0", "1 to 9", "10 to 49", "50", "51 to 99", "100 to 999")


def test_bad_cells_go_where_the_schema_says() -> None:
    for name, slot in {
        "city": "other", "city_required": "other", "city_missing": "(missing)", "city_labelled": "elsewhere",
        "age": "(missing)", "age_slot": "(outside)", "age_missing": "(missing)", "age_required": "(outside)",
        "smoker": "(missing)", "smoker_words": "(outside)", "smoker_slot": "(outside)", "born_digits": "(outside)",
        "sex": "(missing)", "sex_slot": "(outside)",
    }.items():  # fmt: skip
        column = SCHEMA.column(name)
        assert {column.labels[column.code_of(cell)] for cell in ("zzz", [1], "\udcff", object())} == {slot}, name


def test_numbers_outside_without_clipping_go_where_the_schema_says() -> None:
    assert SCHEMA.column("age_slot").code_of(121) == SCHEMA.column("age_slot").outside_code
    assert SCHEMA.column("age_missing").code_of(121) == SCHEMA.column("age_missing").missing_code
    assert SCHEMA.column("born_digits").code_of("20210101") == SCHEMA.column("born_digits").outside_code


@pytest.mark.parametrize("cell", [None, "", "  ", float("nan"), np.float64("nan"), pd.NA, pd.NaT, np.datetime64("NaT")])
@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_empty_cells_are_missing_or_else_outside(column: Column, cell: object) -> None:
    expected = column.missing_code if column.missing_code is not None else column.outside_code
    assert column.code_of(cell) == expected


def test_declared_missing_values_match_by_text_and_by_number() -> None:
    city, gain = SCHEMA.column("city"), SCHEMA.column("gain")
    assert {city.code_of(cell) for cell in ("?", " ? ", -9, -9.0, "-9.0", "-9")} == {city.missing_code}
    assert {gain.code_of(cell) for cell in (-1, -1.0, "-1", "-1.0", np.int8(-1))} == {gain.missing_code}
    assert gain.encode(np.array([-1, 5])).tolist() == [gain.missing_code, gain.code_of(5)]


def test_text_is_matched_before_numbers() -> None:
    city = SCHEMA.column("city")
    assert [city.labels[city.code_of(cell)] for cell in ("007", 7, "7", "3", 3, "3.0")] == [
        "007",
        "007",
        "007",
        "3",
        "3",
        "3",
    ]
    assert city.labels[city.code_of("no")] == "no"
    assert city.labels[city.code_of(False)] == "other"


def test_dates_are_the_same_however_they_are_stored() -> None:
    import datetime as dt

    spellings = [
        "2020-01-31",
        dt.date(2020, 1, 31),
        dt.datetime(2020, 1, 31, 23, 59),
        pd.Timestamp("2020-01-31"),
        "20200131",
    ]
    spellings += [
        np.datetime64("2020-01-31"),
        np.datetime64("2020-01-31", "ns"),
        20200131,
        20200131.0,
        "2020-01-31T05:00",
    ]
    born = SCHEMA.column("born")
    assert len(set(codes_of(born, spellings))) == 1
    assert born.code_of(dt.datetime(2025, 12, 31, 23, tzinfo=dt.UTC)) == born.code_of("2025-12-31")
    german = SCHEMA.column("born_german")
    assert german.code_of("01.01.1900") == 0
    assert german.code_of("31.01.2020") == german.code_of(dt.date(2020, 1, 31)) != german.missing_code


def test_a_table_is_encoded_column_by_column() -> None:
    table = {column.name: [None, "a"] for column in COLUMNS}
    codes = encode_cells(SCHEMA, {**table, "id": [1, 2]})
    assert codes.shape == (2, len(COLUMNS))
    assert codes.dtype == np.int32
    assert codes[0].tolist() == [column.code_of(None) for column in COLUMNS]
    assert encode_cells(SCHEMA, {column.name: [] for column in COLUMNS}).shape == (0, len(COLUMNS))


def test_a_table_of_another_shape_is_refused_without_showing_cells() -> None:
    table: dict[str, list[object]] = {column.name: ["CANARY"] for column in COLUMNS}
    with pytest.raises(TableError, match="'city', 'age'") as missing:
        encode_cells(SCHEMA, {name: values for name, values in table.items() if name not in {"city", "age"}})
    table["age"] = ["CANARY", "CANARY"]
    with pytest.raises(TableError) as ragged:
        encode_cells(SCHEMA, table)
    assert "CANARY" not in f"{missing.value} {ragged.value}"


def test_a_codec_that_looks_at_the_whole_column_would_be_caught() -> None:
    def cheat(values: list[object]) -> list[str]:
        return [str(value) for value in as_pandas(values)]  # the storage type speaks through

    others: list[object] = [1, 2, 3]
    assert cheat([*others, 2.5])[:-1] != cheat(others)
    age = SCHEMA.column("age")
    assert age.encode(as_pandas([*others, 2.5]))[:-1].tolist() == age.encode(as_pandas(others)).tolist()
