"""A second opinion on privacy losses, by another method: laws rounded to the nearest grid point, with their means kept.

`pld` is pessimistic and decides; this module shares none of its laws, grids or transforms and only looks for mistakes.
Its errors go both ways, so it states an interval. `docs/design/accounting.md` derives it.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.optimize import brentq

from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DiscreteGaussianDpEvent,
    DiscreteLaplaceDpEvent,
    DpEvent,
    ExponentialDpEvent,
    GaussianCoverDpEvent,
    GaussianDpEvent,
    GdpEvent,
    LaplaceDpEvent,
    NoOpDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
)
from dpsynth.accounting.loss_laws import (
    BoundedRangeLaw,
    GaussianLaw,
    IntegerGaussianLaw,
    IntegerLaplaceLaw,
    LaplaceLaw,
    Law,
    ResponseLaw,
    SampledGaussianLaw,
)
from dpsynth.errors import InvalidBudget, InvalidInput

_SHARE = 1e-3
_ERROR = 5e-3  # of the standard deviation of the sum
_LARGEST_GRID = 2**20
_MOST_KINDS = 100
_MOST_STEPS = 10**7
_MOST_OUTCOMES = 10**6
_FEW = 3
_UNIT = 4e-16
_SMALLEST_DELTA = 1e-13
_STEPS_OF_CHERNOFF = 2.0 ** np.arange(-8.0, 3.0, 2.0)


@dataclass(frozen=True, slots=True)
class AuditedEpsilon:
    """What an audit finds for a list of events at one delta.

    Attributes:
        lowest: no right accountant is below it; 0 where the law that was used may be too pessimistic.
        epsilon: the best guess, rounded neither up nor down.
        highest: never below the true value.
    """

    lowest: float
    epsilon: float
    highest: float


def audit_epsilon(event: DpEvent, delta: Decimal | Fraction | float) -> AuditedEpsilon:
    """Return an interval for the epsilon of `event` at `delta`, each parameter of it fixed in advance.

    Raises:
        InvalidBudget: `delta` is not between 1e-13 and 1.
        InvalidInput: some part of `event` has no law of its losses, or there are too many of them.

    Source:
        Gopi, Lee, Wutschitz, "Numerical Composition of Differential Privacy" (2021), section 4, with Hoeffding's
        inequality for the sum of the errors of rounding.
    """
    if not _SMALLEST_DELTA <= delta < 1:
        raise InvalidBudget("an audit needs a delta between 1e-13 and 1")
    found: Counter[DpEvent] = Counter()
    _collect(event, 1, found)
    kinds = sum(not isinstance(part, (GaussianDpEvent, GdpEvent)) for part in found)
    if kinds > _MOST_KINDS or sum(found.values()) > _MOST_STEPS:
        raise InvalidInput(f"an audit takes at most {_MOST_KINDS} kinds of events and {_MOST_STEPS} of them in all")
    ranges = [part for part in found if isinstance(part, ExponentialDpEvent)]
    both = [
        _audited(found, float(delta), as_gaussian=as_gaussian)
        for as_gaussian in ((False, True) if ranges else (False,))
    ]
    best = min(both, key=lambda audited: audited.highest)
    return AuditedEpsilon(0.0, best.epsilon, best.highest) if ranges else best


def _collect(event: DpEvent, count: int, found: Counter[DpEvent]) -> None:
    match event:
        case ComposedDpEvent(parts):
            for part in parts:
                _collect(part, count, found)
        case SelfComposedDpEvent(inner, times):
            _collect(inner, count * times, found)
        case GaussianCoverDpEvent(inner) | PoissonSampledDpEvent(1.0, inner):
            _collect(inner, count, found)
        case NoOpDpEvent() | PoissonSampledDpEvent(0.0):
            pass
        case _ if count:
            found[event] += count


def _laws(  # noqa: C901  one arm per kind of event
    found: Counter[DpEvent], *, added: bool, as_gaussian: bool
) -> list[tuple[Law, int]]:
    """Return the law of the loss of each kind of event with its count; all normal ones are one."""
    laws: list[tuple[Law, int]] = []
    squared_mu: list[float] = []
    for event, count in found.items():
        match event:
            case GaussianDpEvent(noise_multiplier):
                squared_mu.append(count / noise_multiplier**2)
            case GdpEvent(mu_squared):
                squared_mu.append(count * float(mu_squared))
            case ExponentialDpEvent(epsilon) if as_gaussian and cost_of(event).mu_squared is not None:
                squared_mu.append(count * float(cost_of(event).mu_squared or 0))
            case ExponentialDpEvent(epsilon) if epsilon:
                laws.append((BoundedRangeLaw(float(epsilon)), count))
            case LaplaceDpEvent(noise_multiplier):
                laws.append((LaplaceLaw(1 / noise_multiplier), count))
            case DiscreteLaplaceDpEvent(scale, sensitivity) if sensitivity <= _MOST_OUTCOMES:
                laws.append((IntegerLaplaceLaw(float(scale), sensitivity), count))
            case DiscreteGaussianDpEvent(variance, squared) if squared <= _FEW and variance <= _MOST_OUTCOMES:
                laws.append((IntegerGaussianLaw(float(variance)), count * squared))
            case ApproximateDpEvent(epsilon, failure):
                laws.append((ResponseLaw(float(epsilon), float(failure)), count))
            case PoissonSampledDpEvent(probability, GaussianDpEvent(noise_multiplier)):
                laws.append((SampledGaussianLaw(probability, noise_multiplier, added), count))
            case PoissonSampledDpEvent() if (amplified := cost_of(event)).epsilon is not None:
                laws.append((ResponseLaw(float(amplified.epsilon), float(amplified.delta)), count))
            case _:
                raise InvalidInput(f"an audit knows no law of the losses of a {type(event).__name__}")
    if squared_mu:
        laws.append((GaussianLaw(math.sqrt(math.fsum(squared_mu))), 1))
    return [(law, count) for law, count in laws if count and law.deviation() > 0]


def _audited(found: Counter[DpEvent], delta: float, *, as_gaussian: bool) -> AuditedEpsilon:
    directions = (False, True) if any(isinstance(part, PoissonSampledDpEvent) for part in found) else (False,)
    results = [_one_direction(_laws(found, added=added, as_gaussian=as_gaussian), delta) for added in directions]
    return AuditedEpsilon(
        max(result.lowest for result in results),
        max(result.epsilon for result in results),
        max(result.highest for result in results),
    )


def _one_direction(laws: list[tuple[Law, int]], delta: float) -> AuditedEpsilon:
    if not laws:
        return AuditedEpsilon(0.0, 0.0, 0.0)
    steps, share = sum(count for _, count in laws), _SHARE * delta
    deviation = math.sqrt(sum(count * law.deviation() ** 2 for law, count in laws))
    spread = math.sqrt(steps / 2 * math.log(2 / share))
    tail = share / steps
    widest = max(law.ends(tail)[1] - law.ends(tail)[0] for law, _ in laws)
    spacing = max(_ERROR * deviation / spread, 2 * widest / _LARGEST_GRID, 1e-9)
    while True:
        rounded = [(_Rounded.of(law, spacing, tail), count) for law, count in laws]
        lowest, highest = _window(rounded, deviation, share)
        if (highest - lowest) / spacing <= _LARGEST_GRID:
            break
        spacing *= 1.05 * (highest - lowest) / (spacing * _LARGEST_GRID)
    losses, mass, arithmetic = _composed(rounded, lowest, highest, spacing)
    alive = math.exp(sum(count * math.log1p(-law.failure) for law, count in laws))
    blurred, error = 3 * share + arithmetic, spacing * spread
    solved = [_solve(losses, mass, alive, at) for at in (delta + blurred, delta, delta - blurred)]
    return AuditedEpsilon(max(0.0, solved[0] - float(error)), solved[1], solved[2] + float(error))


@dataclass(frozen=True, slots=True)
class _Rounded:
    """A law on the multiples of a spacing, given that nothing failed, and the shift that restores its mean."""

    spacing: float
    first: int
    mass: NDArray[np.float64]
    shift: float

    @classmethod
    def of(cls, law: Law, spacing: float, tail: float) -> _Rounded:
        low, high = law.ends(tail)
        first, last = math.floor(low / spacing), math.ceil(high / spacing)
        middle = np.arange(first, last + 1) * spacing
        mass = law.masses(np.append(middle - spacing / 2, middle[-1] + spacing / 2))
        mass = mass / mass.sum()
        return cls(spacing, first, mass, law.mean() - float(mass @ middle))

    def log_moment(self, exponent: float) -> float:
        """Return the logarithm of the moment about zero, without the shift."""
        weight = np.log(np.maximum(self.mass, 1e-320))
        weight += exponent * self.spacing * np.arange(self.first, self.first + len(self.mass))
        largest = float(weight.max())
        return largest + math.log(float(np.exp(weight - largest).sum()))


def _window(rounded: list[tuple[_Rounded, int]], deviation: float, share: float) -> tuple[float, float]:
    """Return an interval outside of which the sum, without the shifts, has mass below `share`, by Chernoff's bound."""
    needed = math.log(2 / share)

    def end(exponent: float) -> float:
        moment = sum(count * law.log_moment(exponent) for law, count in rounded)
        return (moment + needed) / exponent

    steps = math.sqrt(2 * needed) / deviation * _STEPS_OF_CHERNOFF
    return float(max(end(-step) for step in steps)), float(min(end(step) for step in steps))


