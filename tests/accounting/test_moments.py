"""The best exponent is found, and every exponent is a valid bound."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.accounting.gaussian import gaussian_delta
from dpsynth.accounting.moments import conversion, delta_of_moments, epsilon_of_moments
from dpsynth.accounting.zcdp import epsilon_from_rho


@given(st.fractions(min_value="1/1000000", max_value=100), st.floats(min_value=1e-12, max_value=0.5))
def test_a_straight_curve_gives_the_conversion_of_rho(rho: object, delta: float) -> None:
    amount = float(rho)  # type: ignore[arg-type]
    found = epsilon_of_moments(lambda t: t * (t + 1) * amount, delta)
    converted = epsilon_from_rho(rho, delta)  # type: ignore[arg-type]
    assert found <= converted
    assert found == pytest.approx(converted, rel=1e-9, abs=1e-9)


@given(st.floats(min_value=0.1, max_value=10.0), st.floats(min_value=0.0, max_value=20.0))
def test_the_moment_bound_holds_for_a_gaussian(noise: float, epsilon: float) -> None:
    bound = delta_of_moments(lambda t: t * (t + 1) / (2 * noise**2), epsilon)
    assert bound >= gaussian_delta(epsilon, noise) * (1 - 1e-6)


@given(st.floats(min_value=1e-3, max_value=1e3), st.floats(min_value=-5.0, max_value=30.0))
def test_the_conversion_factor_bounds_the_hockey_stick(exponent: float, gap: float) -> None:
    factor = math.exp(float(conversion(np.array([exponent]))[0]))
    assert -math.expm1(min(-gap, 0.0)) <= factor * math.exp(min(exponent * gap, 700.0)) * (1 + 1e-9)
    best = math.log1p(1 / exponent)
    assert -math.expm1(-best) == pytest.approx(factor * math.exp(exponent * best), rel=1e-9)


def test_no_bound_is_no_bound() -> None:
    def nothing_known(t: np.ndarray) -> np.ndarray:
        return np.full_like(t, math.inf)

    assert epsilon_of_moments(nothing_known, 1e-6) == math.inf
    assert delta_of_moments(nothing_known, 1.0) == 1.0
    assert epsilon_of_moments(lambda t: t * (t + 1), 0.0) == math.inf
