"""The canonical form does not change with rows, columns and codes, and loses nothing that attacks may use."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.attacks import Records
from dpsynth.attacks.canonical_form import canonical_form, distinct_rows, rows_in_order
from dpsynth.errors import InvalidInput
from tests.attacks.populations import mixed, mixed_rows


def rearranged(tables: list[Records], rng: np.random.Generator) -> list[Records]:
    """Shuffle rows, columns and the codes of unordered columns, and put in a constant column, alike in all tables."""
    width = tables[0].width
    columns = rng.permutation(width)
    codes = [rng.permutation(64) for _ in range(width)]
    turned = []
    for table in tables:
        values = table.values.copy()
        for place in np.flatnonzero(~table.ordered):
            values[:, place] = codes[place][values[:, place].astype(np.intp)]
        values = np.insert(values[rng.permutation(len(values))][:, columns], 2, 1.0, axis=1)
        turned.append(Records(values, np.insert(table.ordered[columns], 2, True)))
    return turned


@pytest.mark.parametrize("seed", range(5))
def test_rows_columns_and_codes_leave_the_form_of_every_table_unchanged(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = [mixed(mixed_rows(rows, rng)) for rows in (200, 100, 50)]
    form, turned = canonical_form(*tables[:2]), rearranged(tables, rng)
    other_form = canonical_form(*turned[:2])
    for table, other in zip(tables[:2], turned[:2], strict=True):
        plain, moved = form.of(table), other_form.of(other)
        assert plain is not None
        assert moved is not None
        np.testing.assert_array_equal(rows_in_order(plain).values, rows_in_order(moved).values)
        np.testing.assert_array_equal(plain.ordered, moved.ordered)


@given(st.permutations(range(6)), st.permutations(range(3)))
def test_categories_with_equal_counts_are_told_apart_by_their_company(order: list[int], codes: list[int]) -> None:
    # Three categories, twice each, but beside different positions.
    values = np.array([[0, 0.0], [0, 0.25], [1, 0.25], [1, 0.5], [2, 0.5], [2, 1.0]])
    kinds = np.array([False, True])
    nothing = Records(np.empty((0, 2)), kinds)
    plain = Records(values, kinds)
    turned = values[order].copy()
    turned[:, 0] = np.array(codes)[turned[:, 0].astype(np.intp)]
    moved = Records(turned, kinds)
    first, second = canonical_form(plain, nothing).of(plain), canonical_form(moved, nothing).of(moved)
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(rows_in_order(first).values, rows_in_order(second).values)


def test_a_column_that_varies_among_targets_only_does_not_count() -> None:
    kinds = np.array([True, False])
    released = Records(np.array([[0.0, 1.0], [1.0, 1.0]]), kinds)
    form = canonical_form(released, released)
    np.testing.assert_array_equal(form.columns, [0])
    asked = form.of(Records(np.array([[0.5, 0.0]]), kinds))
    assert asked is not None
    np.testing.assert_array_equal(asked.values, [[0.5]])


def test_categories_are_numbered_by_frequency_and_unknown_ones_come_last() -> None:
    kinds = np.array([False])
    released = Records(np.array([[7.0], [7.0], [3.0]]), kinds)
    reference = Records(np.array([[3.0], [5.0], [5.0]]), kinds)
    form = canonical_form(released, reference)
    asked = form.of(Records(np.array([[7.0], [3.0], [5.0], [4.0], [900.0]]), kinds))
    assert asked is not None
    np.testing.assert_array_equal(asked.values[:, 0], [0, 1, 2, 3, 3])


def test_there_is_no_form_of_constant_or_empty_tables() -> None:
    kinds = np.array([True, False])
    constant = Records(np.zeros((3, 2)), kinds)
    nothing = Records(np.empty((0, 2)), kinds)
    for table in (constant, nothing):
        assert canonical_form(table, nothing).of(constant) is None


def test_different_rows_are_counted() -> None:
    rows, times = distinct_rows(Records(np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 0.0]]), np.array([True, False])))
    np.testing.assert_array_equal(rows.values, [[0, 2], [1, 0]])
    np.testing.assert_array_equal(times, [1, 2])


def test_tables_of_other_columns_are_refused() -> None:
    with pytest.raises(InvalidInput):
        canonical_form(Records(np.zeros((1, 1)), np.array([True])), Records(np.zeros((1, 1)), np.array([False])))
