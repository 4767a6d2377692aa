"""Masses of a sum against plain convolution: never below, and above by rounding only, joined or not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dpsynth.accounting import tilted_sum
from dpsynth.accounting.tilted_sum import TiltedLoss, masses_of_sum


def drawn(rng: np.random.Generator, length: int, times: int) -> TiltedLoss:
    mass = rng.exponential(size=length) ** 8
    return TiltedLoss(int(rng.integers(-length, length)), mass / mass.sum(), times)


def convolved(parts: list[TiltedLoss]) -> tuple[int, NDArray[np.float64]]:
    """Return the first index and the masses of the sum; of positive numbers, so that nothing is lost by subtraction."""
    first, mass = 0, np.ones(1)
    for part in parts:
        for _ in range(part.times):
            first, mass = first + part.first, np.convolve(mass, part.mass)
    return first, mass


def wrapped(parts: list[TiltedLoss], lowest: int, size: int) -> NDArray[np.float64]:
    """Return the masses of the sum on a circle of `size` points of which the first is `lowest`."""
    first, mass = convolved(parts)
    return np.bincount((first - lowest + np.arange(len(mass))) % size, mass, size)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("size", [4096, 300])
def test_masses_are_never_below_a_plain_convolution(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [drawn(rng, int(rng.integers(1, 40)), int(rng.integers(1, 4))) for _ in range(20)]
    lowest = convolved(parts)[0] + int(rng.integers(-50, 50))
    found = masses_of_sum(parts, lowest, size)
    truth = wrapped(parts, lowest, len(found))
    assert np.all(found >= truth * (1 - 1e-12))
    assert np.sum(found - truth) < 1e-8


def test_small_masses_are_not_lost_when_short_laws_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transform is off by about 1e-16 everywhere: masses below that are only right because the error is added."""
    parts = [TiltedLoss(0, np.array([1 - 1e-9, 1e-9]), 1) for _ in range(30)]
    found = masses_of_sum(parts, 0, 2000)
    truth = convolved(parts)[1]
    assert truth[4] < 1e-30
    assert np.all(found[: len(truth)] >= truth * (1 - 1e-12))
    monkeypatch.setattr(tilted_sum, "ROUNDING", 0.0)
    careless = masses_of_sum(parts, 0, 2000)
    assert np.any(careless[: len(truth)] < truth * (1 - 1e-12))


def test_short_laws_are_joined_before_the_window_is_transformed(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    transform = tilted_sum.rfft

    def counting(values: NDArray[np.float64], size: int) -> object:
        sizes.append(size)
        return transform(values, size)

    monkeypatch.setattr(tilted_sum, "rfft", counting)
    rng = np.random.default_rng(3)
    masses_of_sum([drawn(rng, 100, 1 + place % 2) for place in range(100)], 0, 100_000)
    assert sum(size >= 100_000 for size in sizes) == 2
    assert sum(sizes) < 5 * 100_000


@pytest.mark.parametrize("times", [1, 2, 3, 10, 1001])
def test_repeated_losses_meet_the_binomial(times: int) -> None:
    part = TiltedLoss(-1, np.array([0.3, 0.0, 0.7]), times)
    found = masses_of_sum([part], -times, 2 * times + 1)
    mean = float(np.sum(found * (np.arange(len(found)) - times)))
    assert mean == pytest.approx(0.4 * times, abs=1e-7)
    assert 1 <= np.sum(found) < 1 + 1e-9
