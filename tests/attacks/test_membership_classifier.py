"""The classifier separates what can be separated, and says one half where there is nothing to learn."""

from __future__ import annotations

import numpy as np

from dpsynth.attacks import Records
from dpsynth.attacks.membership_classifier import MembershipClassifier
from tests.attacks.four_rows import NOTHING, REFERENCE, SYNTHETIC, TARGETS, rng

ORDERED = np.array([True, True])


def line(positions: np.ndarray) -> Records:
    """Rows that move in the first column only; the second is constant."""
    return Records(np.stack([positions, np.zeros_like(positions)], axis=1), ORDERED)


def test_separated_tables_are_told_apart() -> None:
    synthetic, reference = line(np.linspace(0, 0.4, 30)), line(np.linspace(0.6, 1, 50))
    scores = MembershipClassifier().score(line(np.array([0.1, 0.9])), synthetic, reference, rng=rng())
    assert scores[0] > 0.95
    assert scores[1] < 0.05


def test_different_sizes_of_the_tables_are_balanced() -> None:
    # Without balance the mean would be near 40 / 440.
    draws = rng()
    synthetic, reference, asked = (line(draws.random(rows)) for rows in (40, 400, 200))
    scores = MembershipClassifier(smallest_leaf=60).score(asked, synthetic, reference, rng=draws)
    assert 0.3 < scores.mean() < 0.7


def test_nothing_to_learn_from_gives_one_half() -> None:
    attack = MembershipClassifier()
    constant = line(np.full(20, 0.5))
    for synthetic, reference in ((NOTHING, NOTHING), (SYNTHETIC, REFERENCE)):
        np.testing.assert_array_equal(attack.score(TARGETS, synthetic, reference, rng=rng()), np.full(4, 0.5))
    np.testing.assert_array_equal(attack.score(constant, constant, constant, rng=rng()), np.full(20, 0.5))
