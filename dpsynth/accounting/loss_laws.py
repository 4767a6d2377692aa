"""Laws of the privacy loss by their distribution functions, for the audit; `dominating_pairs` is not used here.

A law speaks about the loss given that the event did not fail outright.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

_POINTS = 40_001
_WIDE = 13.0


class Law(Protocol):
    """The law of one loss under the first of two neighbors."""

    @property
    def failure(self) -> float:
        """Probability of failing outright."""

    def ends(self, tail: float) -> tuple[float, float]:
        """Return an interval outside of which there is less than `tail` of the mass."""

    def mean(self) -> float:
        """Return the mean, to nearly all digits."""

    def deviation(self) -> float:
        """Return the standard deviation, roughly."""

    def masses(self, edges: Floats) -> Floats:
        """Return the mass between neighboring edges; what lies beyond the outer ones may be left out."""


@dataclass(frozen=True, slots=True)
class GaussianLaw:
    """A normal loss of mean mu^2 / 2 and standard deviation mu."""

    mu: float
    failure: float = 0.0

    def ends(self, tail: float) -> tuple[float, float]:
        """Return an interval outside of which there is less than `tail` of the mass."""
        return self.mean() - self.mu * _reach(tail), self.mean() + self.mu * _reach(tail)

    def mean(self) -> float:
        """Return the mean."""
        return self.mu**2 / 2

    def deviation(self) -> float:
        """Return the standard deviation."""
        return self.mu

    def masses(self, edges: Floats) -> Floats:
        """Return the mass between neighboring edges."""
        return _normal_masses((edges - self.mean()) / self.mu)


@dataclass(frozen=True, slots=True)
class SampledGaussianLaw:
    """Noise around 0 against noise around 1 with some probability, or the other way round where the unit is added."""

    probability: float
    noise: float
    added: bool
    failure: float = 0.0

    def ends(self, tail: float) -> tuple[float, float]:
        """Return an interval outside of which there is less than `tail` of the mass."""
        reach = self.noise * _reach(tail / 2)
        low, high = self._losses(np.array([-reach, reach + (0.0 if self.added else 1.0)]))
        return (-float(high), -float(low)) if self.added else (float(low), float(high))

    def mean(self) -> float:
        """Return the mean, by the trapezoid rule."""
        losses, weights = self._weighed()
        return float(weights @ losses)

    def deviation(self) -> float:
        """Return the standard deviation."""
        losses, weights = self._weighed()
        return math.sqrt(float(weights @ (losses - weights @ losses) ** 2))

    def masses(self, edges: Floats) -> Floats:
        """Return the mass between neighboring edges."""
        if self.added:
            return _normal_masses(self._points(-edges[::-1]) / self.noise)[::-1]
        points = self._points(edges)
        without, present = _normal_masses(points / self.noise), _normal_masses((points - 1) / self.noise)
        return (1 - self.probability) * without + self.probability * present

    def _weighed(self) -> tuple[Floats, Floats]:
        points = np.linspace(-_WIDE * self.noise, _WIDE * self.noise + 1, _POINTS)
        without, present = (np.exp(-(((points - centre) / self.noise) ** 2) / 2) for centre in (0.0, 1.0))
        weights = without if self.added else (1 - self.probability) * without + self.probability * present
        losses = self._losses(points)
        return -losses if self.added else losses, weights / weights.sum()

    def _losses(self, points: Floats) -> Floats:
        """Return log(1 - q + q e^((2 y - 1) / (2 s^2)))."""
        exponent = (2 * points - 1) / (2 * self.noise**2) + math.log(self.probability)
        losses: Floats = np.logaddexp(exponent, math.log1p(-self.probability))
        return losses

    def _points(self, losses: Floats) -> Floats:
        """Return the inverse of `_losses`; minus infinity below its range."""
        with np.errstate(divide="ignore", invalid="ignore"):
            small = np.log(np.maximum(np.expm1(np.minimum(losses, 1.0)) + self.probability, 0.0))
            large = losses + np.log1p((self.probability - 1) * np.exp(-np.maximum(losses, 1.0)))
        inside = np.where(losses < 1, small, large) - math.log(self.probability)
        return np.asarray(self.noise**2 * inside + 0.5)


@dataclass(frozen=True, slots=True)
class LaplaceLaw:
    """Half of the mass at epsilon, e^-epsilon / 2 at -epsilon, and an exponential slope between."""

    epsilon: float
    failure: float = 0.0

    def ends(self, tail: float) -> tuple[float, float]:  # noqa: ARG002  nothing is cut
        """Return the interval of all losses."""
        return -self.epsilon, self.epsilon

    def mean(self) -> float:
        """Return the mean."""
        return self.epsilon + math.expm1(-self.epsilon)

    def deviation(self) -> float:
        """Return the standard deviation, roughly."""
        return min(self.epsilon, 1.5)

    def masses(self, edges: Floats) -> Floats:
        """Return the mass between neighboring edges."""
        slope = np.exp((np.minimum(edges, self.epsilon) - self.epsilon) / 2) / 2
        below = np.where(edges < -self.epsilon, 0.0, np.where(edges >= self.epsilon, 1.0, slope))
        return np.diff(below)


@dataclass(frozen=True, slots=True)
class BoundedRangeLaw:
    """The loss of the pair that stands for every mechanism whose losses lie in an interval of length epsilon."""

    epsilon: float
    failure: float = 0.0

    def ends(self, tail: float) -> tuple[float, float]:  # noqa: ARG002  nothing is cut
        """Return the interval of all losses."""
        return -self.epsilon, self.epsilon

    def mean(self) -> float:
        """Return the mean, by Gauss-Legendre quadrature of the distribution function."""
        nodes, weights = np.polynomial.legendre.leggauss(60)
        return self.epsilon - self.epsilon * float(weights @ self._below(nodes * self.epsilon))

    def deviation(self) -> float:
        """Return the standard deviation, roughly."""
        return min(self.epsilon / 2, 2.0)

    def masses(self, edges: Floats) -> Floats:
        """Return the mass between neighboring edges."""
        return np.diff(self._below(np.clip(edges, -self.epsilon, self.epsilon)))

    def _below(self, losses: Floats) -> Floats:
        return np.expm1((losses + self.epsilon) / 2) / math.expm1(self.epsilon)


@dataclass(frozen=True, slots=True)
class ResponseLaw:
    """Truth with probability e^epsilon / (1 + e^epsilon), where nothing fails."""

    epsilon: float
    failure: float

    def ends(self, tail: float) -> tuple[float, float]:  # noqa: ARG002  nothing is cut
        """Return the interval of both losses."""
        return -self.epsilon, self.epsilon

    def mean(self) -> float:
        """Return the mean."""
        return self.epsilon * math.tanh(self.epsilon / 2)

    def deviation(self) -> float:
        """Return the standard deviation; where there is no loss, anything above 0 for one that may fail."""
        return self.epsilon / math.cosh(min(self.epsilon, 100.0) / 2) or (1e-6 if self.failure else 0.0)

    def masses(self, edges: Floats) -> Floats:
        """Return the mass between neighboring edges."""
        truth = 1 / (1 + math.exp(-self.epsilon))
        return _atoms(edges, np.array([-self.epsilon, self.epsilon]), np.array([1 - truth, truth]))


@dataclass(frozen=True, slots=True)
class IntegerLaplaceLaw:
    """Integer Laplace noise; the loss is (|x - d| - |x|) / scale for the sensitivity d."""

    scale: float
    sensitivity: int
    failure: float = 0.0

    def ends(self, tail: float) -> tuple[float, float]:  # noqa: ARG002  nothing is cut
        """Return the interval of all losses."""
        return -self.sensitivity / self.scale, self.sensitivity / self.scale

    def mean(self) -> float:
        """Return the mean."""
        losses, mass = self._listed()
        return float(mass @ losses)

    def deviation(self) -> float:
        """Return the standard deviation."""
        losses, mass = self._listed()
        return math.sqrt(float(mass @ losses**2) - float(mass @ losses) ** 2) if self.sensitivity else 0.0

    def masses(self, edges: Floats) -> Floats:
        """Return the mass between neighboring edges."""
        return _atoms(edges, *self._listed())

    def _listed(self) -> tuple[Floats, Floats]:
        """Return all losses with their masses; those of x <= 0 are one, and those of x >= d."""
        inside = np.arange(1.0, self.sensitivity)
        ratio = math.exp(-1 / self.scale)
        losses = np.concatenate(([self.sensitivity], self.sensitivity - 2 * inside, [-self.sensitivity])) / self.scale
        mass = np.concatenate(([1.0], (1 - ratio) * ratio**inside, [ratio**self.sensitivity])) / (1 + ratio)
        return losses, mass


@dataclass(frozen=True, slots=True)
class IntegerGaussianLaw:
    """Integer normal noise against the same moved by one: the loss is (1 - 2 x) / (2 variance)."""

    variance: float
    failure: float = 0.0

    def ends(self, tail: float) -> tuple[float, float]:
        """Return an interval outside of which there is less than `tail` of the mass."""
        reach = (_reach(tail) + 1) * math.sqrt(self.variance) + 1
        return -reach / self.variance, (reach + 1) / self.variance

    def mean(self) -> float:
        """Return the mean: noise is symmetric."""
        return 1 / (2 * self.variance)

    def deviation(self) -> float:
        """Return the standard deviation, roughly."""
        return 1 / math.sqrt(self.variance)

    def masses(self, edges: Floats) -> Floats:
        """Return the mass between neighboring edges."""
        reach = math.ceil(_WIDE * math.sqrt(self.variance)) + 2
        values = np.arange(-reach, reach + 1.0)
        mass = np.exp(-values * values / (2 * self.variance))
        return _atoms(edges, (1 - 2 * values) / (2 * self.variance), mass / mass.sum())


def _reach(tail: float) -> float:
    return math.sqrt(-2 * math.log(tail))


def _atoms(edges: Floats, losses: Floats, mass: Floats) -> Floats:
    return np.histogram(losses, edges, weights=mass)[0]


def _normal_masses(edges: Floats) -> Floats:
    """Return standard normal masses, from the near tail on either side of zero."""
    below, above = edges[:-1], edges[1:]
    right = below > 0
    return np.asarray(np.where(right, ndtr(-below) - ndtr(-above), ndtr(above) - ndtr(below)))
