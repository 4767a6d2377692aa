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
from scipy.fft import irfft, next_fast_len, rfft
from scipy.optimize import brentq

from dpsynth.accounting.loss_distribution import LossDistribution, grid_points
from dpsynth.accounting.moment_profile import HockeyStick, MomentPart, MomentProfile
from dpsynth.accounting.moments import conversion
from dpsynth.accounting.worst_pairs import WorstPairs

LARGEST_GRID = 2**21
"""Most grid points of one distribution or transform; a coarser grid is a sound, less tight answer."""

_RELATIVE_VARIANCE = 2e-5
_SHARE_OF_DEVIATION = 1e-3
_OUTSIDE = 35.0
_ROUNDING = 2.0**-50
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
    def of(cls, worst: WorstPairs, tail: float, *, added: bool, finest: float = math.inf) -> LossComposition:
        """Put the pairs on a grid that is as coarse as the sum of their losses allows, but no coarser than `finest`.

        Splitting a mass between grid points adds at most spacing^2 / 4, on average spacing^2 / 6, to the variance of
        one loss; the spacing keeps the sum of these below 2e-5 of the sum of the variances. It is at most a thousandth
        of the standard deviation of the sum, because the law of few losses may have corners.
        """
        pairs = worst.pairs.items()
        count = sum(times for _, times in pairs)
        variance = sum(times * pair.variance() for pair, times in pairs)
        widest = max(pair.width(tail) for pair, _ in pairs)
        wanted = min(finest, math.sqrt(variance * min(6 * _RELATIVE_VARIANCE / count, _SHARE_OF_DEVIATION**2)))
        spacing = max(wanted, 2 * widest / LARGEST_GRID, 1e-12)
        return cls([(pair.on_grid(spacing, tail, added=added), times) for pair, times in pairs], worst.rest)

    def epsilon(self, delta: float) -> float:
        """Return the smallest epsilon whose delta is no larger than `delta`."""
        rough = self._rough()
        tilt = _best(lambda t: (rough.log_bound(t) - math.log(delta)) / t)
        return SumOfLosses.of(self, tilt, rough).epsilon(delta)

    def delta(self, epsilon: float) -> float:
        """Return an upper bound of delta at `epsilon`."""
        rough = self._rough()
        tilt = _best(lambda t: rough.log_bound(t) - t * epsilon)
        return SumOfLosses.of(self, tilt, rough).delta(epsilon)

    def deltas(self, epsilons: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return upper bounds of delta at `epsilons`, which ascend; each stretch of them with a tilt of its own."""
        rough = self._rough()
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
        return sum(times * (part.log_moment(exponent) + 2 * _ROUNDING) for part, times in self.parts)

    def log_moment_of_rest(self, exponent: float) -> float:
        """Return the bound on the logarithm of the moment of the part without a pair."""
        return 0.0 if self.rest is None else float(self.rest.log_moments(np.array([exponent]))[0])

    def log_moment(self, exponent: float) -> float:
        """Return the logarithm of the moment of everything."""
        return self.log_moment_of_parts(exponent) + self.log_moment_of_rest(exponent)

    def log_bound(self, exponent: float) -> float:
        """Return the logarithm of the moment bound on delta at epsilon 0."""
        return self.log_moment(exponent) + float(conversion(np.array([exponent]))[0])

    def _rough(self) -> LossComposition:
        cells = sum(len(part.mass) for part, _ in self.parts)
        return self.coarser(cells / _CELLS_OF_A_ROUGH_LOOK) if cells > _CELLS_OF_A_ROUGH_LOOK else self


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
    def of(cls, composition: LossComposition, tilt: float, rough: LossComposition | None = None) -> SumOfLosses:
        """Add the losses of `composition`, tilted by `tilt`; a `rough` version of it tells how wide the sum is."""
        lowest, highest = _window(composition, tilt, rough or composition)
        spacing = composition.parts[0][0].spacing
        if (size := (highest - lowest) / spacing) > LARGEST_GRID:
            return cls.of(composition.coarser(1.01 * size / LARGEST_GRID), tilt, rough)
        start, mass = _added(composition.parts, tilt, math.floor(lowest / spacing), math.ceil(size) + 16)
        alive = sum(times * math.log1p(-min(part.at_infinity, 1 - _ROUNDING)) for part, times in composition.parts)
        return cls(
            tilt=tilt,
            log_moment=composition.log_moment_of_parts(tilt),
            losses=grid_points(start, start + len(mass), spacing),
            mass=mass,
            whole=composition.log_bound(tilt),
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


def _window(composition: LossComposition, tilt: float, rough: LossComposition) -> tuple[float, float]:
    """Return an interval outside of which the tilted sum has mass below 2 exp(-_OUTSIDE), by Chernoff's bound.

    Every step of the exponent gives a valid end. The best is chosen by the rough version, and computed by the fine one.
    """
    variance = 0.0
    for part, times in rough.parts:
        losses, weights = part.losses(), part.tilted(tilt)[1]
        mean = float(weights @ losses)
        variance += times * float(weights @ (losses - mean) ** 2)
    natural = math.sqrt(2 * _OUTSIDE / max(variance, composition.parts[0][0].spacing ** 2))
    # Where the law is skewed, as that of rarely sampled Gaussians, the best step is far below the natural one.
    steps = [natural * 2.0**power for power in (-8, -5, -2, 0, 1)]
    here = {id(law): law.log_moment_of_parts(tilt) for law in (rough, composition)}

    def distance(law: LossComposition, step: float) -> float:
        return (law.log_moment_of_parts(tilt + step) - here[id(law)] + _OUTSIDE) / abs(step)

    up = min(steps, key=lambda step: distance(rough, step))
    down = min(steps, key=lambda step: distance(rough, -step))
    return -distance(composition, -down), distance(composition, up)


def _added(
    parts: Sequence[tuple[LossDistribution, int]], tilt: float, lowest: int, least_size: int
) -> tuple[int, NDArray[np.float64]]:
    """Return the first index of the window, and the tilted masses of the sum on it, each rounded up.

    What falls outside the window wraps around into it, which only adds mass. A transform of length n is off by at most
    8 log2(n) units of rounding in Euclidean norm (Higham, "Accuracy and Stability of Numerical Algorithms", theorem
    24.2); what that does to a product of powers is bounded frequency by frequency.
    """
    size = int(next_fast_len(least_size, real=True))
    noise = _ROUNDING * math.log2(size)
    centre, count = 0, 0
    product: NDArray[np.complex128] = np.ones(size // 2 + 1, dtype=np.complex128)
    log_bound = np.zeros(size // 2 + 1)
    for part, times in parts:
        weights = part.tilted(tilt)[1]
        middle = round(float(weights @ np.arange(len(weights))))
        place = (np.arange(len(weights)) - middle) % size
        frequencies = rfft(np.bincount(place, weights, size))
        product *= frequencies ** float(times)
        log_bound += times * np.log(np.abs(frequencies) + noise)
        centre, count = centre + times * (part.first + middle), count + times
    absolute = np.abs(product)
    excess = 2 * float(np.sum(np.exp(log_bound) - absolute * (1 - _ROUNDING * count))) / size
    inverse = noise * math.sqrt(2 * float(np.sum(absolute**2)) / size)
    masses = np.roll(irfft(product, size), -((lowest - centre) % size))
    return lowest, np.maximum(masses, 0.0) + max(excess, 0.0) + inverse
