"""The worst pair of neighbors of each mechanism, as a privacy-loss distribution.

A pair dominates a mechanism when its hockey-stick divergence is at least that of every pair of neighbors, at every
epsilon. Compositions of dominating pairs dominate compositions of mechanisms, also where each query is chosen after
earlier answers.

Source:
    Zhu, Dong, Wang, "Optimal Accounting of Differential Privacy via Characteristic Function" (2022), theorem 10.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_ndtr, ndtr

from dpsynth.accounting.loss_distribution import LossDistribution, from_atoms, from_cells, grid_points, joined

MOST_STEPS = 10**6
"""Largest sensitivity of integer Laplace noise that is looked at step by step; a larger one is any pure event."""


class DominatingPair(Protocol):
    """A pair of distributions that can be put on any grid."""

    def variance(self) -> float:
        """Return the variance of the loss, roughly; it chooses the grid and nothing else."""

    def width(self, tail: float) -> float:
        """Return the distance of the largest and smallest loss, but for a mass of `tail` at either end."""

    def on_grid(self, spacing: float, tail: float, *, added: bool) -> LossDistribution:
        """Return the losses, cut where less than `tail` of the mass is left.

        Args:
            spacing: distance of grid points.
            tail: mass above the cut, which counts as an infinite loss.
            added: whether the unit is in the second of the two tables instead of the first.
        """


@dataclass(frozen=True, slots=True)
class GaussianPair:
    """Normal noise of standard deviation 1 around 0 and around `shift`, losses and masses larger by exp(`extra`)."""

    shift: float
    extra: float = 0.0

    def variance(self) -> float:
        """Return the variance of the loss."""
        return self.shift**2

    def width(self, tail: float) -> float:
        """Return the distance of the largest and smallest loss, but for a mass of `tail` at either end."""
        return 2 * self.shift * _reach(tail)

    def on_grid(self, spacing: float, tail: float, *, added: bool) -> LossDistribution:  # noqa: ARG002  symmetric
        """Return the losses, cut where less than `tail` of the mass is left."""
        mean, half = self.shift**2 / 2, self.width(tail) / 2
        first = math.floor((mean + self.extra - half) / spacing)
        edges = grid_points(first, math.ceil((mean + self.extra + half) / spacing) + 1, spacing) - self.extra
        log_mass = _log_normal_mass(_open_below((edges - mean) / self.shift))
        other = _log_normal_mass(_open_below((edges + mean) / self.shift))
        beyond = float(ndtr((mean - edges[-1]) / self.shift))
        return from_cells(spacing, first, log_mass + self.extra, edges[:-1] + other - log_mass, beyond)


@dataclass(frozen=True, slots=True)
class DiscreteGaussianPair:
    """Integer normal noise of parameter `variance_parameter` around 0 and around 1."""

    variance_parameter: float

    def variance(self) -> float:
        """Return the variance of the loss, roughly."""
        return 1 / self.variance_parameter

    def width(self, tail: float) -> float:
        """Return the distance of the largest and smallest loss, but for a mass of `tail` at either end."""
        return 2 * self._steps(tail) / self.variance_parameter

    def on_grid(self, spacing: float, tail: float, *, added: bool) -> LossDistribution:  # noqa: ARG002  symmetric
        """Return the losses, cut where less than `tail` of the mass is left."""
        values = np.arange(-self._steps(tail), self._steps(tail) + 1.0)
        mass = np.exp(-values * values / (2 * self.variance_parameter))
        return from_atoms(spacing, (1 - 2 * values) / (2 * self.variance_parameter), mass / mass.sum(), 2 * tail)

    def _steps(self, tail: float) -> int:
        return math.ceil((_reach(tail) + 1) * math.sqrt(self.variance_parameter)) + 1


@dataclass(frozen=True, slots=True)
class LaplacePair:
    """Laplace noise of scale 1 / `epsilon` around 0 and around 1; also dominates any L1-bounded vector."""

    epsilon: float

    def variance(self) -> float:
        """Return the variance of the loss, roughly."""
        return _pure_variance(self.epsilon)

    def width(self, tail: float) -> float:  # noqa: ARG002  nothing is cut
        """Return the distance of the largest and smallest loss."""
        return 2 * self.epsilon

    def on_grid(self, spacing: float, tail: float, *, added: bool) -> LossDistribution:  # noqa: ARG002  symmetric
        """Return the losses."""
        ends, mass = np.array([self.epsilon, -self.epsilon]), np.array([0.5, math.exp(-self.epsilon) / 2])
        atoms = from_atoms(spacing, ends, mass, 0.0)
        return joined([atoms, _exponential_slope(spacing, self.epsilon, 0.5)])


@dataclass(frozen=True, slots=True)
class DiscreteLaplacePair:
    """Integer Laplace noise of the given scale around 0 and around `sensitivity`; also dominates L1-bounded vectors."""

    scale: float
    sensitivity: int

    def variance(self) -> float:
        """Return the variance of the loss, roughly."""
        return _pure_variance(self.sensitivity / self.scale)

    def width(self, tail: float) -> float:  # noqa: ARG002  nothing is cut
        """Return the distance of the largest and smallest loss."""
        return 2 * self.sensitivity / self.scale

    def on_grid(self, spacing: float, tail: float, *, added: bool) -> LossDistribution:  # noqa: ARG002  symmetric
        """Return the losses."""
        steps = np.arange(self.sensitivity + 1.0)
        decay = math.exp(-1 / self.scale)
        mass = np.exp(-steps / self.scale) * -math.expm1(-1 / self.scale) / (1 + decay)
        mass[[0, -1]] = 1 / (1 + decay), math.exp(-self.sensitivity / self.scale) / (1 + decay)
        return from_atoms(spacing, (self.sensitivity - 2 * steps) / self.scale, mass, 0.0)


@dataclass(frozen=True, slots=True)
class ExponentialPair:
    """Every mechanism whose losses lie in some interval of length `epsilon`, such as the exponential mechanism.

    Its hockey-stick divergence at x is (e^(epsilon/2) - e^(x/2))^2 / (e^epsilon - 1): the largest over all places of
    the interval. Composed often, it is looser than the moment bound, because no one mechanism is the worst everywhere.

    Source:
        Dong, Durfee, Rogers, "Optimal Differential Privacy Composition for Exponential Mechanisms" (2020), lemma 3.1.
    """

    epsilon: float

    def variance(self) -> float:
        """Return the variance of the loss, roughly."""
        return _pure_variance(self.epsilon)

    def width(self, tail: float) -> float:  # noqa: ARG002  nothing is cut
        """Return the distance of the largest and smallest loss."""
        return 2 * self.epsilon

    def on_grid(self, spacing: float, tail: float, *, added: bool) -> LossDistribution:  # noqa: ARG002  symmetric
        """Return the losses."""
        return _exponential_slope(spacing, self.epsilon, -1 / math.expm1(-self.epsilon))


@dataclass(frozen=True, slots=True)
class ResponsePair:
    """The worst of everything that is (epsilon, delta) differentially private: a coin that sometimes tells all.

    Source:
        Kairouz, Oh, Viswanath, "The Composition Theorem for Differential Privacy" (2015), theorem 3.3.
    """

    epsilon: float
    delta: float

    def variance(self) -> float:
        """Return the variance of the loss, roughly."""
        return _pure_variance(self.epsilon)

    def width(self, tail: float) -> float:  # noqa: ARG002  nothing is cut
        """Return the distance of the largest and smallest loss."""
        return 2 * self.epsilon

    def on_grid(self, spacing: float, tail: float, *, added: bool) -> LossDistribution:  # noqa: ARG002  symmetric
        """Return the losses."""
        losses = np.array([self.epsilon, -self.epsilon])
        mass = (1 - self.delta) * expit(losses)
        return from_atoms(spacing, losses, mass, self.delta)


@dataclass(frozen=True, slots=True)
class SampledGaussianPair:
    """Normal noise of standard deviation `noise` around 0, and around 1 with the given probability.

    Source:
        Zhu, Dong, Wang (2022), theorem 11: both directions have to be composed apart.
    """

    probability: float
    noise: float

    def variance(self) -> float:
        """Return the variance of the loss with the unit present, roughly."""
        points = np.linspace(-8, 8 + 1 / self.noise, 2001)
        loss = self._loss(points)
        densities = [np.exp(-((points - shift) ** 2) / 2) for shift in (0.0, 1 / self.noise)]
        weight = (1 - self.probability) * densities[0] + self.probability * densities[1]
        weight /= weight.sum()
        return float(weight @ loss**2 - (weight @ loss) ** 2)

    def width(self, tail: float) -> float:
        """Return the distance of the largest and smallest loss, but for a mass of `tail` at either end."""
        return self._largest(tail) - math.log1p(-self.probability)

    def on_grid(self, spacing: float, tail: float, *, added: bool) -> LossDistribution:
        """Return the losses, cut where less than `tail` of the mass is left."""
        first = math.floor(math.log1p(-self.probability) / spacing)
        edges = grid_points(first, math.ceil(self._largest(tail) / spacing) + 1, spacing)
        points = self._point(edges)
        points[0] = -math.inf
        last = points[-1]
        if added:
            points[-1] = math.inf
        without = _log_normal_mass(points)
        present = _log_normal_mass(points - 1 / self.noise)
        mixed = np.logaddexp(math.log1p(-self.probability) + without, math.log(self.probability) + present)
        if added:
            lower = -edges[:0:-1]
            return from_cells(spacing, 1 - first - len(edges), without[::-1], lower + (mixed - without)[::-1], 0.0)
        beyond = (1 - self.probability) * ndtr(-last) + self.probability * ndtr(1 / self.noise - last)
        return from_cells(spacing, first, mixed, edges[:-1] + without - mixed, float(beyond))

    def _largest(self, tail: float) -> float:
        return float(self._loss(np.array([_reach(tail) + 1 / self.noise]))[0])

    def _loss(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        exponent = points / self.noise - 1 / (2 * self.noise**2)
        return np.logaddexp(math.log1p(-self.probability), math.log(self.probability) + exponent)

    def _point(self, losses: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where the loss is as given, in units of `noise`; minus infinity where it is nowhere as small."""
        above = np.maximum(losses - math.log1p(-self.probability), 0.0)
        with np.errstate(divide="ignore"):
            exponent = losses + np.log(-np.expm1(-above)) - math.log(self.probability)
        return self.noise * exponent + 1 / (2 * self.noise)


