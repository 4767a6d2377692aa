"""No list of events takes a minute or a gigabyte: work is counted in grid points, not in seconds."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from dpsynth.accounting import tilted_sum
from dpsynth.accounting.events import (
    ComposedDpEvent,
    DiscreteGaussianDpEvent,
    DpEvent,
    GaussianDpEvent,
    LaplaceDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
)
from dpsynth.accounting.loss_audit import audit_epsilon
from dpsynth.accounting.loss_composition import LARGEST_GRID
from dpsynth.accounting.pld import PldAccountant
from dpsynth.errors import InvalidInput

MOST_POINTS = 3 * 10**8  # of all transforms together, about half a minute on one slow core


def sampled(probability: float, noise: float, steps: int) -> DpEvent:
    return SelfComposedDpEvent(PoissonSampledDpEvent(probability, GaussianDpEvent(noise)), steps)


HARD: dict[str, DpEvent] = {
    "hardly any noise": GaussianDpEvent(0.01),
    "one sampled step with hardly any noise": sampled(0.01, 0.01, 1),
    "sampled steps with little noise": sampled(0.01, 0.1, 1000),
    "skewed steps": sampled(0.001, 0.3, 10_000),
    "ten million steps": sampled(1e-4, 1.0, 10**7),
    "ten million Laplace draws": SelfComposedDpEvent(LaplaceDpEvent(10_000.0), 10**7),
    "hardly ever sampled": sampled(1e-9, 1.0, 10**6),
    "many kinds": ComposedDpEvent(tuple(LaplaceDpEvent(1000.0 + place) for place in range(2000))),
    "noise beyond counting": DiscreteGaussianDpEvent(Fraction(10**30), 1),
}


@pytest.mark.parametrize("name", HARD)
def test_work_and_memory_are_bounded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    transform = tilted_sum.rfft

    def counting(values: object, *rest: object) -> object:
        sizes.append(len(values))  # type: ignore[arg-type]
        return transform(values, *rest)

    monkeypatch.setattr(tilted_sum, "rfft", counting)
    found = PldAccountant().compose(HARD[name]).get_epsilon(1e-6)
    assert 0 <= found < math.inf
    assert max(sizes, default=0) <= 1.02 * LARGEST_GRID + 100
    assert sum(sizes) <= MOST_POINTS
    try:
        audited = audit_epsilon(HARD[name], 1e-6)
    except InvalidInput:
        return
    assert audited.lowest <= found * (1 + 1e-5) + 1e-6
