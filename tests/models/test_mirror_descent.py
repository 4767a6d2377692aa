from __future__ import annotations

import numpy as np
import pytest

from dpsynth.models.mirror_descent import StoppingRule, descend

Floats = np.ndarray


class Softmax:
    """One table of probabilities measured with unequal noise."""

    def __init__(self, target: Floats, scale: Floats) -> None:
        self.target, self.scale = target, scale
        self.losses: list[float] = []

    def residual(self, potentials: Floats) -> Floats:
        weights = np.exp(potentials - potentials.max())
        residual = (weights / weights.sum() - self.target) * self.scale
        self.losses.append(0.5 * float(residual @ residual))
        return residual


def problem(seed: int, cells: int = 12) -> Softmax:
    rng = np.random.default_rng(seed)
    return Softmax(rng.dirichlet(np.ones(cells)), rng.choice([1.0, 4.0, 16.0], cells))


def safe_step(objective: Softmax) -> float:
    return 1 / float(objective.scale.max() ** 2)


def loss_at(objective: Softmax, potentials: Floats) -> float:
    residual = objective.residual(potentials)
    return 0.5 * float(residual @ residual)


@pytest.mark.parametrize("seed", range(5))
def test_a_reachable_target_is_reached(seed: int) -> None:
    objective = problem(seed)
    found = descend(objective, np.zeros(12), safe_step(objective), StoppingRule(400, 1e-16, 0.0))
    assert loss_at(objective, found) < 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_mixing_beats_plain_descent_by_far(seed: int) -> None:
    objective = problem(seed)
    found = descend(objective, np.zeros(12), safe_step(objective), StoppingRule(60, 0.0, 0.0))
    plain = np.zeros(12)
    for _ in range(600):
        plain = plain - safe_step(objective) * objective.scale * objective.residual(plain)
    assert loss_at(objective, found) < 0.1 * loss_at(objective, plain)


@pytest.mark.parametrize("seed", range(10))
def test_the_result_is_never_worse_than_the_start(seed: int) -> None:
    objective = problem(seed)
    start = np.random.default_rng(seed).normal(0, 20, 12)
    for iterations in (1, 2, 5, 30):
        found = descend(objective, start, 1e3, StoppingRule(iterations, 0.0, 0.0))
        assert loss_at(objective, found) <= loss_at(objective, start)
        assert loss_at(objective, found) <= min(objective.losses) * (1 + 1e-12)


def test_it_stops_at_the_target_at_the_plateau_and_at_the_limit() -> None:
    def evaluations(rule: StoppingRule) -> int:
        objective = problem(3)
        objective.target = objective.target - 0.05  # out of reach, so that the loss levels off
        descend(objective, np.zeros(12), safe_step(objective), rule)
        return len(objective.losses)

    assert evaluations(StoppingRule(17, 0.0, 0.0)) == 17
    assert evaluations(StoppingRule(10_000, 1e9, 0.0)) == 1
    assert 12 < evaluations(StoppingRule(10_000, 0.0, 1e-6)) < evaluations(StoppingRule(10_000, 0.0, 1e-12)) < 5000


def test_a_flat_loss_and_a_point_that_is_not_a_number_end_the_search() -> None:
    flat = problem(0)
    flat.residual = lambda potentials: np.ones(12)  # type: ignore[method-assign]
    assert np.isfinite(descend(flat, np.zeros(12), 1.0, StoppingRule(10_000, 0.0, 0.0))).all()
    cliff = problem(1)
    smooth = cliff.residual
    cliff.residual = lambda potentials: smooth(potentials) if np.abs(potentials).max() < 1 else np.full(12, np.nan)  # type: ignore[method-assign]
    found = descend(cliff, np.zeros(12), safe_step(cliff), StoppingRule(200, 0.0, 0.0))
    assert np.abs(found).max() < 1
    assert loss_at(cliff, found) < loss_at(cliff, np.zeros(12))
