"""Many independent privacy losses, added by one fast Fourier transform.

The masses are tilted by exp(t L) before the transform, so that the part of the sum that decides about delta lies where
the result is largest, and the rounding errors of the transform are small against it. Everything that a transform can
get wrong is bounded and added: its rounding, what lies outside the window, what was cut off before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from dpsynth.accounting.loss_distribution import LossDistribution, grid_points
from dpsynth.accounting.moment_profile import HockeyStick, MomentPart, MomentProfile
from dpsynth.accounting.moments import conversion
from dpsynth.accounting.tilted_sum import ROUNDING, TiltedLoss, masses_of_sum
from dpsynth.accounting.worst_pairs import WorstPairs

LARGEST_GRID = 2**21
"""Most grid points of one distribution or transform; a coarser grid is a sound, less tight answer."""

_RELATIVE_VARIANCE = 2e-5
_SHARE_OF_DEVIATION = 1e-3
_OUTSIDE = 35.0
_SEARCH_STEPS = 14
_CELLS_OF_A_ROUGH_LOOK = 5_000
_TILTS = np.geomspace(1e-3, 1e4, 71)
_RELATIVE_SLACK = 1e-9
_STRETCHES = 6
_FEWEST = 3
_WIDEST = 600.0


@dataclass(frozen=True, slots=True)
class LossComposition:
    """Pairs with their counts in one direction, and a part that is known by its moments.

    Attributes:
        parts: every distribution with its count, on one grid.
        rest: what has no pair; None where there is nothing of the kind.
    """

    parts: Sequence[tuple[LossDistribution, int]]
    rest: MomentPart | None

    @classmethod
    def of(
        cls, worst: WorstPairs, tail: float, *, added: bool, finest: float = math.inf, coarseness: float = 1.0
    ) -> LossComposition:
        """Put the pairs on a grid that is as coarse as the sum of their losses allows, but no coarser than `finest`.

        Splitting a mass between grid points adds at most spacing^2 / 4, on average spacing^2 / 6, to the variance of
        one loss; the spacing keeps the sum of these below 2e-5 of the sum of the variances. It is at most a thousandth
        of the standard deviation of the sum, because the law of few losses may have corners. It is `coarseness` times
        that where a rough answer will do.
        """
        pairs = worst.pairs.items()
        count = sum(times for _, times in pairs)
        variance = sum(times * pair.variance() for pair, times in pairs)
        widest = max(pair.width(tail) for pair, _ in pairs)
        wanted = min(finest, math.sqrt(variance * min(6 * _RELATIVE_VARIANCE / count, _SHARE_OF_DEVIATION**2)))
        spacing = max(coarseness * wanted, 2 * widest / LARGEST_GRID, 1e-12)
        return cls([(pair.on_grid(spacing, tail, added=added), times) for pair, times in pairs], worst.rest)

    def epsilon(self, delta: float) -> float:
        """Return the smallest epsilon whose delta is no larger than `delta`."""
        rough = RoughMoments(self)
        tilt = _best(lambda t: (rough.log_bound(t) - math.log(delta)) / t)
        return SumOfLosses.of(self, tilt, rough).epsilon(delta)

    def delta(self, epsilon: float) -> float:
        """Return an upper bound of delta at `epsilon`."""
        rough = RoughMoments(self)
        tilt = _best(lambda t: rough.log_bound(t) - t * epsilon)
        return SumOfLosses.of(self, tilt, rough).delta(epsilon)

    def deltas(self, epsilons: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return upper bounds of delta at `epsilons`, which ascend; each stretch of them with a tilt of its own."""
        rough = RoughMoments(self)
        bounds = np.array([rough.log_bound(tilt) for tilt in _TILTS])
        found = []
        for stretch in np.array_split(epsilons, min(_STRETCHES, len(epsilons))):
            # The best tilt for the smallest epsilon is good above it, too; below it, it would be useless.
            tilt = float(_TILTS[np.argmin(bounds - _TILTS * stretch[0])])
            found.append(SumOfLosses.of(self, tilt, rough).deltas(stretch))
        return np.concatenate(found)

    def coarser(self, factor: float) -> LossComposition:
        """Return the same composition on a grid with `factor` times the spacing."""
        return LossComposition([(part.coarser(factor), times) for part, times in self.parts], self.rest)

    def log_moment_of_parts(self, exponent: float) -> float:
        """Return log E[exp(exponent * L)] of the sum of the losses that have a pair, rounded up."""
        return sum(times * (part.log_moment(exponent) + 2 * ROUNDING) for part, times in self.parts)

    def log_moment_of_rest(self, exponent: float) -> float:
        """Return the bound on the logarithm of the moment of the part without a pair."""
        return 0.0 if self.rest is None else float(self.rest.log_moments(np.array([exponent]))[0])

    def log_moment(self, exponent: float) -> float:
        """Return the logarithm of the moment of everything."""
        return self.log_moment_of_parts(exponent) + self.log_moment_of_rest(exponent)


