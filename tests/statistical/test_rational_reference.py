"""The reference samplers fit the same distributions, by their own route, and agree with the mechanisms."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from dpsynth.mechanisms import (
    DiscreteLaplaceMechanism,
    ExponentialMechanism,
    RoundedGaussianMechanism,
    Sensitivity,
)
from tests.statistical.goodness_of_fit import Ints, chi_square_p, gaussian_pmf, laplace_pmf
from tests.statistical.rational_reference import discrete_laplace, exponential_choice, rounded_gaussian
from tests.statistical.significance import SIGNIFICANCE, seeded_integers, seeded_noise

DRAWS = 6000
NULL_DECISIONS = 6
ONE_ROW = Sensitivity(1, 1, 1)
SCORES = [0, 3, 5, 4, 1]

Sampler = Callable[[Fraction, Callable[[int], int]], int]


def reference(sampler: Sampler, parameter: Fraction, stream: int) -> Ints:
    uniform_below = seeded_integers(stream).randrange
    return np.array([sampler(parameter, uniform_below) for _ in range(DRAWS)], dtype=np.int64)


def same_distribution_p(first: Ints, second: Ints) -> float:
    """Return the p-value of the chi-square test that two sets of draws come from one distribution."""
    edges = np.unique(np.quantile(np.concatenate([first, second]), np.linspace(0, 1, 21)[1:-1]))
    table = np.stack(
        [np.bincount(np.searchsorted(edges, d, side="right"), minlength=len(edges) + 1) for d in (first, second)]
    )
    return float(stats.chi2_contingency(table[:, table.sum(axis=0) > 0]).pvalue)


def choice(epsilon: Fraction, uniform_below: Callable[[int], int]) -> int:
    return exponential_choice(SCORES, epsilon / 2, uniform_below)


def test_gaussian() -> None:
    variance = Fraction(22, 7)
    drawn, pmf = reference(rounded_gaussian, variance, 31), gaussian_pmf(float(variance))
    assert chi_square_p(drawn, pmf) > SIGNIFICANCE
    mechanism = RoundedGaussianMechanism(variance)
    fast = mechanism(np.zeros(20 * DRAWS, dtype=np.int64), sensitivity=ONE_ROW, noise=seeded_noise(31))
    assert same_distribution_p(drawn, fast) > SIGNIFICANCE
    for wrong in (Fraction(8, 10) ** 2, Fraction(12, 10) ** 2):
        other = reference(rounded_gaussian, wrong * variance, 32)
        assert chi_square_p(other, pmf) < SIGNIFICANCE
        assert same_distribution_p(other, fast) < SIGNIFICANCE


def test_laplace() -> None:
    scale = Fraction(10, 3)
    drawn, pmf = reference(discrete_laplace, scale, 33), laplace_pmf(float(scale))
    assert chi_square_p(drawn, pmf) > SIGNIFICANCE
    mechanism = DiscreteLaplaceMechanism(scale)
    fast = mechanism(np.zeros(20 * DRAWS, dtype=np.int64), sensitivity=ONE_ROW, noise=seeded_noise(33))
    assert same_distribution_p(drawn, fast) > SIGNIFICANCE
    for wrong in (Fraction(8, 10), Fraction(12, 10)):
        other = reference(discrete_laplace, wrong * scale, 34)
        assert chi_square_p(other, pmf) < SIGNIFICANCE
        assert same_distribution_p(other, fast) < SIGNIFICANCE


def test_exponential_choice() -> None:
    epsilon = Fraction(2)
    weights = np.exp(np.array(SCORES, dtype=np.float64))
    pmf = np.arange(len(SCORES)), weights / weights.sum()
    drawn = reference(choice, epsilon, 35)
    assert chi_square_p(drawn, pmf) > SIGNIFICANCE
    noise, scores = seeded_noise(35), np.array(SCORES, dtype=np.int64)
    mechanism = ExponentialMechanism(epsilon)
    fast = np.array([mechanism(scores, sensitivity=ONE_ROW, noise=noise) for _ in range(20_000)], dtype=np.int64)
    assert same_distribution_p(drawn, fast) > SIGNIFICANCE
    for wrong in (Fraction(8, 10), Fraction(12, 10)):
        other = reference(choice, wrong * epsilon, 36)
        assert chi_square_p(other, pmf) < SIGNIFICANCE


@pytest.mark.parametrize("variance", [Fraction(1, 100), Fraction(10**8)])
def test_extreme_variances_end(variance: Fraction) -> None:
    uniform_below = seeded_integers(37).randrange
    assert abs(rounded_gaussian(variance, uniform_below)) < 10 * float(variance) ** 0.5 + 1
