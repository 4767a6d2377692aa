"""The overfitted GAN makes rows of known levels, the same ones for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.overfitted_gan import overfitted_gan


def test_rows_are_made_of_levels_of_the_training_rows() -> None:
    rng = np.random.default_rng(3)
    rows = np.stack([rng.integers(2, 9, 20), rng.integers(0, 2, 20), np.full(20, 5)], axis=1).astype(np.int32)
    made = overfitted_gan(rows, seed=1, epochs=3)
    assert made.shape == rows.shape
    for own, theirs in zip(made.T, rows.T, strict=True):
        assert set(own) <= set(theirs)
    assert np.array_equal(made, overfitted_gan(rows, seed=1, epochs=3))
