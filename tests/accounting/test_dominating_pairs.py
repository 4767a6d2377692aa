"""Every pair against its exact profile, where the grid is coarse and where it is fine, in both directions."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm

from dpsynth.accounting.dominating_pairs import (
    DiscreteGaussianPair,
    DiscreteLaplacePair,
    DominatingPair,
    ExponentialPair,
    GaussianPair,
    LaplacePair,
    ResponsePair,
    SampledGaussianPair,
)
from dpsynth.accounting.gaussian import gaussian_delta
from tests.accounting import slow_methods as slow
from tests.accounting.test_loss_distribution import delta_on_grid

Profile = Callable[[float], float]


def sampled_profile(probability: float, noise: float, *, added: bool) -> Profile:
    """Return the exact profile of a sampled Gaussian, for epsilon at which it is a difference of two normal masses."""

    def delta(epsilon: float) -> float:
        ratio = (math.exp(-epsilon if added else epsilon) - 1 + probability) / probability
        if ratio <= 0:
            return 0.0 if added else 1 - math.exp(epsilon)
        point = noise * math.log(ratio) + 1 / (2 * noise)
        tail = norm.cdf if added else norm.sf
        without, present = tail(point), tail(point - 1 / noise)
        mixed = (1 - probability) * without + probability * present
        first, second = (without, mixed) if added else (mixed, without)
        return float(first - math.exp(epsilon) * second)

    return delta


CASES: list[tuple[DominatingPair, Profile, bool]] = [
    (GaussianPair(1.0), lambda epsilon: gaussian_delta(epsilon, 1.0) / (1 + 1e-9), False),
    (GaussianPair(0.05), lambda epsilon: gaussian_delta(epsilon, 20.0) / (1 + 1e-9), False),
    (GaussianPair(5.0), lambda epsilon: gaussian_delta(epsilon, 0.2) / (1 + 1e-9), False),
    (LaplacePair(1.3), lambda epsilon: max(0.0, -math.expm1((epsilon - 1.3) / 2)), False),
    (
        ExponentialPair(1.3),
        lambda epsilon: max(0.0, math.exp(0.65) - math.exp(epsilon / 2)) ** 2 / math.expm1(1.3),
        False,
    ),
    (
        ResponsePair(1.3, 0.01),
        lambda epsilon: 0.01 + 0.99 * max(0.0, math.exp(1.3) - math.exp(epsilon)) / (1 + math.exp(1.3)),
        False,
    ),
    *(
        (
            DiscreteGaussianPair(variance),
            lambda e, v=variance: slow.hockey_stick(slow.discrete_gaussian_law(v), e),
            False,
        )
        for variance in (0.05, 1.0, 30.0)
    ),
    *(
        (
            DiscreteLaplacePair(4.0, shift),
            lambda e, s=shift: slow.hockey_stick(slow.discrete_laplace_law(4.0, s), e),
            False,
        )
        for shift in (1, 3, 9)
    ),
    *(
        (SampledGaussianPair(q, s), sampled_profile(q, s, added=added), added)
        for q, s in ((0.01, 1.0), (0.3, 0.7), (0.9, 3.0))
        for added in (False, True)
    ),
]


@pytest.mark.parametrize("spacing", [0.05, 1e-3])
@pytest.mark.parametrize(
    ("pair", "profile", "added"), CASES, ids=lambda value: repr(value) if not callable(value) else ""
)
def test_a_pair_is_never_below_its_profile_and_close_on_a_fine_grid(
    pair: DominatingPair, profile: Profile, added: bool, spacing: float
) -> None:
    grid = pair.on_grid(spacing, 1e-25, added=added)
    assert grid.mass.min() >= 0
    assert grid.mass.sum() + grid.at_infinity == pytest.approx(1.0, abs=1e-9)
    for epsilon in np.linspace(0.0, 1.6, 9):
        exact = profile(float(epsilon))
        found = delta_on_grid(grid, float(epsilon))
        assert found >= exact * (1 - 1e-9) - 1e-16
        if spacing < 0.01:
            assert found <= exact * (1 + 1e-2) + 2 * spacing * spacing


@pytest.mark.parametrize(
    ("pair", "profile", "added"), CASES, ids=lambda value: repr(value) if not callable(value) else ""
)
def test_a_pair_says_roughly_how_wide_it_is(pair: DominatingPair, profile: Profile, added: bool) -> None:
    grid = pair.on_grid(1e-3, 1e-25, added=added)
    losses = grid.losses()[grid.mass > 0]
    assert losses[-1] - losses[0] <= pair.width(1e-25) + 3e-3
    variance = float(grid.mass @ grid.losses() ** 2 - (grid.mass @ grid.losses()) ** 2)
    certain = variance < 0.1 < pair.variance()  # a grid chosen for a law that is nearly one point may be coarse
    assert variance / 4 < pair.variance() < 4 * variance or variance > 1 or certain


@pytest.mark.parametrize("shift", [1e-12, 1e-3, 30.0, 1e4])
def test_extreme_shifts_keep_their_mass(shift: float) -> None:
    grid = GaussianPair(shift).on_grid(shift / 100, 1e-25, added=False)
    assert grid.mass.sum() == pytest.approx(1.0, abs=1e-6)
    assert float(grid.mass @ grid.losses()) == pytest.approx(shift**2 / 2, rel=1e-3, abs=shift / 50)


def test_an_extra_loss_makes_everything_worse() -> None:
    plain, worse = (GaussianPair(0.5, extra).on_grid(1e-3, 1e-25, added=False) for extra in (0.0, 0.01))
    for epsilon in (0.0, 0.5, 1.5):
        assert delta_on_grid(worse, epsilon) > delta_on_grid(plain, epsilon - 0.01)


def test_one_shift_dominates_l1_vectors_of_log_concave_integer_noise() -> None:
    """Group privacy is exact for one coordinate of log-concave noise, so that spreading a shift cannot be worse."""
    for scale in (1.0, 3.0):
        single = slow.discrete_laplace_law(scale, 3)
        spread = slow.composed_law([_merged(slow.discrete_laplace_law(scale, shift)) for shift in (1, 2)])
        for epsilon in np.linspace(0, 3 / scale, 13):
            assert slow.hockey_stick(single, float(epsilon)) >= slow.hockey_stick(spread, float(epsilon)) - 1e-12


def _merged(law: slow.Law) -> slow.Law:
    losses, inverse = np.unique(np.round(law[0], 9), return_inverse=True)
    return losses, np.bincount(inverse, law[1])


def test_profiles_fall_and_are_convex_in_the_exponential_of_epsilon() -> None:
    grid = SampledGaussianPair(0.1, 1.0).on_grid(1e-3, 1e-25, added=False)
    points = np.linspace(0.0, 2.0, 41)
    values = [delta_on_grid(grid, float(point)) for point in points]
    assert all(first >= second for first, second in pairwise(values))
    slopes = np.diff(values) / np.diff(np.exp(points))
    assert np.all(np.diff(slopes) >= -1e-9)