def _reach(tail: float) -> float:
    """Return a number of standard deviations beyond which a normal has less than `tail` of its mass."""
    return math.sqrt(-2 * math.log(tail))


def _pure_variance(epsilon: float) -> float:
    return min(epsilon * epsilon / 2, 1.0)


def _open_below(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate(([-math.inf], edges[1:]))


def _log_normal_mass(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the standard normal mass between neighboring edges, precise in both tails."""
    below, above = edges[:-1], edges[1:]
    flipped = below > -above
    larger = log_ndtr(np.where(flipped, -below, above))
    smaller = log_ndtr(np.where(flipped, -above, below))
    with np.errstate(divide="ignore", invalid="ignore"):
        mass: NDArray[np.float64] = larger + np.log(-np.expm1(smaller - larger))
    return np.where(np.isnan(mass), -math.inf, mass)


def _exponential_slope(spacing: float, epsilon: float, weight: float) -> LossDistribution:
    """Return losses on [-epsilon, epsilon] with density weight / 2 * exp((loss - epsilon) / 2)."""
    first = math.floor(-epsilon / spacing)
    grid = grid_points(first, math.ceil(epsilon / spacing) + 1, spacing)
    edges = np.clip(grid, -epsilon, epsilon)
    below, above = edges[:-1], edges[1:]
    with np.errstate(divide="ignore"):
        log_mass = math.log(weight) + (above - epsilon) / 2 + np.log(-np.expm1((below - above) / 2))
    return from_cells(spacing, first, log_mass, grid[:-1] - (below + above) / 2, 0.0)
