"""Critics of one degree more: they see all columns but one, whose code says if their squares count plus or minus.

What such a critic is taught is how second moments of the other columns differ between two halves of one: third moments.
docs/design/dpctgan.md has the derivation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.generators.noisy_tables import NoisyTables
from dpsynth.generators.quadratic_critic import QuadraticCritic, sampled_rows
from dpsynth.generators.row_groups import RowGroups
from dpsynth.models.mixture_of_products import column_rows

Floats = NDArray[np.float64]

_DRAWS = 32
"""Splits that are drawn for a column without an order; the one that halves its noisy counts best is taken."""


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """A public choice of what a critic sees of a row.

    Attributes:
        signs: 1 or -1 for the codes of one column and 0 for all other cells, so the sum over a row is 1 or -1.
        kept: 1 for the cells that are seen, and 0 for others.
    """

    signs: Floats
    kept: Floats

    @classmethod
    def open(cls, tables: NoisyTables) -> Gate:
        """Return the gate that shows every row as it is."""
        signs = np.zeros(sum(tables.domain.sizes))
        signs[next(iter(column_rows(tables.domain).values()))] = 1
        return cls(signs, np.ones(len(signs)))


def drawn_gates(tables: NoisyTables, splits: int, rng: np.random.Generator) -> list[Gate]:
    """Return so many gates for every column, first one for each; they split its noisy counts into halves.

    Columns with an order are split at their median, then into the middle and both ends, then finer; others anyhow.

    Args:
        tables: the columns with their noisy counts.
        splits: gates of each column.
        rng: public randomness, for the order of columns and for splits without an order.
    """
    shares, places = tables.columns.counts / tables.total, list(column_rows(tables.domain).values())
    made = []
    for split in range(splits):
        for column in rng.permutation(len(places)).tolist():
            rows = places[column]
            is_ordered = tables.schema.columns[column].is_ordered
            signs, kept = np.zeros(len(shares)), np.ones(len(shares))
            signs[rows] = _ordered(shares[rows], split) if is_ordered else _drawn(shares[rows], rng)
            kept[rows] = 0
            made.append(Gate(signs, kept))
    return made


def _ordered(shares: Floats, split: int) -> Floats:
    """Return the sign per code of half a cosine wave, or one more for each earlier split, over the quantiles."""
    known = np.maximum(shares, 0) / max(np.maximum(shares, 0).sum(), 1e-9)
    middles = np.cumsum(known) - known / 2
    return np.where(np.cos(np.pi * (split + 1) * middles) >= 0, 1.0, -1.0)


def _drawn(shares: Floats, rng: np.random.Generator) -> Floats:
    """Return the sign per code of that random split whose signs come closest to half of the rows each."""
    splits = rng.choice([-1.0, 1.0], size=(_DRAWS, len(shares)))
    return np.asarray(splits[np.argmin(np.abs(splits @ shares))])


@dataclass(frozen=True, slots=True)
class GatedCritic:
    """How a critic behind a gate reads a row.

    The critic of weights W is half the sum over units of ((x - centre) W)^2 for a row x of one-hot groups, over the
    cells that its gate shows, times the sign that its gate gives the row. Its gradient by W is that sign times the
    outer product of x - centre and (x - centre) W.

    Attributes:
        critic: the same without a gate.
    """

    critic: QuadraticCritic

    @property
    def centre(self) -> Floats:
        """Noisy share of every cell."""
        return self.critic.centre

    def loss(self, parameters: tuple[Any, ...], row: Any, auxiliary: tuple[Any, ...]) -> Any:
        """Return what the critic of `parameters` thinks of one row, times a public number; see `Loss`.

        Auxiliary are signs and seen cells of the gate, the centre, that number, shape (1,), and for each column that is
        held in groups the matrix from codes to groups.
        """
        (weights,), (signs, kept, centre, scale, *groupings) = parameters, auxiliary
        cells = RowGroups(self.critic.tables).read(row, tuple(groupings))
        squares = (((cells - centre) * kept) @ weights) ** 2
        return 0.5 * (scale * (cells * signs).sum() * squares).sum()

    def auxiliary(self, scale: float, gate: Gate | None = None) -> list[Floats]:
        """Return the auxiliary arrays of `loss`; without a gate, of one that is open."""
        gate = Gate.open(self.critic.tables) if gate is None else gate
        return [gate.signs, gate.kept, *self.critic.auxiliary(scale)]

    def long_gradient(
        self, mixture: Floats, weights: Floats, gate: Gate | None = None, *, share: float, rng: np.random.Generator
    ) -> float:
        """Return the length of gradient that a `share` of generated rows do not exceed; see `QuadraticCritic`."""
        if gate is None:
            return self.critic.long_gradient(mixture, weights, share=share, rng=rng)
        rows = (sampled_rows(mixture, self.critic.tables.domain, rng) - self.centre) * gate.kept
        lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(rows @ weights, axis=1)
        return max(float(np.quantile(lengths, share)), 1e-9)
