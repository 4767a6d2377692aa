"""A1 where many rows are equal by nature: matches count the more, the less a natural twin is to be expected.

An honest release hits many members and as many controls of such a table, and a few copied rows drown in the chance of
these hits. Copies of people whose record is hardly ever met again stand out. How often it is met again is read off the
reference alone, from rows that are as isolated as the target.

Isolated means that many columns differ from those of the nearest rows: a difference of one year makes two records as
unequal as one of forty, so Gower's distance would say little about twins.

Source: A. Wald and J. Neyman's likelihood ratio, E. L. Lehmann and J. P. Romano, Testing Statistical Hypotheses (2005),
section 3.2: where a record matches with chance q, and a share f of the members is copied, a match speaks for copying by
log((q + f (1 - q)) / q).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from dpsynth.attacks.canonical_form import distinct_rows
from dpsynth.attacks.distance import nearest_totals
from dpsynth.attacks.match_excess import MatchExcess
from dpsynth.attacks.records import Records, require_same_columns
from dpsynth.attacks.weighted_excess import LEVELS

_RARE = 0.002
"""Where no larger share of the reference rows has a twin, hardly any match is natural, and all weigh alike."""


@dataclass(frozen=True, slots=True)
class WeightedMatch:
    """Score the weight of a target, with a minus where no released row equals it.

    A target that has an equal row in the reference weighs nothing.

    Attributes:
        neighbours: isolation is the sum of the numbers of columns in which a record differs from so many nearest
            different reference rows.
        copied: share of copied members that the weights are best for: ten rows in two thousand.
        rarest: smallest rate of natural twins that is believed; where fewer were seen, it may be chance.
    """

    neighbours: int = 20
    copied: float = 0.005
    rarest: float = 0.001

    def scores(
        self,
        targets: Records,
        synthetic: Records,
        reference: Records,
        *,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> dict[str, NDArray[np.float64]]:
        """Return one variant, shape (targets,), each between -1 and 1; none where hardly any reference row has a twin.

        There the exact match says the same of everybody.
        """
        del names
        require_same_columns(targets, reference)
        rows, times = distinct_rows(reference)
        if times[times > 1].sum() <= _RARE * len(reference):
            return {}
        hits = MatchExcess().score(targets, synthetic, reference, rng=rng)
        return {"": np.where(hits > 0, 1.0, -1.0) * self._weights(targets, rows, times)}

    def _weights(self, targets: Records, rows: Records, times: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return multiples of one over the number of levels, shape (targets,), at most 1.

        Args:
            targets: people.
            rows: the different reference rows.
            times: how often each occurs, shape (different rows,).
        """
        asked, searched = _by_equality(targets, rows)
        to_others = nearest_totals(searched, searched, neighbours=self.neighbours + 1)[:, 1:].sum(axis=1)
        to_reference = nearest_totals(asked, searched, neighbours=self.neighbours)
        rates = _twin_rates(to_others, times, to_reference.sum(axis=1))
        evidence, most = (
            np.log1p(self.copied * (1 - rate) / rate) for rate in (np.clip(rates, self.rarest, 1.0), self.rarest)
        )
        weights = np.rint(LEVELS * evidence / most) / LEVELS
        return np.where(to_reference[:, 0] > 0, weights, 0.0)


def _twin_rates(
    isolation: NDArray[np.float64], times: NDArray[np.int64], asked: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how often people as isolated as `asked`, shape (targets,), have a natural twin, by rows of the reference.

    The rate falls with isolation, and is otherwise what the rows say: least squares among falling functions.

    Args:
        isolation: of each different reference row from the others, shape (different rows,).
        times: how often each occurs, shape (different rows,).
        asked: isolation of the targets.
    """
    found, places = np.unique(isolation, return_inverse=True)
    everybody = np.bincount(places, weights=times)
    twins = np.bincount(places, weights=np.where(times > 1, times, 0))
    falling = scipy.optimize.isotonic_regression(twins / everybody, weights=everybody, increasing=False).x
    # Between two isolations that occur, the rate of the nearer people: the higher one.
    rates: NDArray[np.float64] = falling[np.maximum(np.searchsorted(found, asked, side="right") - 1, 0)]
    return rates


def _by_equality(targets: Records, rows: Records) -> tuple[Records, Records]:
    """Return both tables with every cell as an unordered code, so that their distance counts columns that differ."""
    together = np.concatenate([targets.values, rows.values])
    codes = np.stack([np.unique(column, return_inverse=True)[1] for column in together.T], axis=1).astype(np.float64)
    unordered = np.zeros(targets.width, dtype=np.bool_)
    return Records(codes[: len(targets)], unordered), Records(codes[len(targets) :], unordered)
