"""Sums of losses: exact against small enumerations, never below, at any tilt, with bounded grids."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.accounting.dominating_pairs import (
    DominatingPair,
    GaussianPair,
    LaplacePair,
    ResponsePair,
    SampledGaussianPair,
)
from dpsynth.accounting.gaussian import gaussian_delta, gaussian_epsilon
from dpsynth.accounting.loss_composition import LARGEST_GRID, LossComposition, SumOfLosses
from dpsynth.accounting.worst_pairs import WorstPairs
from dpsynth.accounting.zcdp import epsilon_from_rho
from tests.accounting import slow_methods as slow


def composition(pairs: dict[DominatingPair, int], rho: Fraction = Fraction(0), tail: float = 1e-25) -> LossComposition:
    return LossComposition.of(WorstPairs(pairs=pairs, rho=rho), tail, added=False)


@settings(max_examples=30)
@given(
    st.lists(st.floats(min_value=0.05, max_value=2.0), min_size=1, max_size=5),
    st.floats(min_value=1e-9, max_value=0.1),
)
def test_few_answers_are_enumerated(epsilons: list[float], delta: float) -> None:
    losses = [np.array([epsilon, -epsilon]) for epsilon in epsilons]
    exact = slow.composed_law([(loss, 1 / (1 + np.exp(-loss))) for loss in losses])
    pairs: dict[DominatingPair, int] = {}
    for epsilon in epsilons:
        pairs[ResponsePair(epsilon, 0.0)] = pairs.get(ResponsePair(epsilon, 0.0), 0) + 1
    composed = composition(pairs)
    found = composed.epsilon(delta)
    assert slow.hockey_stick(exact, found) <= delta * (1 + 1e-9)
    assert composed.delta(0.5 * sum(epsilons)) >= slow.hockey_stick(exact, 0.5 * sum(epsilons)) * (1 - 1e-9)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.floats(min_value=0.01, max_value=1.5), st.integers(1, 50)), min_size=1, max_size=4),
    st.floats(min_value=1e-12, max_value=0.1),
)
def test_gaussians_add_up(shifts: list[tuple[float, int]], delta: float) -> None:
    pairs: dict[DominatingPair, int] = {}
    for shift, count in shifts:
        pairs[GaussianPair(shift)] = pairs.get(GaussianPair(shift), 0) + count
    whole = math.sqrt(sum(count * shift**2 for shift, count in shifts))
    exact = gaussian_epsilon(delta, 1 / whole)
    found = composition(pairs).epsilon(delta)
    assert exact * (1 - 1e-8) <= found <= exact * (1 + 3e-4) + 1e-9


@pytest.mark.parametrize("tilt", [1e-3, 0.1, 1.0, 5.0, 20.0, 100.0])
def test_any_tilt_is_sound(tilt: float) -> None:
    total = SumOfLosses.of(composition({GaussianPair(0.2): 25}), tilt)
    for epsilon in (0.0, 0.5, 2.0, 4.0, 6.0):
        assert total.delta(epsilon) >= gaussian_delta(epsilon, 1.0) / (1 + 1e-9)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("delta", [1e-4, 1e-9])
def test_a_part_known_by_its_moments_lies_between_the_exact_sum_and_the_moment_bound(
    share: float, delta: float
) -> None:
    """Half Gaussian by its law, half by its rho: never below one Gaussian of the whole, never above the conversion."""
    rho = Fraction(1, 20)
    by_moments = rho * Fraction(share)
    pair = GaussianPair(math.sqrt(2 * float(rho - by_moments)))
    found = composition({pair: 1}, by_moments).epsilon(delta)
    assert found >= gaussian_epsilon(delta, 1 / math.sqrt(2 * float(rho))) * (1 - 1e-8)
    assert found <= epsilon_from_rho(rho, delta) * (1 + 1e-5)


@pytest.mark.parametrize(
    ("pairs", "delta"),
    [
        ({GaussianPair(1e3): 1}, 1e-6),
        ({GaussianPair(1e-9): 10**9}, 1e-6),
        ({LaplacePair(1e-3): 10**6}, 1e-8),
        ({LaplacePair(1e6): 3}, 1e-6),
        ({SampledGaussianPair(1e-6, 1.0): 10**6}, 1e-6),
        ({SampledGaussianPair(0.01, 0.02): 1000}, 1e-6),
        ({GaussianPair(3.0): 1, LaplacePair(1e-6): 10}, 1e-6),
    ],
    ids=repr,
)
def test_no_composition_needs_a_large_grid(pairs: dict[DominatingPair, int], delta: float) -> None:
    composed = composition(pairs)
    assert max(len(part.mass) for part, _ in composed.parts) <= LARGEST_GRID + 16
    total = SumOfLosses.of(composed, 1.0)
    assert len(total.mass) <= 2 * LARGEST_GRID
    assert math.isfinite(composed.epsilon(delta))


@pytest.mark.parametrize("delta", [1e-3, 1e-12, 1e-60, 1e-200])
def test_tiny_deltas_keep_their_digits(delta: float) -> None:
    found = composition({GaussianPair(0.3): 10}, tail=1e-8 * min(delta, 1e-17)).epsilon(delta)
    exact = gaussian_epsilon(delta, 1 / math.sqrt(0.9))
    assert exact * (1 - 1e-8) <= found <= exact * (1 + 1e-3)


def test_what_was_cut_off_counts() -> None:
    composed = composition({GaussianPair(1.0): 1}, tail=1e-4)
    assert composed.epsilon(1e-6) == math.inf
    assert composed.delta(1e3) >= composed.parts[0][0].at_infinity > 1e-6
