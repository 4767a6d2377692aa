"""Rounded Gaussian noise fits its distribution, and a tenth too little or too much noise does not."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from dpsynth.mechanisms import RoundedGaussianMechanism, Sensitivity
from dpsynth.randomness import NoiseSource
from tests.statistical.goodness_of_fit import (
    Ints,
    chi_square_p,
    gaussian_cells,
    gaussian_pmf,
    independence_p,
    kolmogorov_smirnov_p,
)
from tests.statistical.significance import SIGNIFICANCE, seeded_noise

DRAWS = 200_000

# Below one, around one, large tables, the widest single table, the narrowest and wider sums of tables.
SMALL = [Fraction(1, 4), Fraction(1), Fraction(22, 7), Fraction(100), Fraction(2500)]
WIDE = [Fraction(512**2), Fraction(513**2), Fraction(22_361**2), Fraction(10**12)]
LAGS = [1, 2**16]
NULL_DECISIONS = 2 * len(SMALL) + len(WIDE) + 2 * len(LAGS)

TOO_SMALL, TOO_LARGE = Fraction(81, 100), Fraction(121, 100)  # of the variance: a tenth of the standard deviation


def draw(variance: Fraction, noise: NoiseSource, count: int = DRAWS) -> Ints:
    zeros = np.zeros(count, dtype=np.int64)
    return RoundedGaussianMechanism(variance)(zeros, sensitivity=Sensitivity(1, 1, 1), noise=noise)


@pytest.mark.parametrize("variance", SMALL)
def test_small_noise(variance: Fraction) -> None:
    pmf = gaussian_pmf(float(variance))
    fitting = draw(variance, seeded_noise(1))
    assert chi_square_p(fitting, pmf) > SIGNIFICANCE
    assert kolmogorov_smirnov_p(fitting, pmf) > SIGNIFICANCE
    for wrong in (TOO_SMALL, TOO_LARGE):
        assert chi_square_p(draw(wrong * variance, seeded_noise(2)), pmf) < SIGNIFICANCE


@pytest.mark.parametrize("variance", WIDE)
def test_wide_noise(variance: Fraction) -> None:
    step = int(float(variance) ** 0.5) // 100
    pmf = gaussian_cells(float(variance), step)
    assert kolmogorov_smirnov_p(draw(variance, seeded_noise(3)) // step, pmf) > SIGNIFICANCE
    for wrong in (TOO_SMALL, TOO_LARGE):
        assert kolmogorov_smirnov_p(draw(wrong * variance, seeded_noise(4)) // step, pmf) < SIGNIFICANCE


class StuckNoise:
    """A planted fault: the same bytes for every request, as from a buffer that is never refilled."""

    certifiable = False

    def random_bytes(self, count: int) -> bytes:
        return seeded_noise(6).random_bytes(count)


@pytest.mark.parametrize("variance", [Fraction(100), Fraction(10**6)])
@pytest.mark.parametrize("lag", LAGS)
def test_noise_of_one_vector_is_uncorrelated(variance: Fraction, lag: int) -> None:
    assert independence_p(draw(variance, seeded_noise(5)), lag) > SIGNIFICANCE


def test_a_source_that_repeats_its_bytes_is_caught() -> None:
    assert independence_p(draw(Fraction(100), StuckNoise()), 2**16) < SIGNIFICANCE
    # Both parts of wide noise then move together.
    assert kolmogorov_smirnov_p(draw(Fraction(10**6), StuckNoise()) // 10, gaussian_cells(1e6, 10)) < SIGNIFICANCE
