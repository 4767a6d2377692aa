"""A critic with one dense layer of squared units, its loss of a row, and the bank of all that critics have learnt.

What the critic holds up against a generator is how the mean of its units' squares differs between real and generated
rows. For a generator that draws columns independently within components that mean has a closed form, so the generator's
side needs no samples. docs/design/dpctgan.md has the derivation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import MissingExtra
from dpsynth.generators.marginal_distance import MarginalDistance
from dpsynth.generators.noisy_tables import NoisyTables
from dpsynth.generators.row_groups import RowGroups
from dpsynth.schema.domain import Domain

try:
    import torch
except ImportError as missing:
    raise MissingExtra("torch", "neural") from missing

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class QuadraticCritic:
    """What is public about a critic: how it reads a row, and where its squares are centred.

    The critic of weights W, shape (cells, units), is half the sum over units of ((x - centre) W)^2 for a row x of
    one-hot groups. Its gradient by W is the outer product of x - centre and (x - centre) W.

    Attributes:
        tables: the columns with their groups, and the noisy counts that the centre is.
        centre: noisy share of every cell.
    """

    tables: NoisyTables
    centre: Floats

    @classmethod
    def of(cls, tables: NoisyTables) -> QuadraticCritic:
        """Return the critic that is centred at the noisy columns."""
        return cls(tables, tables.columns.counts / tables.total)

    def loss(self, parameters: tuple[Any, ...], row: Any, auxiliary: tuple[Any, ...]) -> Any:
        """Return what the critic of `parameters` thinks of one row, times a public number; see `Loss`.

        Auxiliary are the centre, that number, shape (1,), and for each column that is held in groups the matrix from
        codes to groups.
        """
        (weights,), (centre, scale, *groupings) = parameters, auxiliary
        squares = ((RowGroups(self.tables).read(row, tuple(groupings)) - centre) @ weights) ** 2
        return 0.5 * (scale * squares).sum()

    def auxiliary(self, scale: float) -> list[Floats]:
        """Return the auxiliary arrays of `loss`."""
        return [self.centre, np.array([scale]), *RowGroups(self.tables).auxiliary]

    def long_gradient(self, mixture: Floats, weights: Floats, *, share: float, rng: np.random.Generator) -> float:
        """Return the length of gradient that a `share` of generated rows do not exceed.

        Args:
            mixture: shares of a network's columns, shape (components, cells).
            weights: the critic's.
            share: of the rows.
            rng: public randomness.
        """
        rows = sampled_rows(mixture, self.tables.domain, rng) - self.centre
        lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(rows @ weights, axis=1)
        return max(float(np.quantile(lengths, share)), 1e-9)


def sampled_rows(mixture: Floats, domain: Domain, rng: np.random.Generator) -> Floats:
    """Return one generated row of one-hot groups for each component, shape (components, cells)."""
    made, start = np.zeros_like(mixture), 0
    for size in domain.sizes:
        below = np.cumsum(mixture[:, start : start + size], axis=1)
        codes = (rng.random(len(mixture))[:, None] * below[:, -1:] > below).sum(axis=1)
        made[np.arange(len(mixture)), start + np.minimum(codes, size - 1)] = 1
        start += size
    return made


class CriticBank:
    """All that critics were taught by real rows: noisy gradients, each with the critic that it is of.

    The gradient of the critic W is M W on real rows and M' W on generated ones, where M and M' are the second moments
    of centred rows. The bank sums up W W^T and (M W + noise) W^T over all critics, by the inverse of the noise;
    half the squared distance of M' W from M W + noise, over all critics, in units of noise, needs no more than that.

    Attributes:
        lessons: sum of W W^T / variance, shape (cells, cells).
        answers: sum of (M W + noise) W^T / variance, the same shape.
    """

    __slots__ = ("_centre", "_distance", "answers", "lessons")

    def __init__(self, distance: MarginalDistance, centre: Floats, *, like: torch.Tensor) -> None:
        """Start empty; `like` is a tensor on the device to be used."""
        self._distance = distance
        self._centre = torch.from_numpy(centre).to(like)
        cells = len(centre)
        self.lessons = torch.zeros((cells, cells)).to(like)
        self.answers = torch.zeros((cells, cells)).to(like)

    @property
    def arrays(self) -> tuple[NDArray[np.float32], ...]:
        """Lessons and answers: all that there is to keep."""
        return tuple(part.cpu().numpy().copy() for part in (self.lessons, self.answers))

    def add(self, weights: Floats, gradient: Floats, variance: float) -> None:
        """Keep what `gradient` says of the critic of `weights`."""
        critic = torch.from_numpy(weights).to(self.lessons)
        self.lessons += critic @ critic.T / variance
        self.answers += torch.from_numpy(gradient).to(critic) @ critic.T / variance

    def centred(self, shares: torch.Tensor, moments: torch.Tensor) -> torch.Tensor:
        """Return the second moments of centred rows that a network with these shares makes."""
        mean = shares.mean(dim=0)
        across = torch.outer(mean - 0.5 * self._centre, self._centre)
        return moments - across - across.T

    def loss(self, shares: torch.Tensor) -> torch.Tensor:
        """Return the distance to noisy columns and pairs, plus a number whose slope is that of the bank's distance."""
        moments = self._distance.second_moments(shares)
        centred = self.centred(shares, moments)
        with torch.no_grad():
            slope = centred @ self.lessons - self.answers
            slope = 0.5 * (slope + slope.T)
        return self._distance(shares, moments) + (centred * slope).sum()

    def taught(self, shares: torch.Tensor, weights: Floats) -> Floats:
        """Return the gradient of the critic of `weights` on the rows that a network with these shares makes."""
        with torch.no_grad():
            centred = self.centred(shares, self._distance.second_moments(shares))
            critic = torch.from_numpy(weights).to(centred)
            return np.asarray((centred @ critic).double().cpu().numpy())


def next_critic(weights: Floats, real: Floats, generated: Floats, *, momentum: float) -> Floats:
    """Return the critic one step up the noisy difference of its gradients on real and on generated rows.

    The step is along the difference at length 1, and the units are made orthonormal afterwards: the Lipschitz
    constraint of a critic in spectral norm, and, without momentum, one step of subspace iteration towards the
    directions in which real and generated rows differ most.
    """
    slope = real - generated
    size = np.linalg.norm(slope, 2)
    moved = momentum * weights + (1 - momentum) * (slope / size if size > 0 else weights)
    return orthonormal(moved)


def orthonormal(weights: Floats) -> Floats:
    """Return weights with the same span whose units are of length 1 and at right angles."""
    return np.asarray(np.linalg.qr(weights)[0])
