"""All that critics behind gates were taught, and how far a network is from it, in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import MissingExtra
from dpsynth.generators.gated_critic import Gate
from dpsynth.generators.quadratic_critic import CriticBank, QuadraticCritic
from dpsynth.models.mixture_of_products import column_rows

try:
    import torch
except ImportError as missing:
    raise MissingExtra("torch", "neural") from missing

Floats = NDArray[np.float64]


class GatedBank:
    """All that critics were taught, those behind gates too.

    The gradient of a critic W behind a gate is M W on real rows and M' W on generated ones, where M and M' are means of
    the sign times the outer product of centred rows with themselves, over the cells that are seen. The bank keeps W and
    M W + noise, one critic beside the other, and adds half the squared distance of M' W from that, in units of noise,
    to the loss of critics without gates. All critics behind gates have the same number of units.

    Attributes:
        plain: what critics without gates were taught.
        weights: W of all critics, shape (cells, units of all).
        answers: M W + noise of all, the same shape.
        precisions: one over the variance of the noise, shape (units of all,).
        signs: of the gates, shape (cells, critics).
        kept: of the gates, the same shape.
    """

    __slots__ = ("_centre", "_rows", "answers", "kept", "plain", "precisions", "signs", "weights")

    def __init__(self, plain: CriticBank, critic: QuadraticCritic) -> None:
        """Start without critics behind gates.

        Args:
            plain: what critics without gates were taught, or will be.
            critic: how rows are read.
        """
        self.plain = plain
        self._rows = tuple(column_rows(critic.tables.domain).values())
        self._centre = torch.from_numpy(critic.centre).to(plain.lessons)
        self.weights = self.answers = self.signs = self.kept = self._centre.new_zeros((len(critic.centre), 0))
        self.precisions = self._centre.new_zeros(0)

    def add(self, gate: Gate, weights: Floats, gradient: Floats, variance: float) -> None:
        """Keep what `gradient` says of the critic of `weights` behind `gate`; weights are 0 where nothing is seen."""

        def beside(old: torch.Tensor, new: Floats) -> torch.Tensor:
            return torch.cat([old, torch.from_numpy(new).to(old)], dim=-1)

        self.weights = beside(self.weights, weights)
        self.answers = beside(self.answers, gradient * gate.kept[:, None])
        self.precisions = beside(self.precisions, np.full(weights.shape[1], 1 / variance))
        self.signs = beside(self.signs, gate.signs[:, None])
        self.kept = beside(self.kept, gate.kept[:, None])

    def loss(self, shares: torch.Tensor) -> torch.Tensor:
        """Return the loss of `plain`, plus the distance from what was taught behind gates."""
        loss = self.plain.loss(shares)
        if len(self.precisions):
            loss = loss + 0.5 * (self.precisions * (self.taught(shares) - self.answers) ** 2).sum()
        return loss

    def taught(self, shares: torch.Tensor) -> torch.Tensor:
        """Return the gradients of all critics on the rows that a network with these shares makes, like `answers`.

        Given the component, the code of a gate's column is independent of all others. So its sign is its mean there.
        """
        units = len(self.precisions) // self.signs.shape[1]
        means = shares @ self.signs
        signed = means.repeat_interleave(units, dim=1)
        seen = (shares @ self.weights) * signed
        first = (shares.T @ means).repeat_interleave(units, dim=1)
        at_centre = self._centre @ self.weights
        # Of two codes of one column a row has only one: for that, a diagonal takes the place of products.
        twice = [shares[:, rows].T @ ((shares[:, rows] @ self.weights[rows]) * signed) for rows in self._rows]
        moments = shares.T @ seen - torch.cat(twice) + first * self.weights
        across = first * at_centre + self._centre[:, None] * (seen.sum(dim=0) - signed.sum(dim=0) * at_centre)
        return (moments - across) * self.kept.repeat_interleave(units, dim=1) / len(shares)
