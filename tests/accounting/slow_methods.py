"""Second, slower and simpler ways to the same numbers. None of them uses the package's own accountants.

`fourier_epsilon` is the plain method: put the law of each privacy loss on a grid with its mean kept, transform,
multiply, transform back, read off the hockey-stick divergence. It is not rounded toward privacy; it is right to about
five digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import comb, ndtr

Law = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Losses and their masses under P."""


def fourier_epsilon(laws: Sequence[tuple[Law, int]], delta: float, *, spacing: float, reach: float) -> float:
    """Return epsilon at `delta` for independent losses with counts; sums must stay within `reach` of zero."""
    size = 2 * math.ceil(reach / spacing)
    transform = np.ones(size // 2 + 1, dtype=np.complex128)
    for (losses, masses), count in laws:
        index = np.floor(losses / spacing).astype(np.int64)
        upper = losses / spacing - index
        law = np.bincount(index % size, masses * (1 - upper), size)
        law += np.bincount((index + 1) % size, masses * upper, size)
        transform = transform * np.fft.rfft(law) ** count
    masses = np.fft.irfft(transform, size)
    positive = np.arange(size // 2) * spacing, masses[: size // 2]
    return float(brentq(lambda epsilon: hockey_stick(positive, epsilon) - delta, 0.0, reach / 2, xtol=1e-7))


def hockey_stick(law: Law, epsilon: float) -> float:
    """Return delta at `epsilon` of a discrete law, by the definition."""
    losses, masses = law
    above = losses > epsilon
    return float(masses[above] @ -np.expm1(epsilon - losses[above]))


def epsilon_of(delta_at: Callable[[float], float], delta: float, largest: float) -> float:
    """Return where a decreasing profile reaches `delta`."""
    if delta_at(0.0) <= delta:
        return 0.0
    return float(brentq(lambda epsilon: delta_at(epsilon) - delta, 0.0, largest, xtol=1e-12))


def gaussian_law(noise: float, cells: int = 20_001) -> Law:
    edges = np.linspace(-9, 9 + 1 / noise, cells)
    middle = (edges[1:] + edges[:-1]) / 2
    return middle / noise - 1 / (2 * noise**2), np.diff(ndtr(edges - 1 / noise))


def sampled_gaussian_law(probability: float, noise: float, *, added: bool, cells: int = 100_001) -> Law:
    edges = np.linspace(-9, 9 + 1 / noise, cells)
    middle = (edges[1:] + edges[:-1]) / 2
    loss = np.log1p(probability * np.expm1(middle / noise - 1 / (2 * noise**2)))
    without, present = np.diff(ndtr(edges)), np.diff(ndtr(edges - 1 / noise))
    if added:
        return -loss, without
    return loss, (1 - probability) * without + probability * present


def laplace_law(epsilon: float, cells: int = 20_001) -> Law:
    edges = np.linspace(-epsilon, epsilon, cells)
    middle = (edges[1:] + edges[:-1]) / 2
    masses = np.diff(np.exp((edges - epsilon) / 2)) / 2
    return (
        np.concatenate((middle, [epsilon, -epsilon])),
        np.concatenate((masses, [0.5, math.exp(-epsilon) / 2])),
    )


def exponential_law(epsilon: float, cells: int = 20_001) -> Law:
    """Return the law whose profile is (e^(epsilon/2) - e^(x/2))^2 / (e^epsilon - 1)."""
    edges = np.linspace(-epsilon, epsilon, cells)
    masses = np.diff(np.exp((edges - epsilon) / 2)) / -math.expm1(-epsilon)
    return (edges[1:] + edges[:-1]) / 2, masses


def discrete_gaussian_masses(variance: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    reach = math.ceil(12 * math.sqrt(variance)) + 2
    values = np.arange(-reach, reach + 1)
    masses = np.exp(-values * values / (2 * variance))
    return values, masses / masses.sum()


def discrete_gaussian_law(variance: float, vector: Sequence[int] = (1,)) -> Law:
    """Return the exact law for neighbors whose vectors differ by `vector`; the loss depends on one sum of integers."""
    values, masses = discrete_gaussian_masses(variance)
    least, law = 0, np.ones(1)
    for entry in vector:
        spread = np.zeros((len(values) - 1) * entry + 1)
        spread[::entry] = masses
        law = np.convolve(law, spread)
        least += int(values[0]) * entry
    sums = least + np.arange(len(law))
    squared = sum(entry * entry for entry in vector)
    return (squared - 2 * sums) / (2 * variance), law


def discrete_laplace_law(scale: float, sensitivity: int) -> Law:
    values = np.arange(-60 * math.ceil(scale), 60 * math.ceil(scale) + 1)
    masses = np.exp(-np.abs(values) / scale)
    return (np.abs(values - sensitivity) - np.abs(values)) / scale, masses / masses.sum()


def composed_law(laws: Sequence[Law]) -> Law:
    """Return the law of the sum of few discrete losses, by listing every outcome."""
    outcomes = list(product(*(zip(*law, strict=True) for law in laws)))
    losses = np.array([sum(loss for loss, _ in outcome) for outcome in outcomes])
    return losses, np.array([math.prod(mass for _, mass in outcome) for outcome in outcomes])


def composed_pure_delta(epsilon: float, pure: float, count: int) -> float:
    """Return the optimal delta of `count` mechanisms that are `pure` differentially private.

    Source:
        Kairouz, Oh, Viswanath (2015), theorem 3.3.
    """
    failures = np.arange(count + 1)
    losses = (count - 2 * failures) * pure
    logarithm = np.log(comb(count, failures)) + (count - failures) * pure - count * np.log1p(math.exp(pure))
    return hockey_stick((losses, np.exp(logarithm)), epsilon)
