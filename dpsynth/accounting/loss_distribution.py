"""Privacy-loss distributions on a grid, rounded so that they are never better than the truth.

A pair of distributions (P, Q) is told apart by its privacy loss L = log(P/Q) under P. Mass at a loss between two grid
points is split between both so that the mass under P and the mass under Q are kept. At every grid point the
hockey-stick divergence is then exact, and between them it lies on the chord of a convex function: never below the
truth, and off by the second power of the spacing only.

Source:
    Doroshenko, Ghazi, Kamath, Kumar, Manurangsi, "Connect the Dots: Tighter Discrete Approximations of Privacy Loss
    Distributions" (2022).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BUMP = 1e-6
_UNITS = 2.0**-48
"""A share of every mass is moved one grid point up: 1e-6, and more where losses are so large that floats blur them."""


@dataclass(frozen=True, slots=True)
class LossDistribution:
    """Masses under P at the losses (first + k) * spacing.

    Attributes:
        spacing: distance of grid points.
        first: index of the first grid point.
        mass: float array, k-th entry at index first + k.
        at_infinity: mass under P where Q has none, and whatever was cut off.
    """

    spacing: float
    first: int
    mass: NDArray[np.float64]
    at_infinity: float

    def losses(self) -> NDArray[np.float64]:
        """Return the loss of every entry of `mass`."""
        return grid_points(self.first, self.first + len(self.mass), self.spacing)

    def coarser(self, factor: float) -> LossDistribution:
        """Return the distribution on a grid with `factor` times the spacing, again never better than the truth."""
        return from_atoms(factor * self.spacing, self.losses(), self.mass, self.at_infinity)

    def log_moment(self, exponent: float) -> float:
        """Return log E[exp(exponent * L)] over the finite losses."""
        return self.tilted(exponent)[0]

    def tilted(self, exponent: float) -> tuple[float, NDArray[np.float64]]:
        """Return the log-moment, and `mass` times exp(exponent * L), normalised."""
        with np.errstate(divide="ignore"):
            weight = np.log(self.mass) + exponent * self.losses()
        largest = float(np.max(weight))
        scaled = np.exp(weight - largest)
        total = float(np.sum(scaled))
        return largest + math.log(total), scaled / total


def grid_points(first: int, end: int, spacing: float) -> NDArray[np.float64]:
    """Return the grid points of the indices from `first` to `end` - 1."""
    points: NDArray[np.float64] = np.arange(first, end, dtype=np.float64) * spacing
    return points


def from_cells(
    spacing: float, first: int, log_mass: NDArray[np.float64], log_ratio: NDArray[np.float64], at_infinity: float
) -> LossDistribution:
    """Return the distribution of losses that are known by cell.

    Args:
        spacing: distance of grid points.
        first: index of the lower end of the first cell.
        log_mass: logarithm of the mass under P of each cell.
        log_ratio: logarithm of exp(lower end) times the mass under Q over the mass under P, of each cell.
        at_infinity: mass above the last cell.
    """
    known = np.where(np.isfinite(log_mass), np.minimum(log_ratio, 0.0), -math.inf)
    share_up = np.expm1(known) / math.expm1(-spacing)
    index = np.arange(first, first + len(log_mass), dtype=np.int64)
    return _placed(spacing, index, np.exp(log_mass), share_up, at_infinity)


def from_atoms(
    spacing: float, losses: NDArray[np.float64], mass: NDArray[np.float64], at_infinity: float
) -> LossDistribution:
    """Return the distribution of losses that are known one by one."""
    index = np.floor(losses / spacing).astype(np.int64)
    share_up = np.expm1(index * spacing - losses) / math.expm1(-spacing)
    return _placed(spacing, index, mass, share_up, at_infinity)


def joined(parts: list[LossDistribution]) -> LossDistribution:
    """Return the sum of sub-distributions on one grid."""
    first = min(part.first for part in parts)
    mass = np.zeros(max(part.first + len(part.mass) for part in parts) - first)
    for part in parts:
        mass[part.first - first : part.first - first + len(part.mass)] += part.mass
    return LossDistribution(parts[0].spacing, first, mass, sum(part.at_infinity for part in parts))


def _placed(
    spacing: float,
    index: NDArray[np.int64],
    mass: NDArray[np.float64],
    share_up: NDArray[np.float64],
    at_infinity: float,
) -> LossDistribution:
    first, last = int(index.min()), int(index.max())
    blurred = _UNITS * spacing * max(abs(first), abs(last)) / -math.expm1(-spacing)
    share = np.clip(share_up + _BUMP + blurred, 0.0, 1.0)
    place = index - first
    size = last - first + 2
    total = np.zeros(size)
    total += np.bincount(place, mass * (1 - share), size)
    total += np.bincount(place + 1, mass * share, size)
    return LossDistribution(spacing, first, total, at_infinity)
