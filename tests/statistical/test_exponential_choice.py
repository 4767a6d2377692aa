"""Choices fit their probabilities, and an epsilon a tenth too small or too large does not."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from dpsynth.mechanisms import ExponentialMechanism, Sensitivity
from tests.statistical.goodness_of_fit import Floats, Ints, chi_square_p
from tests.statistical.significance import SIGNIFICANCE, seeded_noise

DRAWS = 10_000

CASES = [
    (Fraction(1), list(range(10)), 1),
    (Fraction(3), [5, 5, 4, 0, 3, 6], 1),
    (Fraction(1, 2), [0, 700, 1000, 400, 900], 100),
    (Fraction(5, 3), [-(2**62), 2**62, 2**62 - 2, 2**62 - 1], 1),
]
NULL_DECISIONS = len(CASES)


def probabilities(epsilon: Fraction, scores: list[int], sensitivity: int) -> tuple[Ints, Floats]:
    best = max(scores)
    logs = [-float(epsilon) * (best - score) / (2 * sensitivity) for score in scores]
    weights = np.exp(np.array(logs))
    return np.arange(len(scores)), weights / weights.sum()


def draw(epsilon: Fraction, scores: list[int], sensitivity: int, stream: int) -> Ints:
    mechanism, noise = ExponentialMechanism(epsilon), seeded_noise(stream)
    value, bound = np.array(scores, dtype=np.int64), Sensitivity(sensitivity, sensitivity**2, sensitivity)
    return np.array([mechanism(value, sensitivity=bound, noise=noise) for _ in range(DRAWS)], dtype=np.int64)


@pytest.mark.parametrize(("epsilon", "scores", "sensitivity"), CASES)
def test_choices(epsilon: Fraction, scores: list[int], sensitivity: int) -> None:
    expected = probabilities(epsilon, scores, sensitivity)
    assert chi_square_p(draw(epsilon, scores, sensitivity, 21), expected) > SIGNIFICANCE
    for wrong in (Fraction(8, 10), Fraction(12, 10)):
        assert chi_square_p(draw(wrong * epsilon, scores, sensitivity, 22), expected) < SIGNIFICANCE
