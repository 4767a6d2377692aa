"""Blocked distances equal the plain formula, for any tables, and are exact where ties matter."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dpsynth.attacks import Records
from dpsynth.attacks.distance import (
    counts_within,
    in_threads,
    nearest_distances,
    nearest_totals,
    processors,
    remembered_distances,
)
from dpsynth.progress import reporting_to


def random_records(rows: int, ordered: NDArray[np.bool_], rng: np.random.Generator, levels: int = 9) -> Records:
    codes = rng.integers(0, levels, size=(rows, ordered.size)).astype(np.float64)
    codes[:, ordered] /= levels - 1
    codes[:, ordered] = np.where(rng.random((rows, int(ordered.sum()))) < 0.1, 2.0, codes[:, ordered])
    return Records(codes, ordered)


def plain_gower(targets: Records, others: Records) -> NDArray[np.float64]:
    """The formula of Gower 1971, one pair at a time."""
    result = np.empty((len(targets), len(others)))
    for i, one in enumerate(targets.values):
        for j, two in enumerate(others.values):
            parts = [
                min(abs(a - b), 1.0) if o else float(a != b) for a, b, o in zip(one, two, targets.ordered, strict=True)
            ]
            result[i, j] = sum(parts) / len(parts)
    return result


@given(
    st.integers(1, 8),
    st.integers(0, 12),
    st.integers(1, 5),
    st.lists(st.booleans(), min_size=1, max_size=6),
    st.integers(0, 999),
)
def test_every_distance_equals_the_formula(
    targets: int, others: int, neighbours: int, ordered: list[bool], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    kinds = np.array(ordered)
    one, two = random_records(targets, kinds, rng), random_records(others, kinds, rng)
    padded = np.concatenate([plain_gower(one, two), np.ones((targets, neighbours))], axis=1)
    expected = np.sort(padded, axis=1)[:, :neighbours]
    np.testing.assert_allclose(nearest_distances(one, two, neighbours=neighbours), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("neighbours", [1, 7, 20])
def test_blocks_do_not_change_the_answer(neighbours: int) -> None:
    rng = np.random.default_rng(3)
    kinds = np.array([True, False, True])
    one, two = random_records(70, kinds, rng, levels=200), random_records(9001, kinds, rng, levels=200)
    difference = np.minimum(np.abs(one.values[:, None] - two.values[None]), 1).sum(axis=2)
    np.testing.assert_array_equal(
        nearest_totals(one, two, neighbours=neighbours), np.sort(difference, axis=1)[:, :neighbours]
    )


@pytest.mark.parametrize("width", [255, 256, 300])
def test_many_columns_are_summed_exactly(width: int) -> None:
    kinds = np.ones(width, dtype=np.bool_)
    thirds = Records(np.full((1, width), 1 / 3), kinds)
    zero = Records(np.zeros((1, width)), kinds)
    assert nearest_totals(thirds, zero)[0, 0] == width * thirds.values[0, 0]
    unordered = ~kinds
    assert (
        nearest_totals(Records(np.ones((1, width)), unordered), Records(np.zeros((1, width)), unordered))[0, 0] == width
    )


def test_large_codes_are_told_apart() -> None:
    kinds = np.array([False])
    known = Records(np.array([[256.0], [65536.0 + 7]]), kinds)
    asked = Records(np.array([[0.0], [256.0], [7.0], [65543.0]]), kinds)
    np.testing.assert_array_equal(nearest_distances(asked, known)[:, 0], [1, 0, 1, 0])


@given(st.permutations(range(6)), st.integers(0, 999))
def test_equal_distances_are_equal_numbers_in_any_column_order(order: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = np.array([True, True, True, False, True, False])
    one, two = random_records(20, kinds, rng, levels=30), random_records(15, kinds, rng, levels=30)
    turned = [Records(table.values[:, order], kinds[order]) for table in (one, two)]
    np.testing.assert_array_equal(nearest_totals(one, two), nearest_totals(*turned))


def test_memory_does_not_grow_with_the_product_of_the_tables() -> None:
    rng = np.random.default_rng(1)
    kinds = np.array([True, False])
    one, two = random_records(2000, kinds, rng), random_records(20_000, kinds, rng)
    tracemalloc.start()
    nearest_distances(one, two)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000  # the full matrix would take 160 megabytes in single precision


def test_pairs_are_remembered_inside_the_context_only() -> None:
    rng = np.random.default_rng(1)
    kinds = np.array([True])
    one, two = random_records(3, kinds, rng), random_records(3, kinds, rng)
    with remembered_distances():
        first = nearest_totals(one, two)
        assert np.shares_memory(nearest_totals(one, two), first)
        assert np.shares_memory(nearest_totals(one, two, neighbours=20), first)
        assert not np.shares_memory(nearest_totals(two, one), first)
        assert nearest_totals(one, two, neighbours=2).shape == (3, 2)
        assert nearest_totals(one, two, neighbours=25).shape == (3, 25)
    assert not np.shares_memory(nearest_totals(one, two), first)
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 0


@given(st.integers(0, 8), st.integers(0, 12), st.lists(st.booleans(), min_size=1, max_size=6), st.integers(0, 999))
def test_counts_within_equal_the_formula(targets: int, others: int, ordered: list[bool], seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = np.array(ordered)
    one, two = random_records(targets, kinds, rng), random_records(others, kinds, rng)
    every = nearest_totals(one, two, neighbours=max(others, 1))[:, :others]
    for total in (0.0, 0.5, float(np.median(every)) if every.size else 1.0, kinds.size):
        np.testing.assert_array_equal(counts_within(one, two, total=total), (every <= total).sum(axis=1))


def test_many_ties_are_counted_as_often_as_they_occur() -> None:
    rng = np.random.default_rng(5)
    kinds = np.array([False, False, True])
    one, two = random_records(40, kinds, rng, levels=3), random_records(9001, kinds, rng, levels=3)
    unequal = (one.values[:, None, :2] != two.values[None, :, :2]).sum(axis=2)
    totals = np.sort(unequal + np.minimum(np.abs(one.values[:, None, 2] - two.values[None, :, 2]), 1), axis=1)
    np.testing.assert_array_equal(nearest_totals(one, two, neighbours=2000), totals[:, :2000])


def test_every_row_is_worked_on_once_and_nobody_is_told_how_many() -> None:
    done = np.zeros(95, dtype=np.int64)
    shown: list[str] = []

    class Watcher:
        def start(self, phase: str, total: int) -> None:
            shown.append(phase)

        def advance(self, phase: str, steps: int) -> None:
            shown.append(phase)

        def finish(self, phase: str) -> None:
            shown.append(phase)

    def work(rows: slice) -> None:
        done[rows] += 1

    with reporting_to(Watcher()):
        in_threads(work, 95, step=10)
    np.testing.assert_array_equal(done, 1)
    assert shown == []
    assert processors() >= 1


def test_an_error_in_a_thread_is_an_error() -> None:
    def fail(rows: slice) -> None:
        raise ZeroDivisionError(rows)

    with pytest.raises(ZeroDivisionError):
        in_threads(fail, 10, step=3)
