"""Halving: of records that a model made, keep the half whose marginals are nearest to those of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.schema.domain import Clique, Domain

_UNIT = 1 << 32
"""Weight of a record too many in an otherwise empty cell. Whole numbers, so that every machine keeps the same half."""

_TOGETHER = 16
"""So many pairs of records are decided between two looks at the balance; many more overshoot in small marginals.

An even number: neighbours in a half were then decided alike, so either could stand first, and it can be halved again.
"""

_COUNTED = 1 << 20
"""Cells that are looked up at once: 8 MiB for each array of them."""


def halved(codes: NDArray[np.int32], domain: Domain, importance: Mapping[Clique, int]) -> NDArray[np.int32]:
    """Return one record of each two neighbours, so that the kept ones have the marginals of all, as nearly as can be.

    A random half of n records misses a cell that holds c of them by about sqrt(c) / 2; here the misses of one pair of
    records are made up for by the next. Each choice looks at all cells that the two records do not share, a cell
    weighing its marginal's importance over the records in it. With every two neighbours exchanged, all others are kept;
    so if the records are in random order, a kept one has the distribution of one that is not, which is that of all.

    Args:
        codes: records, shape (rows, columns), in random order; a last one without a neighbour is left out.
        domain: the columns.
        importance: the marginals, by columns in the order of the domain, with positive weights.

    Privacy: post-processing; nothing is charged.

    Source: Dwivedi and Mackey 2021, "Kernel thinning", section 3 (kernel halving), with a kernel that counts shared
        cells, and the sign of the balance in place of a random one.
    """
    pairs = len(codes) // 2
    if not pairs or not importance:
        return codes[: 2 * pairs : 2]
    cells = _Cells.of(domain, tuple(importance))
    weight = cells.weights(codes, np.fromiter(importance.values(), np.int64))
    balance = np.zeros_like(weight)
    second = np.empty(pairs, dtype=np.bool_)
    for start in range(0, pairs, _TOGETHER):
        piece = codes[2 * start : 2 * (start + _TOGETHER)][: 2 * (pairs - start)]
        one, other = cells.places(piece[::2]), cells.places(piece[1::2])
        lean = (balance[one] - balance[other]).sum(axis=1)
        second[start : start + _TOGETHER] = lean > 0
        sign = np.where(lean > 0, -1, 1)[:, None]
        np.add.at(balance, one, sign * weight[one])
        np.add.at(balance, other, -sign * weight[other])
    return codes[np.arange(0, 2 * pairs, 2) + second]


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """The cells of some marginals, one after the other.

    Attributes:
        sizes: number of cells of each marginal.
        starts: place of each marginal's first cell.
        strides: how far a code moves the place, float array (columns, marginals): as floats they are multiplied fast,
            and whole numbers below 2^53 exactly.
    """

    sizes: NDArray[np.int64]
    starts: NDArray[np.int64]
    strides: NDArray[np.float64]

    @classmethod
    def of(cls, domain: Domain, cliques: tuple[Clique, ...]) -> _Cells:
        sizes = np.array([domain.cells(clique) for clique in cliques], dtype=np.int64)
        strides = np.zeros((len(domain), len(cliques)))
        for place, clique in enumerate(cliques):
            stride = 1
            for name in reversed(clique):
                strides[domain.position(name), place] = stride
                stride *= domain.size(name)
        return cls(sizes, np.cumsum(sizes) - sizes, strides)

    def places(self, codes: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return for each record its cell in every marginal, shape (rows, marginals)."""
        inside: NDArray[np.int64] = (codes.astype(np.float64) @ self.strides).astype(np.int64)
        return inside + self.starts

    def weights(self, codes: NDArray[np.int32], importance: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what a record too many weighs in each cell, shape (all cells,).

        Args:
            codes: all records, shape (rows, columns).
            importance: of each marginal.
        """
        held = np.ones(int(self.sizes.sum()), dtype=np.int64)
        height = max(1, _COUNTED // len(self.sizes))
        for start in range(0, len(codes), height):
            np.add.at(held, self.places(codes[start : start + height]), 1)
        weight = np.repeat(_UNIT * importance, self.sizes)
        weight //= held
        return weight