class RoughMoments:
    """Moments of a sum on a coarse grid, quickly: they choose tilts and windows, and no result rests on them."""

    __slots__ = ("_counts", "_log_mass", "_losses", "_rest", "_starts")

    def __init__(self, composition: LossComposition) -> None:
        """Put `composition` on so coarse a grid that it has some thousand cells in all."""
        cells = sum(len(part.mass) for part, _ in composition.parts)
        coarse = composition.coarser(cells / _CELLS_OF_A_ROUGH_LOOK) if cells > _CELLS_OF_A_ROUGH_LOOK else composition
        with np.errstate(divide="ignore"):
            self._log_mass = np.log(np.concatenate([part.mass for part, _ in coarse.parts]))
        self._losses = np.concatenate([part.losses() for part, _ in coarse.parts])
        self._starts = np.cumsum([0, *(len(part.mass) for part, _ in coarse.parts[:-1])])
        self._counts = np.array([float(times) for _, times in coarse.parts])
        self._rest = composition.log_moment_of_rest

    def log_moment_of_parts(self, exponent: float) -> float:
        """Return roughly log E[exp(exponent * L)] of the sum of the losses that have a pair."""
        return float(self._counts @ self._tilted(exponent)[0])

    def log_bound(self, exponent: float) -> float:
        """Return roughly the logarithm of the moment bound on delta at epsilon 0."""
        conversions = float(conversion(np.array([exponent]))[0])
        return self.log_moment_of_parts(exponent) + self._rest(exponent) + conversions

    def variance(self, exponent: float) -> float:
        """Return roughly the variance of the tilted sum."""
        weights = self._tilted(exponent)[1]
        means, squares = (np.add.reduceat(weights * self._losses**power, self._starts) for power in (1, 2))
        return float(self._counts @ np.maximum(squares - means**2, 0.0))

    def _tilted(self, exponent: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        weights = self._log_mass + exponent * self._losses
        largest = np.maximum.reduceat(weights, self._starts)
        lengths = np.diff(self._starts, append=len(weights))
        scaled = np.exp(weights - np.repeat(largest, lengths))
        totals = np.add.reduceat(scaled, self._starts)
        return largest + np.log(totals), scaled / np.repeat(totals, lengths)


@dataclass(frozen=True, slots=True)
class SumOfLosses:
    """The law of a sum, tilted, on a window of a grid.

    Attributes:
        tilt: the exponent t.
        log_moment: log E[exp(t L)] of the sum over the finite losses.
        losses: float array, the grid points of the window.
        mass: float array, tilted masses at `losses`, each rounded up.
        whole: logarithm of the moment bound on delta at epsilon 0; the rest of the line adds a tiny part of it.
        at_infinity: bound on the probability that some loss is infinite or was cut off.
        profile: bound on what the part without a pair adds.
    """

    tilt: float
    log_moment: float
    losses: NDArray[np.float64]
    mass: NDArray[np.float64]
    whole: float
    at_infinity: float
    profile: MomentProfile | HockeyStick

    @classmethod
    def of(cls, composition: LossComposition, tilt: float, rough: RoughMoments | None = None) -> SumOfLosses:
        """Add the losses of `composition`, tilted by `tilt`; `rough` moments of it tell how wide the sum is."""
        rough = rough or RoughMoments(composition)
        tilted = [(*part.tilted(tilt), part.first, times) for part, times in composition.parts]
        here = sum(times * (log_moment + 2 * ROUNDING) for log_moment, _, _, times in tilted)
        lowest, highest = _window(composition, tilt, here, rough)
        spacing = composition.parts[0][0].spacing
        if (size := (highest - lowest) / spacing) > LARGEST_GRID:
            return cls.of(composition.coarser(1.01 * size / LARGEST_GRID), tilt, rough)
        start = math.floor(lowest / spacing)
        losses = [TiltedLoss(first, weights, times) for _, weights, first, times in tilted]
        mass = masses_of_sum(losses, start, math.ceil(size) + 16)
        alive = sum(times * math.log1p(-min(part.at_infinity, 1 - ROUNDING)) for part, times in composition.parts)
        return cls(
            tilt=tilt,
            log_moment=here,
            losses=grid_points(start, start + len(mass), spacing),
            mass=mass,
            whole=here + composition.log_moment_of_rest(tilt) + float(conversion(np.array([tilt]))[0]),
            at_infinity=-math.expm1(alive),
            profile=HockeyStick() if composition.rest is None else MomentProfile(composition.rest),
        )

    def delta(self, epsilon: float) -> float:
        """Return an upper bound of delta at `epsilon`."""
        # Losses below epsilon matter only where something without a pair comes on top.
        first = int(np.searchsorted(self.losses, epsilon)) if isinstance(self.profile, HockeyStick) else 0
        losses = self.losses[first:]
        log_rest = self.profile.log_delta(epsilon - losses)
        with np.errstate(over="ignore"):
            terms = self.mass[first:] * np.exp(self.log_moment - self.tilt * losses + log_rest)
        outside = math.exp(min(0.0, self.whole - self.tilt * epsilon + math.log(2) - _OUTSIDE))
        return min(1.0, (float(np.sum(terms)) + outside + self.at_infinity) * (1 + _RELATIVE_SLACK))

    def deltas(self, epsilons: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return upper bounds of delta at `epsilons`, which ascend.

        With q_k the sum of m_j e^(l_k - l_j) over the losses l_j above l_k, delta at l_k is the sum of
        (e^spacing - 1) q_i over i >= k: nothing is subtracted. Between two losses delta lies on a chord in e^epsilon.
        """
        first = max(0, int(np.searchsorted(self.losses, epsilons[0], side="right")) - 1)
        losses = self.losses[first:]
        if not isinstance(self.profile, HockeyStick) or len(losses) < _FEWEST or losses[-1] - losses[0] > _WIDEST:
            return np.array([self.delta(float(epsilon)) for epsilon in epsilons])
        spacing, above = float(losses[1] - losses[0]), losses - losses[0]
        with np.errstate(divide="ignore", over="ignore"):
            other = np.exp(np.log(self.mass[first:]) + self.log_moment - self.tilt * losses - above)
        below = np.append(np.cumsum(other[:0:-1])[::-1], 0.0) * np.exp(above)
        inside = math.expm1(spacing) * np.cumsum(below[::-1])[::-1]
        ratios = np.append(0.0, np.exp(above))
        whole = float(np.sum(other * np.exp(above)))
        chord = np.interp(np.exp(epsilons - losses[0]), ratios, np.append(whole, inside))
        outside = np.exp(np.minimum(0.0, self.whole - self.tilt * epsilons + math.log(2) - _OUTSIDE))
        found: NDArray[np.float64] = (chord + outside + self.at_infinity) * (1 + _RELATIVE_SLACK)
        return np.minimum(1.0, found)

    def epsilon(self, delta: float) -> float:
        """Return the smallest epsilon whose delta is no larger than `delta`; infinity where there is none."""
        if self.delta(0.0) <= delta:
            return 0.0
        if self.at_infinity * (1 + _RELATIVE_SLACK) >= delta:
            return math.inf
        most = max((self.whole - math.log(delta)) / self.tilt, 1e-12)
        for _ in range(60):
            if self.delta(most) <= delta:
                break
            most *= 1.5
        else:
            return math.inf
        step = 1e-10 * most
        root = brentq(lambda at: math.log(max(self.delta(at), 1e-320) / delta), 0.0, most, xtol=step, rtol=1e-10)
        while self.delta(root) > delta:
            root, step = root + step, 2 * step
        return float(root)


def _best(bound: Callable[[float], float]) -> float:
    """Return roughly the best exponent by a golden-section search; any exponent is sound."""
    least, most = math.log(1e-4), math.log(1e7)
    golden = (math.sqrt(5) - 1) / 2
    inner = [most - golden * (most - least), least + golden * (most - least)]
    values = [bound(math.exp(place)) for place in inner]
    for _ in range(_SEARCH_STEPS):
        if values[0] <= values[1]:
            most, inner[1], values[1] = inner[1], inner[0], values[0]
            inner[0] = most - golden * (most - least)
            values[0] = bound(math.exp(inner[0]))
        else:
            least, inner[0], values[0] = inner[0], inner[1], values[1]
            inner[1] = least + golden * (most - least)
            values[1] = bound(math.exp(inner[1]))
    return math.exp((least + most) / 2)


def _window(composition: LossComposition, tilt: float, here: float, rough: RoughMoments) -> tuple[float, float]:
    """Return an interval outside of which the tilted sum has mass below 2 exp(-_OUTSIDE), by Chernoff's bound.

    Every step of the exponent gives a valid end. The best is chosen by rough moments, and computed by the fine ones, of
    which `here` is that at the tilt.
    """
    natural = math.sqrt(2 * _OUTSIDE / max(rough.variance(tilt), composition.parts[0][0].spacing ** 2))
    # Where the law is skewed, as that of rarely sampled Gaussians, the best step is far below the natural one.
    steps = [natural * 2.0**power for power in (-8, -5, -2, 0, 1)]
    roughly = rough.log_moment_of_parts(tilt)

    def distance(step: float) -> float:
        return (rough.log_moment_of_parts(tilt + step) - roughly + _OUTSIDE) / abs(step)

    up, down = min(steps, key=distance), -min(steps, key=lambda step: distance(-step))
    lowest, highest = ((composition.log_moment_of_parts(tilt + step) - here + _OUTSIDE) / step for step in (down, up))
    return lowest, highest
