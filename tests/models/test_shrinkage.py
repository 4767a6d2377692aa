"""Shrinkage takes away what noise added, keeps what differs plainly, and never makes a table much worse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dpsynth.models.shrinkage import shrunk

STDDEV = 20.0
SHAPE = (32, 12)


def mean_errors(spread: float) -> tuple[float, float]:
    """Return the mean error of a cell before and after, where cells scatter with variance spread * expected."""
    rng = np.random.default_rng(3)
    before, after = [], []
    for _ in range(20):
        expected = rng.gamma(0.5, 200, SHAPE)
        truth = expected + rng.normal(size=SHAPE) * np.sqrt(spread * expected)
        noisy = truth + rng.normal(0, STDDEV, SHAPE)
        before.append(np.abs(noisy - truth).mean())
        after.append(np.abs(shrunk(noisy, expected, STDDEV) - truth).mean())
    return float(np.mean(before)), float(np.mean(after))


@pytest.mark.parametrize(("spread", "share"), [(0.0, 0.05), (0.5, 0.35), (5.0, 0.65), (50.0, 0.9), (5000.0, 1.0)])
def test_error_falls_by_as_much_as_the_table_follows_what_was_expected(spread: float, share: float) -> None:
    before, after = mean_errors(spread)
    assert after <= share * before


@pytest.mark.parametrize("factor", [0.0, 3.0])
def test_an_expectation_that_is_wrong_everywhere_does_little_harm(factor: float) -> None:
    """Cells of 100 rows, of which nothing, or three times as much, was expected in every second one."""
    rng = np.random.default_rng(4)
    truth = np.full(SHAPE, 100.0)
    expected = np.where(np.arange(SHAPE[1]) % 2 == 0, 100.0, factor * 100.0) + np.zeros(SHAPE)
    errors = []
    for _ in range(20):
        noisy = truth + rng.normal(0, STDDEV, SHAPE)
        seen = factor > 0 or expected > 0  # where nothing was expected, nothing is kept
        errors.append(np.abs(shrunk(noisy, expected, STDDEV) - truth)[np.broadcast_to(seen, SHAPE)].mean())
    assert np.mean(errors) <= 1.25 * STDDEV * np.sqrt(2 / np.pi)


tables = arrays(np.float64, (4, 5), elements=st.floats(-1e6, 1e6))


@given(tables, tables, st.floats(0.1, 1e4))
def test_every_cell_stays_between_the_noisy_and_the_expected_count(
    counts: np.ndarray, expected: np.ndarray, stddev: float
) -> None:
    result = shrunk(counts, expected, stddev)
    slack = 1e-9 * (np.abs(counts) + np.abs(expected) + 1)
    assert (result >= np.minimum(counts, expected) - slack).all()
    assert (result <= np.maximum(counts, expected) + slack).all()


@given(tables, st.floats(0.1, 1e4))
def test_where_nothing_was_expected_anywhere_the_counts_stay(counts: np.ndarray, stddev: float) -> None:
    assert np.array_equal(shrunk(counts, np.zeros_like(counts), stddev), counts)


@given(tables, st.floats(0.1, 1e4), st.floats(0.01, 100))
def test_the_unit_does_not_matter(counts: np.ndarray, stddev: float, unit: float) -> None:
    """Spread is measured in rows, so it scales with the unit, and the result with it."""
    expected = np.abs(counts[::-1]) + 1
    once, scaled = shrunk(counts, expected, stddev), shrunk(unit * counts, unit * expected, unit * stddev)
    assert np.allclose(scaled, unit * once, rtol=1e-2, atol=1e-2 * unit * stddev)
