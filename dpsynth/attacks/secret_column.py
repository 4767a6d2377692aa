"""One column as the secret of an attribute inference: which guess is right, and which guess is best.

Right is the exact level, or a position within 5 % of the public range. A missing cell and a cell outside the range are
levels of their own, right only for themselves. No share of the value itself is tolerated: what counts as near does not
depend on where zero is, or on the sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.records import RESOLUTION

TOLERANCE = 0.05
"""Share of the public range of an ordered column."""

_WITHIN = TOLERANCE + 1 / RESOLUTION
"""Positions are rounded: two that are 5 % apart may be one unit further apart."""

_OWN_WEIGHT = 2.0**-20
"""Of guesses that are right equally often, the one that is itself likeliest wins."""


@dataclass(frozen=True, slots=True, eq=False)
class SecretColumn:
    """The levels that a guess can name.

    Attributes:
        levels: shape (levels,), ascending. The numbers of an unordered column are its levels in canonical order.
        is_ordered: whether near is good enough.
    """

    levels: NDArray[np.float64]
    is_ordered: bool

    @classmethod
    def among(cls, values: NDArray[np.float64], *, is_ordered: bool) -> SecretColumn:
        """Return the levels that occur in the released column `values`, shape (rows,)."""
        return cls(np.unique(values), is_ordered)

    def codes(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the number of each value among the levels, shape (rows,); each must be one of them."""
        return np.searchsorted(self.levels, values)

    def best_guess(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return for each target the level that is right most often under its weights.

        Args:
            weights: shape (targets, levels), at least 0. Ties go to the heavier level, then to the first.

        Returns:
            shape (targets,), levels.
        """
        if not self.is_ordered:
            likeliest: NDArray[np.float64] = self.levels[weights.argmax(axis=1)]
            return likeliest
        first = np.searchsorted(self.levels, self.levels - _WITHIN, side="left")
        behind = np.searchsorted(self.levels, self.levels + _WITHIN, side="right")
        sums = np.concatenate([np.zeros((len(weights), 1)), np.cumsum(weights, axis=1)], axis=1)
        near = sums[:, behind] - sums[:, first]
        best: NDArray[np.float64] = self.levels[(near + _OWN_WEIGHT * weights).argmax(axis=1)]
        return best

    def is_right(self, guesses: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which guesses are right, shape (targets,)."""
        return np.abs(guesses - truth) <= _WITHIN if self.is_ordered else guesses == truth
