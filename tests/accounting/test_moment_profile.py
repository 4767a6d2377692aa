"""Exact moments of bounded-range draws, and the profile that stands for what has no worst pair."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.accounting.gaussian import gaussian_delta
from dpsynth.accounting.moment_profile import HockeyStick, MomentPart, MomentProfile
from dpsynth.accounting.zcdp import delta_from_rho


def moment_by_search(epsilon: float, exponent: float) -> float:
    """Return the largest log-moment over all places of the interval of losses, by looking at many."""
    place = np.linspace(0.0, epsilon, 20_001)
    upper = (math.exp(epsilon) - np.exp(place)) / math.expm1(epsilon)
    return float(np.max(np.log(upper * np.exp(exponent * place) + (1 - upper) * np.exp(exponent * (place - epsilon)))))


@given(st.floats(min_value=0.01, max_value=8.0), st.floats(min_value=0.01, max_value=60.0))
def test_the_worst_place_of_a_bounded_range_is_found(epsilon: float, exponent: float) -> None:
    found = float(MomentPart(0.0, ((epsilon, 1),)).log_moments(np.array([exponent]))[0])
    searched = moment_by_search(epsilon, exponent)
    assert found >= searched * (1 - 1e-12)
    assert found == pytest.approx(searched, rel=1e-4, abs=1e-12)
    assert found <= exponent * (exponent + 1) * epsilon**2 / 8 * (1 + 1e-12)


def test_at_order_two_it_is_the_hyperbolic_cosine() -> None:
    found = float(MomentPart(0.0, ((0.6, 3),)).log_moments(np.array([1.0]))[0])
    assert found == pytest.approx(6 * math.log(math.cosh(0.3)), rel=1e-12)


@pytest.mark.parametrize("rho", [1e-6, 0.02, 3.0])
def test_the_profile_of_rho_is_the_tight_conversion(rho: float) -> None:
    profile = MomentProfile(MomentPart(rho, ()))
    for epsilon in np.linspace(0.0, 20 * math.sqrt(rho), 21):
        exact = delta_from_rho(Fraction(rho), float(epsilon))
        found = math.exp(float(profile.log_delta(np.array([epsilon]))[0]))
        assert exact * (1 - 1e-6) <= found <= exact * (1 + 1e-3)


@pytest.mark.parametrize("rho", [0.02, 0.5])
def test_the_profile_bounds_a_gaussian_on_both_sides_of_zero(rho: float) -> None:
    profile = MomentProfile(MomentPart(rho, ()))
    noise = 1 / math.sqrt(2 * rho)
    for epsilon in np.linspace(0.0, 4.0, 17):
        positive, negative = np.exp(profile.log_delta(np.array([epsilon, -epsilon])))
        exact = gaussian_delta(float(epsilon), noise) / (1 + 1e-9)
        assert positive >= exact * (1 - 1e-9)
        assert negative >= (1 - math.exp(-epsilon) + math.exp(-epsilon) * exact) * (1 - 1e-9)
        assert negative <= 1


def test_nothing_has_the_profile_of_identical_tables() -> None:
    values = np.exp(HockeyStick().log_delta(np.array([-50.0, -1.0, 0.0, 2.0])))
    assert values == pytest.approx([1.0, 1 - math.exp(-1.0), 0.0, 0.0])
