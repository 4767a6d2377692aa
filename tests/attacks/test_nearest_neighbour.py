"""Calibrated distances by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dpsynth.attacks.distance import OFFSET
from dpsynth.attacks.nearest_neighbour import Calibration, NearestNeighbour
from tests.attacks.four_rows import NOTHING, REFERENCE, SYNTHETIC, TARGETS, TO_REFERENCE, TO_SYNTHETIC, rng


@pytest.mark.parametrize(
    ("calibration", "expected"),
    [
        (Calibration.NONE, -TO_SYNTHETIC),
        (Calibration.DIFFERENCE, TO_REFERENCE - TO_SYNTHETIC),
        (Calibration.LOG_RATIO, np.log((TO_REFERENCE + OFFSET) / (TO_SYNTHETIC + OFFSET))),
    ],
)
def test_scores_by_hand(calibration: Calibration, expected: NDArray[np.float64]) -> None:
    scores = NearestNeighbour(calibration).score(TARGETS, SYNTHETIC, REFERENCE, rng=rng())
    np.testing.assert_allclose(scores, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("calibration", Calibration)
def test_empty_tables_count_as_farthest_away(calibration: Calibration) -> None:
    scores = NearestNeighbour(calibration).score(TARGETS, NOTHING, NOTHING, rng=rng())
    np.testing.assert_array_equal(scores, np.full(4, -2.0 if calibration is Calibration.NONE else 0.0))