def _composed(
    rounded: list[tuple[_Rounded, int]], lowest: float, highest: float, spacing: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return the losses of the sum with their masses, and a bound on what the transform gets wrong."""
    start = math.floor(lowest / spacing)
    size = int(next_fast_len(math.ceil(highest / spacing) - start + 2, real=True))
    product = np.ones(size // 2 + 1, dtype=np.complex128)
    offset, shift = 0, 0.0
    for law, count in rounded:
        frequencies = rfft(np.bincount(np.arange(len(law.mass)) % size, law.mass, size))
        product *= frequencies ** float(count)
        offset, shift = offset + count * law.first, shift + count * law.shift
    steps = sum(count for _, count in rounded)
    arithmetic = _UNIT * (steps + math.log2(size)) * 2 * float(np.abs(product).sum())
    mass: NDArray[np.float64] = np.maximum(np.roll(irfft(product, size), (offset - start) % size), 0.0)
    losses = np.arange(start, start + size, dtype=np.float64) * spacing
    losses += shift
    return losses, mass, arithmetic


def _solve(losses: NDArray[np.float64], mass: NDArray[np.float64], alive: float, delta: float) -> float:
    """Return where delta of the rounded law is `delta`, 0 where it is below it everywhere; infinity where nowhere."""

    def excess(epsilon: float) -> float:
        first = int(np.searchsorted(losses, epsilon))
        return 1 - alive + alive * float(mass[first:] @ -np.expm1(epsilon - losses[first:])) - delta

    if excess(0.0) <= 0:
        return 0.0
    if 1 - alive >= delta:
        return math.inf
    return float(brentq(excess, 0.0, max(float(losses[-1]), 0.0) + 1.0, xtol=1e-12))
