"""Training a network that makes tables: steps of Adam on a loss that holds no rows, in a state that can be kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import MissingExtra
from dpsynth.generators.column_network import ColumnNetwork
from dpsynth.progress import phase

try:
    import torch
except ImportError as missing:
    raise MissingExtra("torch", "neural") from missing

_FIRST_MOMENT, _SECOND_MOMENT, _TINY = 0.9, 0.999, 1e-12

NetworkLoss = Callable[[torch.Tensor], torch.Tensor]
"""Of the shares of all columns, shape (components, cells)."""


@dataclass(slots=True)
class NetworkTraining:
    """A network on its way, with everything that its next step depends on.

    Attributes:
        network: what is trained.
        steps: how many were taken.
        first: running means of the gradients, one per weight array.
        second: running means of their squares.

    Source: Kingma and Ba 2015 (Adam).
    """

    network: ColumnNetwork
    steps: int = 0
    first: list[torch.Tensor] = field(default_factory=list)
    second: list[torch.Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start with moments of zero."""
        self.first = self.first or [torch.zeros_like(part) for part in self.network.weights]
        self.second = self.second or [torch.zeros_like(part) for part in self.network.weights]

    @property
    def arrays(self) -> tuple[NDArray[np.float32], ...]:
        """Inputs and weights of the network, then both moments: with `steps` all that there is to keep."""
        moments = tuple(part.cpu().numpy().copy() for part in (*self.first, *self.second))
        return (*self.network.arrays, *moments)

    def step(self, loss: NetworkLoss, learning_rate: float) -> None:
        """Take one step of Adam down `loss`."""
        weights = self.network.weights
        gradients = torch.autograd.grad(loss(self.network.shares()), weights)
        self.steps += 1
        size = learning_rate / (1 - _FIRST_MOMENT**self.steps)
        correction = 1 - _SECOND_MOMENT**self.steps
        with torch.no_grad():
            for weight, gradient, first, second in zip(weights, gradients, self.first, self.second, strict=True):
                first.lerp_(gradient, 1 - _FIRST_MOMENT)
                second.lerp_(gradient.square(), 1 - _SECOND_MOMENT)
                weight.addcdiv_(first, (second / correction).sqrt_().add_(_TINY), value=-size)

    def settle(self, loss: NetworkLoss, *, steps: int, learning_rate: float, purpose: str) -> None:
        """Take `steps` steps down `loss`, the step size falling to zero along half a cosine.

        The last iterate is what counts: with falling steps it is as calm as an average of iterates.
        """
        with phase(purpose, steps) as advance:
            for place in range(steps):
                self.step(loss, learning_rate * 0.5 * (1 + math.cos(math.pi * place / steps)))
                advance(1)
