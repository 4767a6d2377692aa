"""The exact Gaussian profile against many digits."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from dpsynth.accounting import gaussian
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.gaussian import gaussian_delta, gaussian_epsilon, noise_multiplier_for
from dpsynth.errors import InvalidBudget, InvalidInput


def delta_by_integration(epsilon: float, noise: float) -> float:
    """Return the integral of (p - e^epsilon q)_+ over the line, from the definition."""
    start = epsilon * noise + 1 / (2 * noise)

    def excess(point: float) -> float:
        density = math.exp(-((point - 1 / noise) ** 2) / 2) / math.sqrt(2 * math.pi)
        return density * -math.expm1(epsilon - point / noise + 1 / (2 * noise**2))

    return float(quad(excess, start, start + 12 + 1 / noise, limit=400, epsabs=0, epsrel=1e-11)[0])


@pytest.mark.parametrize("noise", [0.1, 0.5, 1.0, 1.99, 2.01, 30.0, 1e4])
@pytest.mark.parametrize("deviations", [0.0, 0.5, 2.0, 5.0])
def test_delta_is_the_integral(noise: float, deviations: float) -> None:
    epsilon = deviations / noise
    exact = delta_by_integration(epsilon, noise)
    assert gaussian_delta(epsilon, noise) == pytest.approx(exact, rel=1e-8)
    assert gaussian_delta(epsilon, noise) >= exact * (1 - 1e-10)


def test_delta_to_many_digits() -> None:
    mpmath = pytest.importorskip("mpmath")
    mpmath.mp.dps = 60
    for epsilon, noise in [(1, 1), (0.1, 30), (1e-5, 1e6), (100, 0.1), (6, 2.5), (1e-7, 1e8), (1250, 0.02)]:
        x, s = mpmath.mpf(epsilon), mpmath.mpf(noise)
        exact = mpmath.ncdf(1 / (2 * s) - x * s) - mpmath.exp(x) * mpmath.ncdf(-1 / (2 * s) - x * s)
        ratio = gaussian_delta(epsilon, noise) / exact
        assert 1 <= ratio <= 1 + 1e-8


@given(st.floats(min_value=0.05, max_value=1e3), st.floats(min_value=1e-12, max_value=0.4))
def test_epsilon_is_the_smallest_that_keeps_delta(noise: float, delta: float) -> None:
    epsilon = gaussian_epsilon(delta, noise)
    assert gaussian_delta(epsilon, noise) <= delta
    assert epsilon == 0 or gaussian_delta(epsilon * (1 - 1e-6), noise) > delta


@pytest.mark.parametrize("epsilon", ["0.01", "1", "10"])
def test_calibrated_noise_is_the_smallest_that_keeps_the_budget(epsilon: str) -> None:
    noise = noise_multiplier_for(PrivacyBudget(epsilon, "1e-6"))
    assert gaussian_delta(float(epsilon), noise) <= 1e-6
    assert gaussian_delta(float(epsilon), noise * (1 - 1e-6)) > 1e-6


@pytest.mark.parametrize("epsilon", ["1e-9", "0.001", "1", "100"])
@pytest.mark.parametrize("delta", ["1e-12", "1e-6", "0.999999"])
@pytest.mark.parametrize("count", [2, 1000, 10**9, 10**15 + 1])
def test_noise_is_calibrated_to_any_number_of_releases_in_few_steps(
    epsilon: str, delta: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps are counted, not seconds; little noise and many releases need no more than others."""
    asked: list[float] = []

    def counted(at: float, noise: float) -> float:
        asked.append(noise)
        return gaussian_delta(at, noise)

    monkeypatch.setattr(gaussian, "gaussian_delta", counted)
    noise = noise_multiplier_for(PrivacyBudget(epsilon, delta), count)
    assert len(asked) <= 300
    together = float(count / Fraction(noise) ** 2) ** -0.5
    assert gaussian_delta(float(epsilon), together * (1 + 1e-15)) <= float(delta) * (1 + 1e-12)
    assert gaussian_delta(float(epsilon), together * (1 - 1e-6)) > float(delta)


@pytest.mark.parametrize("count", [0, -1, True, 1.5])
def test_a_number_of_releases_that_means_nothing_is_refused(count: int) -> None:
    with pytest.raises(InvalidInput):
        noise_multiplier_for(PrivacyBudget(1, "1e-6"), count)


def test_the_profile_falls() -> None:
    values = [gaussian_delta(epsilon, 1.5) for epsilon in np.linspace(0, 10, 50)]
    assert all(first > second for first, second in pairwise(values))


@pytest.mark.parametrize("arguments", [(-1.0, 1.0), (float("nan"), 1.0), (1.0, 0.0), (1.0, float("nan"))])
def test_arguments_that_mean_nothing_are_refused(arguments: tuple[float, float]) -> None:
    with pytest.raises(InvalidBudget):
        gaussian_delta(*arguments)


def test_pure_privacy_needs_infinite_noise() -> None:
    with pytest.raises(InvalidBudget):
        noise_multiplier_for(PrivacyBudget(1, 0))
    with pytest.raises(InvalidBudget):
        gaussian_epsilon(0.0, 1.0)
