"""A column whose codes are merged into groups while the model is fitted, and told apart again in the records."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput
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

    Args:
        counts: noisy counts of the codes, shape (codes,).
        stddev: standard deviation of their noise.
        groups: group of each code, shape (codes,).
        totals: estimated number of records of each group, shape (groups,).
        ordered: whether neighbouring codes are alike; see `steps_that_stand_out`, else `shrunk_to_mean`.

    Privacy: post-processing of released counts.
    """
    halvings = float(np.log2(len(totals)))  # the groups stand for so many, which were not asked about
    shares = np.ones(len(counts))
    order = np.argsort(groups, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        if len(members) == 1:
            continue
        inside = counts[members]
        deviations = steps_that_stand_out(inside, stddev, halvings) if ordered else shrunk_to_mean(inside, stddev)
        mean = max(float(totals[groups[members[0]]]), 0.0) / len(members)
        estimate = np.maximum(mean + deviations, 0.0)
        total = float(estimate.sum())
        shares[members] = estimate / total if total > 0 else 1.0 / len(members)
    return shares


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


def steps_that_stand_out(counts: Floats, stddev: float, halvings: float = 0.0) -> Floats:
    """Return deviations from the mean that are made of those Haar steps which the noise does not explain.

    The sequence is halved over and over. At the n-th halving there are up to 2^n differences between the means of two
    halves; one is kept where it exceeds sqrt(2 log 2^n) of its standard deviations, which as many draws of pure noise
    hardly do, and counts as none elsewhere. Spikes survive at their full height, and runs of noise come out flat.

    Args:
        counts: noisy counts of neighbours, shape (codes,).
        stddev: standard deviation of their noise.
        halvings: how often a longer sequence was halved to give this one.

    Source: Donoho and Johnstone 1994, "Ideal spatial adaptation by wavelet shrinkage", with one threshold per level;
    unbalanced Haar steps.
    """
    deviations = np.zeros(len(counts))
    waiting = [(halvings, 0, len(counts))]
    sums = np.concatenate([[0.0], np.cumsum(counts)])
    while waiting:
        level, start, stop = waiting.pop()
        if stop - start < 2:
            continue
        middle = (start + stop) // 2
        left, right = middle - start, stop - middle
        step = (sums[middle] - sums[start]) / left - (sums[stop] - sums[middle]) / right
        if abs(step) > stddev * np.sqrt(2 * level * np.log(2) * (1 / left + 1 / right)):
            deviations[start:middle] += step * right / (left + right)
            deviations[middle:stop] -= step * left / (left + right)
        waiting += [(level + 1, start, middle), (level + 1, middle, stop)]
    return deviations
