"""What a decoder was taught by rows: expected counts of latent codes with cells, averaged over noisy gradients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import MissingExtra
from dpsynth.generators.marginal_distance import MarginalDistance

try:
    import torch
except ImportError as missing:
    raise MissingExtra("torch", "neural") from missing

Floats = NDArray[np.float64]

_SMALLEST = 1e-9
"""Noisy chances that are not above it count as this."""


class ExpectedCounts:
    """A running average of noisy expected counts, and the loss of a decoder that is to agree with them.

    Attributes:
        chances: of every code together with every cell, shape (codes, cells); None before the first answer.
        answers: how many were averaged.
        rows: that all answers together are worth, given their noise.

    Source: Cappé and Moulines 2009 (online expectation-maximisation); Neal and Hinton 1998 (it is ascent of the bound).
    """

    __slots__ = ("_distance", "_target", "_weight", "answers", "chances", "rows")

    def __init__(self, distance: MarginalDistance, rows: float) -> None:
        """Start without an answer; `distance` is kept in the loss."""
        self._distance = distance
        self._target: torch.Tensor | None = None
        self._weight = 0.0
        self.answers = 0
        self.chances: Floats | None = None
        self.rows = rows

    def add(self, chances: Floats, *, of: int, like: torch.Tensor) -> None:
        """Take one more answer into the average.

        Args:
            chances: expected counts that a noisy gradient says.
            of: how many answers there are going to be; the average counts by how many of them it has.
            like: a tensor on the device that is to be used.
        """
        self.answers += 1
        before = chances if self.chances is None else self.chances
        self.chances = before + (chances - before) / self.answers
        self._target = torch.from_numpy(np.maximum(self.chances, _SMALLEST)).to(like)
        self._weight = self.rows * self.answers / of

    def loss(self, shares: torch.Tensor) -> torch.Tensor:
        """Return the distance to noisy columns and pairs, less the expected logarithm of the likelihood of rows."""
        if self._target is None:
            return self._distance(shares)
        tiny = torch.finfo(shares.dtype).tiny
        return self._distance(shares) - self._weight * (self._target * torch.log(shares + tiny)).sum()
