"""What an event costs in the three currencies that add up exactly: rho, pure epsilon and delta."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import assert_never

from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DiscreteGaussianDpEvent,
    DiscreteLaplaceDpEvent,
    DpEvent,
    ExponentialDpEvent,
    GaussianDpEvent,
    LaplaceDpEvent,
    NonPrivateDpEvent,
    NoOpDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
    ZCDpEvent,
)

_AMOUNT_RESOLUTION = 10**12
_DELTA_RESOLUTION = 10**30
_ROUNDING = 1e-12
_LARGEST_AMPLIFIED = 700  # beyond it the exponential overflows, and sampling hardly helps


@dataclass(frozen=True, slots=True)
class PrivacyCost:
    """Exact costs of everything charged so far; adding two costs adds each currency.

    Attributes:
        rho: zero-concentrated cost given that no event failed outright; None: no finite rho.
        epsilon: pure cost given that no event failed outright; None: no finite epsilon.
        delta: probability that some event fails outright, at most.
    """

    rho: Fraction | None
    epsilon: Fraction | None
    delta: Fraction

    def __add__(self, other: PrivacyCost) -> PrivacyCost:
        """Return the cost of both."""
        return PrivacyCost(_sum(self.rho, other.rho), _sum(self.epsilon, other.epsilon), self.delta + other.delta)


ZERO_COST = PrivacyCost(Fraction(0), Fraction(0), Fraction(0))
"""What nothing costs."""


def cost_of(event: DpEvent) -> PrivacyCost:
    """Return what `event` costs, each currency rounded up: rho and epsilon to 1e-12, delta to 1e-30.

    A sampled event is charged by the amplified pure epsilon of what is inside, where that is pure, and is unbounded
    otherwise: rho of a Poisson-sampled Gaussian is only finite at the cost of the Gaussian without sampling.

    Source:
        Bun, Steinke (2016), propositions 1.4 and 1.6; Cesar, Rogers (2021), theorem 2 (exponential mechanism); Canonne,
        Kamath, Steinke (2020), theorem 4 (discrete Gaussian); Li, Qardaji, Su (2012), theorem 1 (sampling).
    """
    match event:
        case GaussianDpEvent() | DiscreteGaussianDpEvent() | ZCDpEvent():
            return _cost_of_concentrated(event)
        case LaplaceDpEvent() | DiscreteLaplaceDpEvent() | ExponentialDpEvent() | ApproximateDpEvent():
            return _cost_of_pure(event)
        case PoissonSampledDpEvent(sampling_probability, inner):
            return _sampled(Fraction(sampling_probability), cost_of(inner))
        case SelfComposedDpEvent(inner, count):
            return _times(cost_of(inner), count)
        case ComposedDpEvent(events):
            return sum(map(cost_of, events), ZERO_COST)
        case NoOpDpEvent():
            return ZERO_COST
        case NonPrivateDpEvent():
            return PrivacyCost(None, None, Fraction(0))
        case _:
            assert_never(event)


def _up(amount: Fraction, resolution: int = _AMOUNT_RESOLUTION) -> Fraction:
    return Fraction(math.ceil(amount * resolution), resolution)


def _sum(one: Fraction | None, other: Fraction | None) -> Fraction | None:
    return None if one is None or other is None else one + other


def _cost_of_concentrated(event: GaussianDpEvent | DiscreteGaussianDpEvent | ZCDpEvent) -> PrivacyCost:
    match event:
        case GaussianDpEvent(noise_multiplier):
            rho = 1 / (2 * Fraction(noise_multiplier) ** 2)
        case DiscreteGaussianDpEvent(variance, squared_sensitivity):
            rho = squared_sensitivity / (2 * variance)
        case ZCDpEvent():
            rho = event.rho
        case _:
            assert_never(event)
    return PrivacyCost(_up(rho), None if rho else Fraction(0), Fraction(0))


def _cost_of_pure(
    event: LaplaceDpEvent | DiscreteLaplaceDpEvent | ExponentialDpEvent | ApproximateDpEvent,
) -> PrivacyCost:
    match event:
        case LaplaceDpEvent(noise_multiplier):
            return _pure(1 / Fraction(noise_multiplier))
        case DiscreteLaplaceDpEvent(scale, sensitivity):
            return _pure(sensitivity / scale)
        case ExponentialDpEvent(epsilon):
            return PrivacyCost(_up(epsilon * epsilon / 8), _up(epsilon), Fraction(0))
        case ApproximateDpEvent(epsilon, delta):
            return _pure(Fraction(epsilon), Fraction(delta))
        case _:
            assert_never(event)


def _pure(epsilon: Fraction, delta: Fraction = Fraction(0)) -> PrivacyCost:
    return PrivacyCost(_up(min(epsilon * epsilon / 2, epsilon)), _up(epsilon), _up(delta, _DELTA_RESOLUTION))


def _times(cost: PrivacyCost, count: int) -> PrivacyCost:
    rho = cost.rho if cost.rho is None else count * cost.rho
    epsilon = cost.epsilon if cost.epsilon is None else count * cost.epsilon
    return PrivacyCost(rho, epsilon, count * cost.delta) if count else ZERO_COST


def _sampled(probability: Fraction, inner: PrivacyCost) -> PrivacyCost:
    if probability == 0:
        return ZERO_COST
    if probability == 1:
        return inner
    if inner.epsilon is None:
        return PrivacyCost(None, None, probability * inner.delta)
    amplified = inner.epsilon
    if inner.epsilon < _LARGEST_AMPLIFIED:
        logarithm = math.log1p(float(probability) * math.expm1(float(inner.epsilon)))
        amplified = min(amplified, Fraction(logarithm * (1 + _ROUNDING)))
    return _pure(amplified, probability * inner.delta)
