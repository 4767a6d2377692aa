"""Codes come back from groups by their shares, and noise is not taken for detail."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput
from dpsynth.models.merged_column import MergedColumn, shares_within

GROUPS = np.array([1, 0, 0, 2, 1, 1])
SHARES = np.array([0.5, 0.25, 0.75, 1.0, 0.0, 0.5])


@given(st.lists(st.integers(0, 2), max_size=300), st.integers(0, 100))
def test_each_code_occurs_as_often_as_its_share_says_rounded_down_or_up(groups: list[int], seed: int) -> None:
    column = MergedColumn(GROUPS, SHARES)
    asked = np.array(groups, dtype=np.int32)
    codes = column.draw(asked, np.random.default_rng(seed))
    np.testing.assert_array_equal(GROUPS[codes], asked)
    expected = SHARES * np.bincount(asked, minlength=3)[GROUPS]
    assert (np.abs(np.bincount(codes, minlength=6) - expected) <= 1 + 1e-6).all()
    assert not (codes == 4).any(), "a code without share is never drawn"


def test_codes_are_unbiased_and_in_random_order() -> None:
    column = MergedColumn(np.zeros(3, dtype=np.int64), np.array([0.2, 0.3, 0.5]))
    drawn = np.array([column.draw(np.zeros(4, dtype=np.int64), np.random.default_rng(seed)) for seed in range(4000)])
    # Each of 4 places over 4000 draws: standard error below 0.008; five of them are 0.04.
    for code, share in enumerate(column.shares):
        np.testing.assert_allclose((drawn == code).mean(axis=0), share, atol=0.04)


@pytest.mark.parametrize("shares", [[0.5, 0.4, 1.0], [1.5, -0.5, 1.0], [1.0, 1.0]])
def test_shares_that_are_no_distribution_are_refused(shares: list[float]) -> None:
    with pytest.raises((InvalidInput, ValueError)):
        MergedColumn(np.array([0, 0, 1]), np.array(shares))


def distance(first: np.ndarray, second: np.ndarray) -> float:
    return float(0.5 * np.abs(first / first.sum() - second / second.sum()).sum())


@pytest.mark.parametrize("ordered", [True, False])
def test_pure_noise_comes_out_nearly_flat(ordered: bool) -> None:
    rng = np.random.default_rng(1)
    counts = 5 + rng.normal(0, 20, 512)
    shares = shares_within(counts, 20.0, np.zeros(512, dtype=np.int64), np.array([2560.0]), ordered=ordered)
    clipped = np.maximum(counts, 0)
    assert distance(shares, np.ones(512)) < 0.35 * distance(clipped, np.ones(512))


def test_a_spike_survives_at_its_height_and_the_noise_around_it_does_not() -> None:
    rng = np.random.default_rng(2)
    truth = np.full(512, 5.0)
    truth[137] = 2000
    counts = truth + rng.normal(0, 20, 512)
    shares = shares_within(counts, 20.0, np.zeros(512, dtype=np.int64), np.array([truth.sum()]), ordered=True)
    assert abs(shares[137] - truth[137] / truth.sum()) < 0.03
    assert distance(shares, truth) < 0.4 * distance(np.maximum(counts, 0), truth)


def test_differences_that_the_noise_cannot_explain_are_kept() -> None:
    truth = np.array([100.0, 200.0, 400.0, 800.0])
    for ordered in (True, False):
        shares = shares_within(truth, 1.0, np.zeros(4, dtype=np.int64), np.array([1500.0]), ordered=ordered)
        np.testing.assert_allclose(shares, truth / 1500, atol=0.01)


@given(st.lists(st.integers(-100, 100), min_size=1, max_size=40), st.integers(0, 100), st.booleans())
def test_shares_are_always_a_conditional_distribution(counts: list[int], seed: int, ordered: bool) -> None:
    groups = np.unique(np.random.default_rng(seed).integers(0, 5, len(counts)), return_inverse=True)[1]
    totals = np.bincount(groups, weights=counts).astype(float)
    shares = shares_within(np.array(counts, dtype=float), 7.0, groups, totals, ordered=ordered)
    MergedColumn(groups, shares)
