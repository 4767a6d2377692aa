"""Errors of trees: memorised cells are predicted, and there is one score per column that varies."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.attacks import Records
from dpsynth.attacks.prediction_error import PredictionError
from tests.attacks.four_rows import NOTHING, REFERENCE, SYNTHETIC, TARGETS, rng

KINDS = np.array([True, False, False])
NAMES = ("place", "kind", "constant")
SYNTHETIC_ROWS = Records(np.array([[0.0, 0, 5], [1, 1, 5]] * 5), KINDS)
"""Position and kind go together."""
REFERENCE_ROWS = Records(np.array([[0.0, 1, 5], [1, 0, 5]] * 5), KINDS)
"""Position and kind go against one another."""


def test_cells_by_hand() -> None:
    # Both trees are certain: the synthetic one is right about the first target, the other about the second.
    # Nobody has the kind of the third: both fail on it; its place is 1 to one tree and 0 to the other.
    targets = Records(np.array([[0.0, 0, 5], [0, 1, 5], [1, 2, 5]]), KINDS)
    found = PredictionError().scores(targets, SYNTHETIC_ROWS, REFERENCE_ROWS, names=NAMES, rng=rng())
    assert set(found) == {"place", "kind"}
    np.testing.assert_array_equal(found["kind"], [1, -1, 0])
    np.testing.assert_array_equal(found["place"][:2], [1, -1])


@pytest.mark.parametrize("synthetic", [NOTHING, SYNTHETIC])
def test_too_little_to_learn_from_gives_no_scores(synthetic: Records) -> None:
    names = ("place", "kind")
    assert PredictionError().scores(TARGETS, synthetic, NOTHING, names=names, rng=rng()) == {}
    one_column = [Records(table.values[:, :1], table.ordered[:1]) for table in (TARGETS, SYNTHETIC, REFERENCE)]
    assert PredictionError().scores(*one_column, names=names, rng=rng()) == {}


def test_nobody_is_scored_by_nobody() -> None:
    nobody = SYNTHETIC_ROWS.take(np.array([], dtype=np.intp))
    found = PredictionError().scores(nobody, SYNTHETIC_ROWS, REFERENCE_ROWS, names=NAMES, rng=rng())
    assert {scores.shape for scores in found.values()} == {(0,)}
