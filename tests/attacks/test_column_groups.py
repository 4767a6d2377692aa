"""Associations by hand, and groups that hold together what goes together."""

from __future__ import annotations

import numpy as np

from dpsynth.attacks import Records
from dpsynth.attacks.column_groups import associations, correlated_groups, random_groups
from tests.attacks.four_rows import rng


def codes(*columns: list[int] | np.ndarray) -> Records:
    return Records(np.column_stack(columns).astype(np.float64), np.zeros(len(columns), dtype=np.bool_))


def test_associations_by_hand() -> None:
    first = [0, 0, 0, 0, 1, 1, 1, 1]
    strength = associations(codes(first, first, [0, 1, 0, 1, 0, 1, 0, 1], [0, 0, 0, 1, 0, 1, 1, 1]))
    # phi of a copy is 1: less (2 - 1)(2 - 1)/7 is 6/7, and 2 levels less 1/7 less 1 are 6/7 too.
    assert strength[0, 1] == 1
    assert strength[0, 2] == 0
    # Three of four agree on either side: phi = (6/8 - 2/8)^2 = 1/4, so (1/4 - 1/7) / (6/7) = 1/8.
    np.testing.assert_allclose(strength[0, 3], np.sqrt(1 / 8))
    np.testing.assert_array_equal(strength, strength.T)


def test_a_constant_column_goes_with_nothing() -> None:
    assert associations(codes([0, 1, 0, 1], [0, 0, 0, 0]))[0, 1] == 0
    assert associations(codes([0], [0]))[0, 1] == 0


def test_columns_of_one_trait_make_a_group() -> None:
    draws = np.random.default_rng(1)
    traits = draws.normal(size=(3, 500))
    ordered = np.clip((traits + draws.normal(size=(3, 3, 500)) / 2) / 8 + 0.5, 0, 1)  # columns, traits, rows
    table = Records(ordered.reshape(9, 500).T, np.ones(9, dtype=np.bool_))
    assert set(correlated_groups(table, 3)) == {(0, 3, 6), (1, 4, 7), (2, 5, 8)}
    assert len(correlated_groups(table, 1)) == 1


def test_groups_leave_a_column_out_and_share_none() -> None:
    draws = np.random.default_rng(2)
    for width in range(1, 12):
        found = correlated_groups(codes(*draws.integers(3, size=(width, 40))), 3)
        assert all(2 <= len(group) < width for group in found)
        assert sum(map(len, found)) == len(set().union(*found))
        assert len(found) == (0 if width < 3 else min(3, width // 2))


def test_random_groups_are_halves_that_differ() -> None:
    found = random_groups(8, 3, besides=((0, 1, 2, 3),), rng=rng())
    assert len(set(found)) == 3
    assert (0, 1, 2, 3) not in found
    assert {len(group) for group in found} == {4}
    assert set(random_groups(3, 3, besides=((0, 1),), rng=rng())) == {(0, 2), (1, 2)}
    assert random_groups(2, 3, besides=(), rng=rng()) == ()
