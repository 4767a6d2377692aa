"""Denoising takes noise away, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dpsynth.models.denoising import FEWEST_CODES, denoised

CODES = np.arange(100)
SHAPES = {
    "smooth": 1000 * np.exp(-(((CODES - 40) / 18) ** 2)),
    "stepped": np.where(CODES < 30, 700.0, 150.0),
    "sparse": np.where(np.isin(CODES, (0, 71)), 9000.0, 0.0),
    "heaped": np.where(CODES % 10 == 0, 2000.0, 100.0),
}
STDDEV = 50.0


def mean_error(shape: str, *, cleaned: bool) -> float:
    rng = np.random.default_rng(5)
    truth = SHAPES[shape]
    noisy = [truth + rng.normal(0, STDDEV, len(truth)) for _ in range(40)]
    return float(np.mean([np.abs((denoised(one, STDDEV) if cleaned else one) - truth).mean() for one in noisy]))


@pytest.mark.parametrize(("shape", "share"), [("smooth", 0.7), ("stepped", 0.5), ("sparse", 0.6), ("heaped", 1.02)])
def test_error_falls_and_never_rises_on_shapes_with_jumps(shape: str, share: float) -> None:
    assert mean_error(shape, cleaned=True) <= share * mean_error(shape, cleaned=False)


@given(arrays(np.float64, st.integers(FEWEST_CODES, 70), elements=st.floats(-1e6, 1e6)))
def test_without_noise_nothing_is_taken_away(counts: np.ndarray) -> None:
    assert np.allclose(denoised(counts, 0.0), counts, atol=1e-6)


@given(arrays(np.float64, st.integers(FEWEST_CODES, 70), elements=st.floats(-1e6, 1e6)), st.floats(0.1, 1e3))
def test_the_sum_and_the_direction_do_not_matter(counts: np.ndarray, stddev: float) -> None:
    cleaned = denoised(counts, stddev)
    assert cleaned.sum() == pytest.approx(counts.sum(), abs=1e-3 + 1e-9 * np.abs(counts).sum())
    assert np.allclose(denoised(counts + 77.0, stddev), cleaned + 77.0, atol=1e-3)


def test_a_flat_histogram_keeps_hardly_any_noise() -> None:
    noisy = 500 + np.random.default_rng(1).normal(0, STDDEV, 128)
    assert denoised(noisy, STDDEV).std() < 0.35 * STDDEV


def test_few_codes_are_left_as_they_are() -> None:
    counts = np.arange(FEWEST_CODES - 1, dtype=np.float64)
    assert denoised(counts, 100.0) is counts
