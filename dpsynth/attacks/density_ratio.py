"""A3: is the synthetic table denser around this record than the population is?

Densities are compared through the distance to the k-th nearest row, through the rows inside a fixed radius, and through
the nearest rows of both tables together. Several k, because a copy is seen at the first neighbour and a blurred copy at
a later one. Tables of different size are compared as if the smaller one were repeated until it is as large.

Source: B. van Breugel et al., DOMIAS, AISTATS 2023 (arXiv 2302.12580), equation 4, with nearest-neighbour densities;
B. Hilprecht et al., Monte Carlo and Reconstruction Membership Inference Attacks, PoPETs 2019, section 3.1; J. Ward et
al., Data Plagiarism Index (arXiv 2406.13012), section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.distance import OFFSET, counts_within, nearest_totals
from dpsynth.attacks.records import Records

RADIUS = "rows within the median gap"
"""Label of the share of synthetic rows in a fixed radius."""


@dataclass(frozen=True, slots=True)
class DensityRatio:
    """Scores by three estimates of the density of the synthetic table, two of them relative to the reference.

    Attributes:
        neighbours: each k gives one score: log d_k(x, reference) minus log d_k(x, synthetic).
        plagiarism_neighbours: rows of both tables among which the share of synthetic rows is taken.
    """

    neighbours: tuple[int, ...] = (5, 20)
    plagiarism_neighbours: int = 20

    def scores(
        self,
        targets: Records,
        synthetic: Records,
        reference: Records,
        *,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> dict[str, NDArray[np.float64]]:
        """Return the scores by label, each of shape (targets,)."""
        del names, rng
        most = max(*self.neighbours, self.plagiarism_neighbours)
        to_synthetic = nearest_totals(targets, synthetic, neighbours=most)
        to_reference = nearest_totals(targets, reference, neighbours=most)
        sizes = max(len(synthetic), 1), max(len(reference), 1)
        found = {}
        for k in self.neighbours:
            # The k-th row of a table of which each row is repeated.
            ranks = [-(-k * size // max(sizes)) for size in sizes]
            found[f"{k} neighbours"] = _log_at(to_reference, ranks[1]) - _log_at(to_synthetic, ranks[0])
        found[RADIUS] = _share_within(targets, synthetic, to_synthetic, _median_gap(reference))
        label = f"share of {self.plagiarism_neighbours} neighbours"
        found[label] = _synthetic_share(to_synthetic, to_reference, sizes, self.plagiarism_neighbours)
        return found


def _log_at(totals: NDArray[np.float64], rank: int) -> NDArray[np.float64]:
    """Return the log distance to the row of a rank from 1, shape (targets,)."""
    logs: NDArray[np.float64] = np.log(totals[:, rank - 1] + OFFSET)
    return logs


def _median_gap(reference: Records) -> float:
    """Return the median distance from a reference row to its nearest other reference row."""
    if len(reference) < 2:
        return 0.0
    gaps = nearest_totals(reference, reference, neighbours=2)[:, 1]
    return float(np.quantile(gaps, 0.5, method="inverted_cdf"))


def _share_within(
    targets: Records, synthetic: Records, to_synthetic: NDArray[np.float64], radius: float
) -> NDArray[np.float64]:
    """Return the share of synthetic rows within a radius; the known neighbours answer for all but crowded places."""
    counts = (to_synthetic <= radius).sum(axis=1)
    crowded = np.flatnonzero(to_synthetic[:, -1] <= radius)
    if crowded.size:
        counts[crowded] = counts_within(targets.take(crowded), synthetic, total=radius)
    share: NDArray[np.float64] = np.minimum(counts, len(synthetic)) / max(len(synthetic), 1)
    return share


def _synthetic_share(
    to_synthetic: NDArray[np.float64], to_reference: NDArray[np.float64], sizes: tuple[int, int], neighbours: int
) -> NDArray[np.float64]:
    """Return the share of synthetic rows among the nearest rows of both tables; ties at the last place all count."""
    totals = np.concatenate([to_synthetic, to_reference], axis=1)
    # Each table counts as often as the other is long, so both count alike, in integers.
    weights = np.repeat(sizes[::-1], [to_synthetic.shape[1], to_reference.shape[1]])
    order = np.argsort(totals, axis=1, kind="stable")
    enough = (np.cumsum(weights[order], axis=1) >= neighbours * min(sizes)).argmax(axis=1)
    radius = np.take_along_axis(totals, np.take_along_axis(order, enough[:, None], axis=1), axis=1)
    near_synthetic = sizes[1] * (to_synthetic <= radius).sum(axis=1)
    near_reference = sizes[0] * (to_reference <= radius).sum(axis=1)
    share: NDArray[np.float64] = near_synthetic / (near_synthetic + near_reference)
    return share
