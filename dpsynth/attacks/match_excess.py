"""A1: does the synthetic table contain this record, exactly or nearly?

The score is an indicator. Evidence is the excess of hits among members over hits among controls, never the number of
hits: in a table with natural duplicates an honest generator hits many records of both. This is the strongest attack on
partial copying, where average distances see nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.distance import nearest_totals
from dpsynth.attacks.records import Records


@dataclass(frozen=True, slots=True)
class MatchExcess:
    """Score 1 where the nearest synthetic row is at most a threshold away, else 0.

    Attributes:
        natural_rate: 0 for exact matches. Otherwise the threshold is this quantile of the distances between reference
            rows and their nearest other reference row, so that about this share of unseen records matches.
    """

    natural_rate: float = 0.0

    def score(
        self, targets: Records, synthetic: Records, reference: Records, *, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Return 0 or 1 per target, shape (targets,)."""
        del rng
        nearest = nearest_totals(targets, synthetic)[:, 0]
        return (nearest <= self._threshold(reference)).astype(np.float64)

    def _threshold(self, reference: Records) -> float:
        if self.natural_rate == 0 or len(reference) < 2:
            return 0.0
        # The nearest row of every reference row is itself; the second nearest is its nearest other row.
        gaps = nearest_totals(reference, reference, neighbours=2)[:, 1]
        return float(np.quantile(gaps, self.natural_rate, method="inverted_cdf"))
