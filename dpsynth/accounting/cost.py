"""What an event costs in the four currencies that add up exactly: squared mu, rho, pure epsilon and delta."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import assert_never

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
    NonPrivateDpEvent,
    NoOpDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
    ZCDpEvent,
)
from dpsynth.accounting.gaussian_dp import mu_squared_of_range
from dpsynth.errors import InvalidInput

_AMOUNT_RESOLUTION = 10**12
_DELTA_RESOLUTION = 10**30
_ROUNDING = 1e-12
_MOST_REMEMBERED = 2**14  # accountants ask several times about each event of a list
_LARGEST_AMPLIFIED = 700  # beyond it the exponential overflows, and sampling hardly helps


@dataclass(frozen=True, slots=True)
class PrivacyCost:
    """Exact costs of everything charged so far; adding two costs adds each currency.

    Attributes:
        rho: zero-concentrated cost given that no event failed outright; None: no finite rho.
        epsilon: pure cost given that no event failed outright; None: no finite epsilon.
        delta: probability that some event fails outright, at most.
        mu_squared: squared Gaussian-DP parameter given that no event failed outright; None, also where it is left out:
            no finite mu.
    """

    rho: Fraction | None
    epsilon: Fraction | None
    delta: Fraction
    mu_squared: Fraction | None = None

    def __add__(self, other: PrivacyCost) -> PrivacyCost:
        """Return the cost of both."""
        return PrivacyCost(
            rho=_sum(self.rho, other.rho),
            epsilon=_sum(self.epsilon, other.epsilon),
            delta=self.delta + other.delta,
            mu_squared=_sum(self.mu_squared, other.mu_squared),
        )


_NOTHING = Fraction(0)

ZERO_COST = PrivacyCost(_NOTHING, _NOTHING, _NOTHING, _NOTHING)
"""What nothing costs."""


def cost_of(event: DpEvent) -> PrivacyCost:
    """Return what `event` costs, each currency rounded up: squared mu, rho and epsilon to 1e-12, delta to 1e-30.

    What is mu-GDP is also mu^2 / 2 zCDP, so rho is never above half of the squared mu. Zero-concentrated events and
    integer Gaussians have no finite mu. A sampled event is charged by the amplified pure epsilon of what is inside,
    where that is pure, and is unbounded otherwise: rho of a Poisson-sampled Gaussian is only finite at the cost of the
    Gaussian without sampling. A covered event costs what it claims, once that is found to hold.

    Raises:
        InvalidInput: a covered event does not hold what it claims.

    Source:
        Bun, Steinke (2016), propositions 1.4 and 1.6; Cesar, Rogers (2021), theorem 2 (exponential mechanism); Canonne,
        Kamath, Steinke (2020), theorem 4 (discrete Gaussian); Li, Qardaji, Su (2012), theorem 1 (sampling); Dong, Roth,
        Su (2019), definition 2.6 (squared mu) and docs/design/gaussian_filter.md (squared mu of bounded ranges).
    """
    match event:
        case GaussianDpEvent() | DiscreteGaussianDpEvent() | ZCDpEvent() | GdpEvent():
            return _cost_of_concentrated(event)
        case LaplaceDpEvent() | DiscreteLaplaceDpEvent() | ExponentialDpEvent() | ApproximateDpEvent():
            return _cost_of_pure(event)
        case GaussianCoverDpEvent(inner, delta, mu_squared):
            return _cost_of_cover(inner, delta, mu_squared)
        case PoissonSampledDpEvent(sampling_probability, inner):
            return _sampled(Fraction(sampling_probability), cost_of(inner))
        case SelfComposedDpEvent(inner, count):
            return _times(cost_of(inner), count)
        case ComposedDpEvent(events):
            return total_cost(map(cost_of, events))
        case NoOpDpEvent():
            return ZERO_COST
        case NonPrivateDpEvent():
            return PrivacyCost(None, None, Fraction(0))
        case _:
            assert_never(event)


def total_cost(costs: Iterable[PrivacyCost]) -> PrivacyCost:
    """Return the sum of `costs`, exactly; much faster than adding one after the other."""
    listed = tuple(costs)
    return PrivacyCost(
        rho=_total([cost.rho for cost in listed], 2 * _AMOUNT_RESOLUTION),  # it may be half of a squared mu
        epsilon=_total([cost.epsilon for cost in listed], _AMOUNT_RESOLUTION),
        delta=_total([cost.delta for cost in listed], _DELTA_RESOLUTION) or _NOTHING,
        mu_squared=_total([cost.mu_squared for cost in listed], _AMOUNT_RESOLUTION),
    )


def _total(amounts: list[Fraction | None], resolution: int) -> Fraction | None:
    """Return the sum, None where there is a None: in whole numbers what is a multiple of 1 / `resolution`."""
    units, rest = 0, _NOTHING
    for amount in amounts:
        if amount is None:
            return None
        share, odd = divmod(resolution, amount.denominator)
        if odd:
            rest += amount
        else:
            units += amount.numerator * share
    return Fraction(units, resolution) + rest


def _up(amount: Fraction, resolution: int = _AMOUNT_RESOLUTION) -> Fraction:
    return _ratio_up(amount.numerator, amount.denominator, resolution)


def _ratio_up(over: int, under: int, resolution: int = _AMOUNT_RESOLUTION) -> Fraction:
    # Whole numbers all the way: a ledger asks for the costs of a hundred thousand events at every opening.
    return Fraction(-(-over * resolution // under), resolution)


def _sum(one: Fraction | None, other: Fraction | None) -> Fraction | None:
    return None if one is None or other is None else one + other


@lru_cache(maxsize=_MOST_REMEMBERED)
def _cost_of_concentrated(
    event: GaussianDpEvent | DiscreteGaussianDpEvent | ZCDpEvent | GdpEvent,
) -> PrivacyCost:
    match event:
        case GaussianDpEvent(noise_multiplier):
            over, under = noise_multiplier.as_integer_ratio()
            return _gaussian(under**2, over**2)
        case GdpEvent(mu_squared):
            return _gaussian(mu_squared.numerator, mu_squared.denominator)
        case DiscreteGaussianDpEvent(variance, squared_sensitivity):
            rho = squared_sensitivity / (2 * variance)
        case ZCDpEvent():
            rho = event.rho
        case _:
            assert_never(event)
    return PrivacyCost(_up(rho), None, _NOTHING) if rho else ZERO_COST


def _gaussian(over: int, under: int) -> PrivacyCost:
    exact = _ratio_up(over, under)
    return PrivacyCost(exact / 2, None, _NOTHING, exact) if exact else ZERO_COST


@lru_cache(maxsize=_MOST_REMEMBERED)
def _cost_of_pure(
    event: LaplaceDpEvent | DiscreteLaplaceDpEvent | ExponentialDpEvent | ApproximateDpEvent,
) -> PrivacyCost:
    match event:
        case LaplaceDpEvent(noise_multiplier):
            return _pure(1 / Fraction(noise_multiplier))
        case DiscreteLaplaceDpEvent(scale, sensitivity):
            return _pure(sensitivity / scale)
        case ExponentialDpEvent(epsilon):
            rho = _ratio_up(epsilon.numerator**2, 8 * epsilon.denominator**2)
            return _concentrated(rho, _up(epsilon), _NOTHING, mu_squared_of_range(epsilon))
        case ApproximateDpEvent(epsilon, delta):
            return _pure(Fraction(epsilon), Fraction(delta))
        case _:
            assert_never(event)


def _cost_of_cover(inner: DpEvent, delta: Decimal, mu_squared: Fraction) -> PrivacyCost:
    # Needs SciPy, which is loaded where a cover is charged and not by everybody who imports the package.
    from dpsynth.accounting.gaussian_cover import covers

    if not covers(inner, delta, mu_squared):
        raise InvalidInput(f"a squared mu of {float(mu_squared):.6g} does not cover the event at delta {delta:g}")
    exact = _up(mu_squared)
    return PrivacyCost(exact / 2, None, _up(Fraction(delta), _DELTA_RESOLUTION), exact)


def _pure(epsilon: Fraction, delta: Fraction = _NOTHING) -> PrivacyCost:
    rho, mu_squared = _up(min(epsilon * epsilon / 2, epsilon)), mu_squared_of_range(2 * epsilon)
    return _concentrated(rho, _up(epsilon), _up(delta, _DELTA_RESOLUTION), mu_squared)


def _concentrated(rho: Fraction, epsilon: Fraction, delta: Fraction, mu_squared: Fraction | None) -> PrivacyCost:
    least = rho if mu_squared is None or mu_squared >= 2 * rho else mu_squared / 2
    return PrivacyCost(least, epsilon, delta, mu_squared)


def _times(cost: PrivacyCost, count: int) -> PrivacyCost:
    if count <= 1:
        return cost if count else ZERO_COST
    rho, epsilon, mu_squared = (
        None if part is None else count * part for part in (cost.rho, cost.epsilon, cost.mu_squared)
    )
    return PrivacyCost(rho, epsilon, count * cost.delta, mu_squared)


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
