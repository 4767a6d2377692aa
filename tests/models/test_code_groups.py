"""Rules that merge codes: complete, inside atoms, and at the noise level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.models.code_groups import (
    NOISE_LEVEL,
    equal_mass,
    first_nodes,
    merged_where_rare,
    merged_with_neighbours,
    split_where_dense,
    within_atoms,
)

COUNTS = st.lists(st.integers(-50, 500), min_size=1, max_size=60).map(lambda cells: np.array(cells, dtype=float))
RULES = {
    "rare": lambda counts, atoms: merged_where_rare(counts, 10.0, atoms, most=8),
    "neighbours": lambda counts, atoms: merged_with_neighbours(counts, 10.0, atoms),
    "equal mass": lambda counts, atoms: equal_mass(counts, 10.0, 6, atoms),
    "tree": lambda counts, atoms: tree(counts, atoms, 10.0),
}


def tree(counts: np.ndarray, atoms: np.ndarray, stddev: float, most: int = 128) -> np.ndarray:
    groups = first_nodes(atoms)
    for _ in range(4):
        groups = split_where_dense(groups, np.bincount(groups, weights=counts), stddev, most=most)
    return groups


@pytest.mark.parametrize("rule", sorted(RULES))
@given(counts=COUNTS, seed=st.integers(0, 1000))
def test_every_code_has_a_group_without_gaps_and_no_group_straddles_atoms(
    rule: str, counts: np.ndarray, seed: int
) -> None:
    atoms = np.random.default_rng(seed).integers(0, 3, len(counts))
    groups = RULES[rule](counts, atoms)
    assert set(groups) == set(range(groups.max() + 1))
    for group in range(groups.max() + 1):
        assert len(set(atoms[groups == group])) == 1


@pytest.mark.parametrize("rule", ["neighbours", "equal mass", "tree"])
@given(counts=COUNTS)
def test_groups_of_ordered_codes_are_contiguous(rule: str, counts: np.ndarray) -> None:
    groups = RULES[rule](counts, np.zeros(len(counts), dtype=np.int64))
    assert set(np.diff(groups)) <= {0, 1}


def test_what_noise_hides_is_merged_and_what_stands_out_is_not() -> None:
    counts = np.array([500.0, 29.0, 31.0, -40.0, 5.0])
    groups = merged_where_rare(counts, 10.0, np.zeros(5, dtype=np.int64), most=10)
    assert groups.tolist() == [0, 1, 2, 1, 1]
    assert NOISE_LEVEL == 3.0


def test_at_most_so_many_codes_stand_alone() -> None:
    groups = merged_where_rare(np.arange(100.0) + 1000, 1.0, np.zeros(100, dtype=np.int64), most=5)
    assert (np.bincount(groups) == 1).sum() == 5
    assert (groups[95:] == np.arange(1, 6)).all()


def test_neighbours_are_merged_until_they_stand_out() -> None:
    counts = np.array([100.0, 20.0, 20.0, 20.0, 20.0, 100.0, 1.0])
    groups = merged_with_neighbours(counts, 10.0, np.zeros(7, dtype=np.int64))
    assert groups.tolist() == [0, 1, 1, 1, 2, 2, 3]


def test_equal_mass_finds_quantiles_and_a_spike_stands_alone() -> None:
    counts = np.ones(1000)
    groups = equal_mass(counts, 0.1, 10, np.zeros(1000, dtype=np.int64))
    np.testing.assert_array_equal(np.bincount(groups), np.full(10, 100))
    counts[300] = 5000
    groups = equal_mass(counts, 0.1, 10, np.zeros(1000, dtype=np.int64))
    assert (groups == groups[300]).sum() <= 2
    assert groups.max() >= 4


def test_groups_and_atoms_together_are_their_common_refinement() -> None:
    assert within_atoms(np.array([0, 0, 1, 1]), np.array([0, 5, 5, 5])).tolist() == [0, 1, 2, 2]


def test_quantiles_of_few_rows_over_many_empty_codes_follow_the_rows_and_not_the_noise() -> None:
    rng = np.random.default_rng(5)
    truth = np.zeros(4096)
    truth[:64] = 500
    groups = equal_mass(truth + rng.normal(0, 50, 4096), 50.0, 16, np.zeros(4096, dtype=np.int64))
    assert len(set(groups[:64])) >= 8


def test_the_tree_is_deep_where_rows_are_dense_and_nowhere_else() -> None:
    counts = np.zeros(1024)
    counts[512:520] = [0, 0, 0, 5000, 0, 3000, 0, 0]
    groups = tree(counts, np.zeros(1024, dtype=np.int64), 10.0)
    assert (groups == groups[515]).sum() == (groups == groups[517]).sum() == 1
    assert groups.max() + 1 <= 16 + 3 * 4
    assert (groups == groups[0]).sum() == 64


@given(COUNTS, st.integers(16, 40))
def test_the_tree_has_at_most_so_many_nodes_and_the_heaviest_are_cut_first(counts: np.ndarray, most: int) -> None:
    groups = tree(np.abs(counts) * 100, np.zeros(len(counts), dtype=np.int64), 1.0, most)
    assert groups.max() + 1 <= most
