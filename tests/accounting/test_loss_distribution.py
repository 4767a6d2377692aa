"""Grids never flatter: at every epsilon the hockey-stick divergence is at least the true one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.accounting.loss_distribution import LossDistribution, from_atoms, joined
from tests.accounting import slow_methods as slow


def delta_on_grid(distribution: LossDistribution, epsilon: float) -> float:
    return distribution.at_infinity + slow.hockey_stick((distribution.losses(), distribution.mass), epsilon)


laws = st.lists(
    st.tuples(st.floats(min_value=-3.0, max_value=3.0), st.floats(min_value=0.01, max_value=1.0)),
    min_size=1,
    max_size=6,
)


@given(laws, st.floats(min_value=1e-3, max_value=2.0), st.floats(min_value=-1.0, max_value=3.0))
def test_atoms_on_a_grid_are_never_below_the_truth(
    atoms: list[tuple[float, float]], spacing: float, epsilon: float
) -> None:
    losses, masses = (np.array(part) for part in zip(*atoms, strict=True))
    masses = masses / masses.sum()
    grid = from_atoms(spacing, losses, masses, 0.0)
    exact = slow.hockey_stick((losses, masses), epsilon)
    assert delta_on_grid(grid, epsilon) >= exact * (1 - 1e-12)
    assert grid.mass.sum() == pytest.approx(1.0, abs=1e-12)
    assert delta_on_grid(grid.coarser(3.0), epsilon) >= delta_on_grid(grid, epsilon) * (1 - 1e-12)


@given(laws, st.integers(-20, 20))
def test_at_grid_points_the_divergence_is_exact_but_for_the_bump(atoms: list[tuple[float, float]], place: int) -> None:
    losses, masses = (np.array(part) for part in zip(*atoms, strict=True))
    grid = from_atoms(0.1, losses, masses, 0.0)
    exact = slow.hockey_stick((losses, masses), place * 0.1)
    assert delta_on_grid(grid, place * 0.1) == pytest.approx(exact, abs=1e-5)


@settings(max_examples=20)
@given(laws, st.floats(min_value=-3.0, max_value=10.0))
def test_moments_are_those_of_the_masses(atoms: list[tuple[float, float]], exponent: float) -> None:
    losses, masses = (np.array(part) for part in zip(*atoms, strict=True))
    grid = from_atoms(0.01, losses, masses, 0.0)
    moment, weights = grid.tilted(exponent)
    assert math.exp(moment) == pytest.approx(float(grid.mass @ np.exp(exponent * grid.losses())), rel=1e-9)
    assert moment == grid.log_moment(exponent)
    assert weights.sum() == pytest.approx(1.0)


def test_parts_are_joined_where_they_lie() -> None:
    one = from_atoms(0.5, np.array([0.0]), np.array([0.25]), 0.125)
    other = from_atoms(0.5, np.array([-1.0, 2.0]), np.array([0.25, 0.25]), 0.125)
    whole = joined([one, other])
    assert whole.at_infinity == 0.25
    assert whole.mass.sum() == pytest.approx(0.75)
    assert whole.mass[np.isclose(whole.losses(), 0.0)] == pytest.approx(0.25, abs=1e-5)


def test_losses_too_large_for_floats_are_rounded_up() -> None:
    losses = np.array([1e15 + 0.25])
    grid = from_atoms(0.5, losses, np.array([1.0]), 0.0)
    assert grid.mass[0] == 0.0
    assert grid.losses()[1] == 1e15 + 0.5
