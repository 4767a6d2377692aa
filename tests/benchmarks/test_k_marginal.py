"""The k-marginal score on tables small enough to work out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.k_marginal import k_marginal, percentile_codes

REAL = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 1], [1, 1, 1]])
MADE = np.array([[0, 0, 0], [0, 0, 0], [1, 0, 1], [1, 1, 1]])
"""One of four rows differs, in its second column.

Pairs (0, 1), (0, 2), (1, 2): in the first and the last, one quarter sits in another cell on each side, so the absolute
differences sum to 1/2; the middle one agrees. The mean is 1/3 and the score (2 - 1/3) * 500.
"""


def test_the_score_of_pairs_is_the_one_worked_out_by_hand() -> None:
    assert k_marginal(REAL, MADE) == pytest.approx((2 - 1 / 3) * 500)


def test_with_a_group_every_pair_of_the_others_is_joined_with_it() -> None:
    # Only one pair is left, (1, 2), joined with column 0; its cells differ by a quarter twice.
    assert k_marginal(REAL, MADE, group=0) == pytest.approx((2 - 1 / 2) * 500)


def test_equal_tables_score_1000_and_tables_without_a_common_cell_0() -> None:
    assert k_marginal(REAL, REAL[::-1]) == 1000
    assert k_marginal(REAL, REAL + 2) == 0


def test_an_age_in_twenty_bins_has_a_twentieth_of_the_rows_in_each() -> None:
    ages = np.arange(100, dtype=np.float64)
    target, made = percentile_codes(ages, ages)
    assert sorted(np.unique(target, return_counts=True)[1].tolist()) == [4] + [5] * 18 + [6]
    assert (target == made).all()


def test_missing_cells_and_single_values_keep_codes_of_their_own_and_cost_a_bin_each() -> None:
    real = np.concatenate([np.arange(100, dtype=np.float64), [501.0, np.nan]])
    target, made = percentile_codes(real, np.array([501.0, np.nan, 99.0]), singles=[501.0])
    assert len(np.unique(target)) == 20
    assert made.tolist() == [target[100], target[101], target[99]]


def test_cells_beyond_the_real_ones_are_bins_apart() -> None:
    real = np.arange(10, 110, dtype=np.float64)
    target, made = percentile_codes(real, np.array([5.0, 10.0, 50.0, 109.0, 200.0]))
    assert set(made[[2, 3]]) <= set(target)
    assert made[4] not in set(target)
