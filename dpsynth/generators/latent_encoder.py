"""The encoder of a decoder with finitely many latent codes: exact, and with the same weights.

Where the latent variable is one of a few hundred codes, all alike in chance, the posterior of the code given a row has
a closed form: one dense layer, whose weights are the logarithms of what the decoder says, and a softmax. No encoder
could be closer, the evidence bound is the likelihood, and nothing is sampled. docs/design/dptvae.md has the derivation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import MissingExtra
from dpsynth.generators.noisy_tables import NoisyTables
from dpsynth.generators.quadratic_critic import sampled_rows
from dpsynth.generators.row_groups import RowGroups

try:
    import torch
except ImportError as missing:
    raise MissingExtra("torch", "neural") from missing

Floats = NDArray[np.float64]

_TINY = 1e-30
"""Shares below count as this."""

_GENERATED = 4096
"""Generated rows, about, from which directions are taken."""

_LONG = 0.95
"""The clipping norm is a length that this share of generated rows does not exceed."""


@dataclass(frozen=True, slots=True)
class LatentEncoder:
    """The posterior of latent codes, as one row's part of a gradient sees it; everything here is public.

    Attributes:
        tables: the columns with their groups.
        centre: noisy share of every cell, from which rows are counted.
        shares: what the decoder says of each code, shape (codes, cells).
        directions: orthonormal columns in which posteriors are looked at, shape (codes, units).
        length: of gradient that most generated rows do not exceed; the clipping norm.
    """

    tables: NoisyTables
    centre: Floats
    shares: Floats
    directions: Floats
    length: float

    @classmethod
    def of(cls, tables: NoisyTables, shares: Floats, *, units: int, rng: np.random.Generator) -> LatentEncoder:
        """Return the encoder of a decoder, in those directions in which generated rows' posteriors differ most.

        Args:
            tables: the columns with their groups.
            shares: of the decoder.
            units: number of directions; no more than there are codes.
            rng: public randomness: rows are generated.
        """
        centre = tables.columns.counts / tables.total
        times = max(1, round(_GENERATED / len(shares)))
        rows = np.concatenate([sampled_rows(shares, tables.domain, rng) for _ in range(times)])
        apart = posteriors(rows, shares) - 1 / len(shares)
        _, directions = np.linalg.eigh(apart.T @ apart)
        directions = np.ascontiguousarray(directions[:, ::-1][:, :units])
        lengths = np.linalg.norm(apart @ directions, axis=1) * np.sqrt(np.square(rows - centre).sum(axis=1) + 1)
        return cls(tables, centre, shares, directions, max(float(np.quantile(lengths, _LONG)), 1e-9))

    @property
    def parameters(self) -> list[Floats]:
        """Where gradients are taken: no step yet along any direction, shape (units, cells + 1)."""
        return [np.zeros((self.directions.shape[1], len(self.centre) + 1))]

    @property
    def auxiliary(self) -> list[Floats]:
        """The public arrays that `loss` is given."""
        usual = self.directions.mean(axis=0)
        logarithms = np.ascontiguousarray(np.log(np.maximum(self.shares, _TINY)).T)
        scale = np.array([1 / self.length])
        return [self.centre, logarithms, self.directions, usual, scale, *RowGroups(self.tables).auxiliary]

    def loss(self, parameters: tuple[Any, ...], row: Any, auxiliary: tuple[Any, ...]) -> Any:
        """Return the part of the evidence bound that a row has a say in, to first order in the decoder's logits.

        Its gradient is the outer product of the posterior along the directions, less what it is on average, and of
        the row, less the centre, with a one behind. See `Loss`.
        """
        (weights,), (centre, logarithms, directions, usual, scale, *groupings) = parameters, auxiliary
        groups = RowGroups(self.tables).read(row, tuple(groupings))
        posterior = torch.softmax(groups @ logarithms, dim=0)
        found = (posterior @ directions - usual) * scale
        return ((found @ weights) * torch.cat([groups - centre, torch.ones_like(groups[:1])])).sum()

    def expected_counts(self, gradient: Floats) -> Floats:
        """Return the chance of every code together with every cell, as the decoder has it and a gradient corrects it.

        The decoder's own chances are those of its shares, exactly. Along the directions, and there only, a mean
        gradient says what they are on real rows.

        Args:
            gradient: of the mean loss, times `length`, shape (units, cells + 1).
        """
        codes = len(self.shares)
        seen = gradient[:, :-1] + np.outer(gradient[:, -1], self.centre)
        said = self.directions.T @ self.shares / codes - np.outer(
            self.directions.mean(axis=0), self.shares.mean(axis=0)
        )
        return np.asarray(self.shares / codes + self.directions @ (seen - said))


def posteriors(rows: Floats, shares: Floats) -> Floats:
    """Return the chance of every code given each of `rows`, shape (rows, codes).

    Args:
        rows: one-hot groups, shape (rows, cells).
        shares: of the decoder, shape (codes, cells).
    """
    fits = rows @ np.log(np.maximum(shares, _TINY)).T
    chances = np.exp(fits - fits.max(axis=1, keepdims=True))
    return np.asarray(chances / chances.sum(axis=1, keepdims=True))
