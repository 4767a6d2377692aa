"""How far a network's columns and pairs are from the noisy ones: a loss that costs nothing, kept in every training."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import MissingExtra
from dpsynth.generators.noisy_tables import NoisyTables
from dpsynth.models.mixture_of_products import column_rows

try:
    import torch
except ImportError as missing:
    raise MissingExtra("torch", "neural") from missing

_CERTAIN = 100.0
"""How much more than a measured cell one counts that is known to be empty."""


class MarginalDistance:
    """Half the squared distance to noisy columns and pairs in units of their noise, plus what information costs.

    A network's marginals are means over its components of products of shares, so there is nothing to sample. With Z the
    component, the second part is a price times the sum over columns X of I(Z; X), as in `mixture`; it keeps a network
    from learning the noise.

    Attributes:
        column_shares: the noisy shares of all codes, one column below the other.
    """

    __slots__ = ("_columns", "_pairs", "_price", "_same", "column_shares")

    def __init__(self, tables: NoisyTables, *, information_price: float, like: torch.Tensor) -> None:
        """Keep the measurements as shares of the noisy total.

        Args:
            tables: what was measured; pairs count where there are some.
            information_price: what a nat of information about a column costs for each pair that the column is in,
                divided by the square root of (rows / noise of a cell).
            like: a tensor on the device that is to be used.
        """
        columns, total, rows = tables.columns, tables.total, column_rows(tables.domain)
        shares, weights = columns.counts / total, (total / columns.stddevs) ** 2
        cells = len(shares)
        pair_shares, pair_weights = np.zeros((cells, cells)), np.zeros((cells, cells))
        for measured in tables.measured_pairs:
            block = rows[measured.clique[0]], rows[measured.clique[1]]
            pair_shares[block] = measured.counts / total
            pair_weights[block] = total**2 * measured.weight
        for clique, mask in tables.impossible.items():
            if len(clique) == 1:
                shares[rows[clique[0]]][mask] = 0.0
                weights[rows[clique[0]]][mask] *= _CERTAIN
            elif len(clique) == 2:
                place = rows[clique[0]], rows[clique[1]]
                pair_shares[place][mask] = 0.0
                pair_weights[place][mask] = _CERTAIN * np.median(weights)
        self.column_shares: NDArray[np.float64] = columns.counts / total
        self._columns = tuple(_like(part, like) for part in (shares, weights))
        self._pairs = (_like(pair_shares, like), _like(pair_weights, like)) if pair_weights.any() else None
        self._same = _like(same_column(tables), like)
        self._price = information_price * (len(tables.domain) - 1) * math.sqrt(total / tables.noise)

    def second_moments(self, shares: torch.Tensor) -> torch.Tensor:
        """Return the expected product of every two one-hot cells of a row, shape (cells, cells).

        For two columns that is their pair; within a column, the shares of its codes on the diagonal.
        """
        apart = (shares.T @ shares / len(shares)) * (1 - self._same)
        return apart + torch.diag(shares.mean(dim=0))

    def __call__(self, shares: torch.Tensor, moments: torch.Tensor | None = None) -> torch.Tensor:
        """Return the loss of a network's `shares`, shape (components, cells); `moments` if they are known already."""
        mean = shares.mean(dim=0)
        measured, weights = self._columns
        loss = 0.5 * (weights * (mean - measured) ** 2).sum()
        if self._pairs is not None:
            moments = self.second_moments(shares) if moments is None else moments
            pair_shares, pair_weights = self._pairs
            loss = loss + 0.5 * (pair_weights * (moments - pair_shares) ** 2).sum()
        if self._price:
            tiny = torch.finfo(shares.dtype).tiny
            loss = loss + self._price * torch.xlogy(shares, (shares + tiny) / (mean + tiny)).sum() / len(shares)
        return loss


def same_column(tables: NoisyTables) -> NDArray[np.float64]:
    """Return 1 where two cells are codes of one column and 0 elsewhere, shape (cells, cells)."""
    owner = np.repeat(np.arange(len(tables.domain.sizes)), tables.domain.sizes)
    return np.asarray(owner[:, None] == owner, dtype=np.float64)


def _like(array: NDArray[np.float64], like: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(array).to(like)
