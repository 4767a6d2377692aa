"""A network that makes tables: from fixed inputs to one distribution per column.

Given its input, a network with one softmax per column draws the columns independently. So a fixed set of inputs makes a
mixture of products, one component for each input, and whatever is exact for mixtures is exact here: marginals without
sampling, conditions, rules of the schema, files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import MissingExtra
from dpsynth.models.mixture_of_products import MixtureOfProducts, column_rows
from dpsynth.schema.domain import Domain

try:
    import torch
except ImportError as missing:
    raise MissingExtra("torch", "neural") from missing

_NOISE = 64
"""Numbers in an input beside its condition."""

_OWN = 10.0
"""How much faster than the network an input learns what is its own."""

_APART = 1.0
"""Standard deviation, in logits, of what inputs start with as their own.

Inputs that start alike come to say what pairs ask for in few ways, and what three columns share is lost.
"""

_SMALLEST_SHARE = 1e-5
"""Codes whose noisy count is not positive start at this share."""


class ColumnNetwork:
    """A multilayer perceptron whose outputs are the columns' distributions, one line for each of its fixed inputs.

    An input is public noise beside a condition: a column with one of its codes, drawn from the noisy counts of that
    column, as in training-by-sampling.

    Attributes:
        domain: the columns.
        weights: matrices and offsets of all layers, then what every input adds to the outputs by itself, which is as
            free as a mixture; float tensors that are trained.

    Source: Xu et al. 2019 (conditions, training-by-sampling); Liu, Vietri and Wu 2021 (GEM: softmax outputs as a
        product distribution).
    """

    __slots__ = ("_inputs", "_rows", "domain", "weights")

    def __init__(self, domain: Domain, inputs: NDArray[np.float32], weights: Sequence[NDArray[np.float32]]) -> None:
        """Put a network together; `started` makes a new one.

        Args:
            domain: the columns.
            inputs: shape (components, numbers of an input).
            weights: for each layer its matrix, shape (inputs, outputs), and its offsets; then one array of shape
                (components, cells).
        """
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.domain = domain
        self._rows = tuple(column_rows(domain).values())
        self._inputs = torch.from_numpy(inputs).to(device)
        self.weights = [torch.from_numpy(np.array(part)).to(device).requires_grad_() for part in weights]

    @classmethod
    def started(
        cls,
        domain: Domain,
        column_shares: NDArray[np.float64],
        *,
        components: int,
        hidden: int,
        rng: np.random.Generator,
    ) -> ColumnNetwork:
        """Return a network whose outputs start around the columns' noisy shares, each input's in a way of its own.

        Args:
            domain: the columns.
            column_shares: noisy share of every code of every column, one column below the other.
            components: number of inputs.
            hidden: units of each of the two hidden layers.
            rng: public randomness.
        """
        shares = np.maximum(column_shares, _SMALLEST_SHARE)
        conditions = np.zeros((components, len(shares)), dtype=np.float32)
        rows = list(column_rows(domain).values())
        for component, place in enumerate(rng.permutation(np.arange(components) % len(rows)).tolist()):
            start, chances = rows[place].start, shares[rows[place]]
            conditions[component, start + rng.choice(len(chances), p=chances / chances.sum())] = 1
        inputs = np.concatenate([rng.standard_normal((components, _NOISE), dtype=np.float32), conditions], axis=1)
        sizes = (inputs.shape[1], hidden, hidden, len(shares))
        weights: list[NDArray[np.float32]] = []
        for before, after in pairwise(sizes):
            bound = 1 / math.sqrt(before)
            weights += [rng.uniform(-bound, bound, size).astype(np.float32) for size in ((before, after), (after,))]
        weights[-1] = np.log(shares).astype(np.float32)
        apart = np.float32(_APART / _OWN)
        weights.append(apart * rng.standard_normal((components, len(shares)), dtype=np.float32))
        return cls(domain, inputs, weights)

    @property
    def arrays(self) -> tuple[NDArray[np.float32], ...]:
        """The inputs, then the weights: all that there is to keep."""
        return tuple(part.detach().cpu().numpy().copy() for part in (self._inputs, *self.weights))

    def shares(self) -> torch.Tensor:
        """Return the distributions of all columns, shape (components, cells of all columns), with their gradients."""
        layer = self._inputs
        *hidden, matrix, offsets, own = self.weights
        for before, after in zip(hidden[::2], hidden[1::2], strict=True):
            layer = torch.relu(layer @ before + after)
        logits = layer @ matrix + offsets + _OWN * own
        return torch.cat([torch.softmax(logits[:, rows], dim=1) for rows in self._rows], dim=1)

    def mixture(self) -> MixtureOfProducts:
        """Return the distribution that the network makes, all components alike in weight."""
        with torch.no_grad():
            shares = self.shares().T.double().cpu().numpy()
        for rows in self._rows:
            shares[rows] /= shares[rows].sum(axis=0)
        return MixtureOfProducts(self.domain, np.full(shares.shape[1], 1 / shares.shape[1]), shares)
