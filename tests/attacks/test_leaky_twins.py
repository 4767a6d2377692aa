"""Leaky twins do what their names say: that they leak is shown by counting, not by the attacks that they test."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.attacks.leaky_twins import (
    LEAKY_TWINS,
    LeakSource,
    between_neighbours,
    bootstrap,
    centroids,
    most_isolated,
    noisy_copy,
    partly_copied,
    row_swap,
)
from dpsynth.errors import InvalidInput
from tests.attacks.populations import MIXED, Codes, PlainColumn, PlainSchema, mixed_rows

ROWS = mixed_rows(400, np.random.default_rng(1))
FRESH = mixed_rows(400, np.random.default_rng(2))
SPECIAL = PlainSchema(
    [PlainColumn(12, is_ordered=True, missing_code=10, outside_code=11), PlainColumn(4, missing_code=3)]
)


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def known(release: Codes, rows: Codes) -> Codes:
    """Return which rows of the release are rows of the table."""
    return np.array([(rows == row).all(axis=1).any() for row in release])


@pytest.mark.parametrize("name", LEAKY_TWINS)
def test_a_twin_is_a_table_of_the_schema_and_follows_its_generator(name: str) -> None:
    source = LeakSource(ROWS, FRESH, MIXED)
    before = ROWS.copy()
    twin = LEAKY_TWINS[name].make(source, rng())
    assert twin.shape[1] == ROWS.shape[1]
    assert (twin >= 0).all()
    assert (twin < [column.size for column in MIXED.columns]).all()
    np.testing.assert_array_equal(LEAKY_TWINS[name].make(source, rng()), twin)
    np.testing.assert_array_equal(ROWS, before)


def test_a_copy_holds_every_row_once() -> None:
    twin = LEAKY_TWINS["copy"].make(LeakSource(ROWS, FRESH, MIXED), rng())
    assert sorted(map(tuple, twin)) == sorted(map(tuple, ROWS))


def test_a_bootstrap_holds_rows_and_nothing_else() -> None:
    twin = bootstrap(ROWS, rng=rng())
    assert known(twin, ROWS).all()
    assert 0.55 < known(ROWS, twin).mean() < 0.72  # 1 - 1/e


def test_a_noisy_copy_changes_as_many_cells_as_it_says_and_keeps_special_ones() -> None:
    table = np.stack([np.tile([0, 5, 9, 10, 11], 400), np.tile([0, 1, 2, 3], 500)], axis=1)
    noisy = noisy_copy(table, SPECIAL, jitter=0.2, flips=0.3, rng=rng())
    assert ((noisy[:, 0] >= 10).sum(), (noisy[:, 0] == 11).sum()) == (800, 400)
    assert set(noisy[:, 1]) == {0, 1, 2, 3}
    # Where it was missing, a flipped cell is uniform over the three others.
    assert (noisy[:, 1] == 3).mean() == pytest.approx(0.25 * 0.7, abs=0.03)
    same = noisy_copy(ROWS, MIXED, jitter=0, flips=0, rng=rng())
    assert sorted(map(tuple, same)) == sorted(map(tuple, ROWS))


def test_rows_between_neighbours_lie_between_two_rows_of_their_cluster() -> None:
    near, far = np.full((20, 3), 2), np.full((20, 3), 30)
    schema = PlainSchema([PlainColumn(40, is_ordered=True)] * 3)
    table = np.concatenate([near, far]) + np.random.default_rng(0).integers(0, 3, size=(40, 3))
    twin = between_neighbours(table, schema, rng=rng())
    assert (((twin >= 2) & (twin <= 4)).all(axis=1) | ((twin >= 30) & (twin <= 32)).all(axis=1)).all()
    with pytest.raises(InvalidInput, match="at least two rows"):
        between_neighbours(table[:1], schema, rng=rng())


def test_rows_between_neighbours_never_invent_a_special_cell() -> None:
    table = np.stack([np.tile([3, 4], 50), np.tile([0, 1], 50)], axis=1)
    twin = between_neighbours(table, SPECIAL, rng=rng())
    assert set(twin[:, 0]) <= {3, 4}
    assert set(twin[:, 1]) <= {0, 1}


def test_centroids_are_means_and_most_frequent_values() -> None:
    table = np.array([[0, 0], [2, 0], [4, 1], [10, 3]])
    (centre,) = centroids(table, SPECIAL, count=1, rng=rng())
    assert centre.tolist() == [2, 0]
    with pytest.raises(InvalidInput):
        centroids(table, SPECIAL, count=5, rng=rng())


def test_a_row_swap_keeps_every_column_and_breaks_rows() -> None:
    twin = row_swap(ROWS, share=0.3, rng=rng())
    np.testing.assert_array_equal(np.sort(twin, axis=0), np.sort(ROWS, axis=0))
    assert known(twin, ROWS).mean() < 0.3


def test_partly_copied_holds_as_many_copies_as_asked() -> None:
    twin = partly_copied(ROWS, FRESH, copies=10, rng=rng())
    assert (len(twin), known(twin, ROWS).sum(), known(twin, FRESH).sum()) == (400, 10, 390)
    with pytest.raises(InvalidInput):
        partly_copied(ROWS, FRESH[:5], copies=6, rng=rng())


def test_the_most_isolated_rows_are_those_far_from_all_others() -> None:
    crowd = np.tile([5, 1], (50, 1))
    lonely = np.array([[0, 2], [9, 0]])
    found = most_isolated(np.concatenate([crowd, lonely]), SPECIAL, count=2)
    assert sorted(map(tuple, found)) == sorted(map(tuple, lonely))


def test_outliers_are_copied_with_noise_where_it_says_so() -> None:
    source = LeakSource(ROWS, FRESH, MIXED)
    plain, noisy = (LEAKY_TWINS[name].make(source, rng()) for name in ("few-copied-outliers", "few-noisy-outliers"))
    assert known(plain, ROWS).sum() == 4
    assert known(noisy, FRESH).sum() == 396
    assert known(noisy, ROWS).sum() < 4
