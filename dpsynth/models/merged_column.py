"""A column whose codes are merged into groups while the model is fitted, and told apart again in the records."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput
from dpsynth.models.denoising import denoised
from dpsynth.models.factor import Floats

_JUST_BELOW_ONE = 1.0 - 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class MergedColumn:
    """The groups of a column's codes, and how often each code occurs within its group.

    Attributes:
        groups: group of each code, shape (codes,), numbers 0 to k - 1, each used.
        shares: share of each code in its group, shape (codes,); the shares of every group sum to 1.

    Given the group, the code is independent of all other columns: the distribution of largest entropy among those that
    fit a model over groups and the noisy counts of single codes.
    """

    groups: NDArray[np.int64]
    shares: Floats

    def __post_init__(self) -> None:
        """Refuse shares that are no conditional distribution."""
        sums = np.bincount(self.groups, weights=self.shares)
        if self.groups.shape != self.shares.shape or (self.shares < 0).any() or not np.allclose(sums, 1.0):
            raise InvalidInput("the shares of the codes of every group must not be negative and must sum to 1")

    @property
    def size(self) -> int:
        """The number of groups."""
        return int(self.groups.max()) + 1

    def chances(self, allowed: NDArray[np.bool_]) -> Floats:
        """Return the chance of an allowed code in each group, shape (groups,), from `allowed`, shape (codes,)."""
        return np.bincount(self.groups, weights=self.shares * allowed, minlength=self.size).astype(np.float64)

    def restricted(self, allowed: NDArray[np.bool_]) -> MergedColumn:
        """Return the column given that its code is allowed; groups in which none has a chance stay as they are."""
        chance = self.chances(allowed)[self.groups]
        kept = np.divide(self.shares * allowed, chance, out=self.shares.copy(), where=chance > 0)
        return MergedColumn(self.groups, kept)

    def draw(self, groups: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.int32]:
        """Return one code per group, drawn by the shares.

        The codes of each group occur as often as expected, rounded down or up (systematic sampling), in random order.

        Args:
            groups: groups of records, shape (records,).
            rng: public randomness.

        Source: Madow (1949), systematic sampling with unequal probabilities.
        """
        order = rng.permutation(len(groups))
        order = order[np.argsort(groups[order], kind="stable")]
        sizes = np.bincount(groups, minlength=self.size)
        rank = np.arange(len(groups)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        start = rng.random(self.size)
        sorted_groups = groups[order]
        place = (rank + start[sorted_groups]) / np.maximum(sizes, 1)[sorted_groups]
        codes = np.empty(len(groups), dtype=np.int32)
        codes[order] = self._code_at(sorted_groups, place)
        return codes

    def _code_at(self, groups: NDArray[np.integer], place: Floats) -> NDArray[np.int64]:
        """Return the code that stands at `place`, in [0, 1), of each group's cumulative shares."""
        by_group = np.argsort(self.groups, kind="stable")
        first = np.flatnonzero(np.diff(self.groups[by_group], prepend=-1))
        reached = np.cumsum(self.shares[by_group])
        before = reached[first] - self.shares[by_group][first]
        # Cumulative within each group, so that rounding does not add up over groups; each group fills [g, g + 1].
        widths = np.diff(first, append=len(by_group))
        filled = (reached - np.repeat(before, widths)) + self.groups[by_group]
        wanted = groups + np.minimum(place, _JUST_BELOW_ONE)
        found = np.searchsorted(filled, wanted, side="right")
        chosen: NDArray[np.int64] = by_group[np.minimum(found, len(by_group) - 1)]
        return chosen


def shares_within(counts: Floats, stddev: float, groups: NDArray[np.int64], totals: Floats, *, ordered: bool) -> Floats:
    """Return the share of each code in its group, estimated from noisy counts with the noise smoothed away.

    What a group holds beyond the estimates of its codes is spread evenly over them.

    Args:
        counts: noisy counts of the codes, shape (codes,).
        stddev: standard deviation of their noise.
        groups: group of each code, shape (codes,).
        totals: estimated number of records of each group, shape (groups,).
        ordered: whether neighbouring codes are alike; then they are `denoised`, else `shrunk_to_mean`.

    Privacy: post-processing of released counts.
    """
    sizes = np.bincount(groups)
    together = np.flatnonzero(sizes[groups] > 1)
    estimate = np.zeros(len(counts))
    if ordered:
        estimate[together] = denoised(counts[together], stddev, sparse=True)
    else:
        for group in np.flatnonzero(sizes > 1):
            members = groups == group
            estimate[members] = max(totals[group], 0.0) / sizes[group] + shrunk_to_mean(counts[members], stddev)
    np.maximum(estimate, 0.0, out=estimate)
    unexplained = np.maximum(totals - np.bincount(groups, weights=estimate), 0.0) / sizes
    estimate += unexplained[groups]
    sums = np.bincount(groups, weights=estimate)[groups]
    return np.divide(estimate, sums, out=1.0 / sizes[groups], where=sums > 0)


def shrunk_to_mean(counts: Floats, stddev: float) -> Floats:
    """Return deviations from the mean, shrunk by the part of their variance that the noise explains.

    Source: Efron and Morris 1973 (empirical Bayes form of James and Stein's estimator).
    """
    deviations: Floats = counts - counts.mean()
    observed = float(deviations @ deviations) / max(len(counts) - 1, 1)
    if observed <= 0:
        return deviations
    shrunk: Floats = deviations * max(0.0, 1.0 - stddev * stddev / observed)
    return shrunk
