"""Discrete Laplace noise fits its distribution, and a tenth too little or too much noise does not."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from dpsynth.mechanisms import DiscreteLaplaceMechanism, Sensitivity
from tests.statistical.goodness_of_fit import Ints, chi_square_p, kolmogorov_smirnov_p, laplace_cells, laplace_pmf
from tests.statistical.significance import SIGNIFICANCE, seeded_noise

DRAWS = 200_000

SMALL = [Fraction(1, 3), Fraction(1), Fraction(10), Fraction(50)]
WIDE = [Fraction(128), Fraction(129), Fraction(20_001, 2), Fraction(10**6)]  # both sides of the step to digits
NULL_DECISIONS = 2 * len(SMALL) + len(WIDE)

TOO_SMALL, TOO_LARGE = Fraction(9, 10), Fraction(11, 10)


def draw(scale: Fraction, stream: int) -> Ints:
    zeros = np.zeros(DRAWS, dtype=np.int64)
    return DiscreteLaplaceMechanism(scale)(zeros, sensitivity=Sensitivity(1, 1, 1), noise=seeded_noise(stream))


@pytest.mark.parametrize("scale", SMALL)
def test_small_noise(scale: Fraction) -> None:
    pmf = laplace_pmf(float(scale))
    fitting = draw(scale, 11)
    assert chi_square_p(fitting, pmf) > SIGNIFICANCE
    assert kolmogorov_smirnov_p(fitting, pmf) > SIGNIFICANCE
    for wrong in (TOO_SMALL, TOO_LARGE):
        assert chi_square_p(draw(wrong * scale, 12), pmf) < SIGNIFICANCE


@pytest.mark.parametrize("scale", WIDE)
def test_wide_noise(scale: Fraction) -> None:
    step = int(scale) // 100
    pmf = laplace_cells(float(scale), step)
    assert kolmogorov_smirnov_p(draw(scale, 13) // step, pmf) > SIGNIFICANCE
    for wrong in (TOO_SMALL, TOO_LARGE):
        assert kolmogorov_smirnov_p(draw(wrong * scale, 14) // step, pmf) < SIGNIFICANCE
