"""A5: are the low-dimensional tables of the release higher at this record's cells than the population's are?

A generator that keeps marginal tables keeps what a record contributed to them. Where the tables that a model was fitted
to are known, nothing else of the release can know the record; otherwise all pairs of columns stand for them.

Source: S. Golob et al., MAMA-MIA (arXiv 2410.05506), section 4, with differences of logarithms in place of ratios.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.distance import in_threads
from dpsynth.attacks.records import Records, require_same_columns

_SUMMAND = 2.0**32
"""Summands are rounded to multiples of one over this: their sums are exact, so the order of columns has no effect."""

_MOST_CELLS = 2**22
"""Larger tables are numbered by the cells that occur."""

_Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CliqueRatio:
    """Score by the weighted sum over cliques C of log(p_synthetic(x_C) + a) - log(p_reference(x_C) + a).

    a is one over the number of reference rows. Each column has a weight of one, which it shares out evenly among the
    cliques that hold it; the weight of a clique is the sum of what it gets. Columns that are constant in both tables do
    not count.

    Attributes:
        cliques: positions of columns, as a fitted model has them; None for all pairs of columns.
    """

    cliques: tuple[tuple[int, ...], ...] | None = None

    def score(
        self, targets: Records, synthetic: Records, reference: Records, *, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Return one score per target, shape (targets,); 0 for all where there is nothing to compare."""
        del rng
        require_same_columns(targets, synthetic)
        require_same_columns(targets, reference)
        scores = np.zeros(len(targets))
        if not len(synthetic) or not len(reference):
            return scores
        both = np.concatenate([synthetic.values, reference.values])
        moving = [place for place in range(targets.width) if np.ptp(both[:, place]) > 0]
        cliques = self._cliques(moving)
        weights = _weights(cliques)
        together = np.concatenate([targets.values, both])
        codes = {place: np.unique(together[:, place], return_inverse=True)[1] for place in moving}
        sizes = (len(targets), len(synthetic), len(reference))
        summands = np.empty((len(cliques), len(targets)))

        def compare(jobs: slice) -> None:
            for job in range(jobs.start, jobs.stop):
                ratio = _log_ratio([codes[place] for place in cliques[job]], sizes)
                summands[job] = np.round(weights[job] * ratio * _SUMMAND) / _SUMMAND

        in_threads(compare, len(cliques), step=4)
        return summands.sum(axis=0) if cliques else scores

    def _cliques(self, moving: Sequence[int]) -> list[tuple[int, ...]]:
        if self.cliques is None:
            return list(combinations(moving, min(2, len(moving)))) if moving else []
        kept = {tuple(sorted(set(clique) & set(moving))) for clique in self.cliques}
        return sorted(kept - {()})


def _weights(cliques: Sequence[tuple[int, ...]]) -> list[float]:
    """Return the weight of each clique: one over the number of cliques that hold a column, summed over its columns."""
    holders = np.bincount(np.array([column for clique in cliques for column in clique], dtype=np.intp))
    return [sum(sorted(1 / holders[column] for column in clique)) for clique in cliques]


def _log_ratio(codes: Sequence[_Codes], sizes: tuple[int, int, int]) -> NDArray[np.float64]:
    """Return the log ratio of smoothed cell probabilities at the targets, shape (targets,).

    Args:
        codes: one per column of the clique, shape (targets + synthetic + reference,).
        sizes: number of targets, synthetic and reference rows.
    """
    cells = np.zeros(sum(sizes), dtype=np.int64)
    for code in codes:
        size = int(code.max()) + 1
        if (int(cells.max()) + 1) * size > _MOST_CELLS:
            cells = np.unique(cells, return_inverse=True)[1]
        cells = cells * size + code
    if int(cells.max()) >= _MOST_CELLS:
        cells = np.unique(cells, return_inverse=True)[1]
    targets, synthetic, reference = sizes
    offset = 1 / reference
    every = int(cells.max()) + 1
    asked, released, others = np.split(cells, [targets, targets + synthetic])
    in_synthetic = np.bincount(released, minlength=every)[asked] / synthetic
    in_reference = np.bincount(others, minlength=every)[asked] / reference
    ratio: NDArray[np.float64] = np.log(in_synthetic + offset) - np.log(in_reference + offset)
    return ratio
