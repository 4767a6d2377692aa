"""The quantile of the noise is at or a little above the exact one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from dpsynth.models.l1_noise import l1_noise_quantile


def exact_quantile(cells: int, level: float, step: float = 0.002) -> float:
    """Return the quantile of a sum of absolute values of standard normal variables, by convolution on a grid."""
    reach = 0.8 * cells + 12 * math.sqrt(cells) + 6
    grid = np.arange(2 ** math.ceil(math.log2(reach / step))) * step
    single = np.diff(2 * norm.cdf(grid + step / 2) - 1, prepend=0.0)
    summed = np.fft.irfft(np.fft.rfft(single) ** cells, len(grid))
    return float(grid[np.searchsorted(np.cumsum(summed), level)])


@pytest.mark.parametrize("cells", [1, 2, 3, 5, 12, 60, 500])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.955, 0.99, 0.995])
def test_the_quantile_is_close_from_above(cells: int, level: float) -> None:
    stddev = 1e6  # so that the one row for whole numbers does not count
    quantile = l1_noise_quantile(cells, stddev, level) / stddev
    exact = exact_quantile(cells, level)
    assert exact - 0.002 <= quantile <= 1.02 * exact


def test_it_scales_with_the_noise() -> None:
    assert l1_noise_quantile(7, 20.0, 0.95) - 1 == pytest.approx(2 * (l1_noise_quantile(7, 10.0, 0.95) - 1))
