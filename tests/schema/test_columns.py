"""Decoding: what a code stands for comes back, spread inside its bin, and is the same code again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput
from dpsynth.schema.bins import equal_bins
from dpsynth.schema.columns import Column, ColumnKind, MissingCells
from dpsynth.schema.number_axis import NumberAxis
from tests.schema.columns_to_try import COLUMNS, SCHEMA, columns


def decodable(column: Column) -> list[int]:
    """Return the codes with cells of their own: not an outside slot whose cells come back as missing."""
    codes = list(range(column.size))
    if column.outside_code is not None and column.missing_code is not None and column.labels[-1] == "(outside)":
        codes.remove(column.outside_code)
    return codes


@given(columns, st.data(), st.integers(0, 2**32))
def test_decoded_cells_have_the_codes_they_came_from(column: Column, data: st.DataObject, seed: int) -> None:
    codes = np.array(data.draw(st.lists(st.sampled_from(decodable(column)), max_size=20)), dtype=np.int32)
    cells = column.decode(codes, np.random.default_rng(seed))
    assert column.encode(cells).tolist() == codes.tolist()
    assert column.encode(cells.to_numpy(dtype=object)).tolist() == codes.tolist()
    assert [column.code_of(cell) for cell in cells] == codes.tolist()


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
@pytest.mark.parametrize("draw", [0.0, 0.5, 1.0 - 2**-53])
def test_the_ends_of_every_bin_belong_to_it(column: Column, draw: float) -> None:
    class Fixed(np.random.Generator):
        def random(self, size: int) -> np.ndarray:  # type: ignore[override]
            return np.full(size, draw)

    codes = np.array(decodable(column), dtype=np.int32)
    assert column.encode(column.decode(codes, Fixed(np.random.PCG64(0)))).tolist() == codes.tolist()


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("city", "category"), ("sex", "Int64"), ("dose", "Float64"), ("age", "Int64"), ("share", "Float64"),
    ("smoker", "boolean"),
     ("born", "datetime64[s]"), ("seen", "datetime64[s]")],
)  # fmt: skip
def test_decoded_columns_have_the_declared_type_and_missing_is_missing(name: str, dtype: str) -> None:
    column = SCHEMA.column(name)
    rng = np.random.default_rng(1)
    for codes in ([], list(range(column.declared_size)), [column.missing_code] * 3):
        cells = column.decode(np.array(codes, dtype=np.int32), rng)
        assert cells.dtype == dtype
        assert cells.name == name
        assert cells.isna().all() == (codes == [] or codes[0] == column.missing_code)


def test_every_slot_of_a_required_column_is_written_as_something() -> None:
    city = SCHEMA.column("city_required")
    assert city.missing_code is None
    assert city.decode(np.array([city.outside_code]), np.random.default_rng(0)).tolist() == ["other"]
    age = SCHEMA.column("age_required")
    assert age.decode(np.array([age.outside_code]), np.random.default_rng(0)).isna().all()


def test_whole_numbers_are_spread_over_all_whole_numbers_of_their_bin() -> None:
    gain = SCHEMA.column("gain")
    cells = gain.decode(np.full(5000, gain.code_of(20), dtype=np.int32), np.random.default_rng(2))
    counts = cells.value_counts()
    assert sorted(counts.index) == list(range(10, 50))
    # 40 equally likely numbers, 5000 draws: each count is binomial with mean 125 and standard deviation 11; the false
    # alarm rate of a band of 6 deviations is below 40 * 2e-9
    assert counts.between(125 - 66, 125 + 66).all()


def test_numbers_are_spread_evenly_and_not_to_midpoints() -> None:
    price = SCHEMA.column("price")
    cells = price.decode(np.full(4000, price.code_of(500), dtype=np.int32), np.random.default_rng(3)).to_numpy(
        dtype=float
    )
    # the mean of 4000 uniform numbers deviates by more than 6 standard errors with chance 2e-9
    width = 1e6 - 0.3
    assert abs(cells.mean() - width / 2) < 6 * width / np.sqrt(12 * 4000)
    assert len(np.unique(cells)) > 3900
    assert np.array_equal(cells, np.round(cells, 2))


def test_rounding_never_moves_a_number_to_another_code() -> None:
    column = SCHEMA.column("price")
    codes = np.repeat(np.arange(column.declared_size), 2000).astype(np.int32)
    assert column.encode(column.decode(codes, np.random.default_rng(4))).tolist() == codes.tolist()


def test_a_column_that_is_mostly_zero_stays_so() -> None:
    gain = SCHEMA.column("gain")
    cells = gain.decode(np.full(1000, gain.code_of(0), dtype=np.int32), np.random.default_rng(5))
    assert (cells == 0).all()
    share = SCHEMA.column("share")
    assert (share.decode(np.full(9, share.code_of(0.25), dtype=np.int32), np.random.default_rng(5)) == 0.25).all()
    near = share.decode(np.full(1000, share.code_of(0.01), dtype=np.int32), np.random.default_rng(5))
    assert not (near == 0).any()


def test_decoding_in_pieces_gives_the_same_as_decoding_at_once() -> None:
    for column in COLUMNS:
        codes = np.random.default_rng(6).integers(0, column.size, 50).astype(np.int32)
        whole = column.decode(codes, np.random.default_rng(7))
        rng = np.random.default_rng(7)
        pieces = pd.concat([column.decode(part, rng) for part in np.split(codes, [1, 20])], ignore_index=True)
        pd.testing.assert_series_equal(whole, pieces)


def test_ordered_columns_have_their_codes_in_order() -> None:
    assert {column.name for column in COLUMNS if not column.is_ordered} == {
        "city", "city_required", "city_missing", "city_labelled", "sex", "sex_slot", "day_name",
        "rare", "smoker", "smoker_words", "smoker_slot", "smoker_odd",
    }  # fmt: skip
    for column in COLUMNS:
        if column.is_ordered and column.kind is not ColumnKind.ORDINAL:
            cells = column.decode(np.arange(column.declared_size, dtype=np.int32), np.random.default_rng(8))
            assert cells.is_monotonic_increasing, column.name


def test_labels_name_every_code() -> None:
    for column in COLUMNS:
        assert len(column.labels) == len(set(column.labels)) == column.size
    assert SCHEMA.column("smoker").labels == ("false", "true", "(missing)")
    assert SCHEMA.column("stage").labels == ("I", "II", "III", "(missing)", "other")
    assert SCHEMA.column("born_digits").labels[:2] == ("20000101 to 20091231", "20100101 to 20200101")


def test_codes_that_do_not_exist_are_refused() -> None:
    column = SCHEMA.column("sex")
    for codes in ([-1], [column.size], [[0]]):
        with pytest.raises(InvalidInput, match="sex"):
            column.decode(np.array(codes), np.random.default_rng(0))


def test_a_column_without_a_place_for_bad_cells_cannot_be_made() -> None:
    axis = NumberAxis(equal_bins(0, 1, 2, (), whole=False), "number", clips=True)
    with pytest.raises(InvalidInput, match="slot"):
        Column("x", ColumnKind.CONTINUOUS, axis, MissingCells(), has_missing_slot=False, has_outside_slot=False)
