"""The Renyi accountant: closed-form divergences, added order by order, converted at the best order."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from dpsynth.accounting.accountant import EventTally, checked_delta, checked_epsilon, simple_events
from dpsynth.accounting.budget import as_written
from dpsynth.accounting.cost import ZERO_COST, cost_of
from dpsynth.accounting.dominating_pairs import MOST_STEPS
from dpsynth.accounting.events import (
    DiscreteLaplaceDpEvent,
    DpEvent,
    ExponentialDpEvent,
    GaussianDpEvent,
    LaplaceDpEvent,
    PoissonSampledDpEvent,
)
from dpsynth.accounting.moments import Curve, delta_of_moments, epsilon_of_moments
from dpsynth.errors import InvalidInput

_TAIL = 13.0
_STEP = 0.25
_LONGEST_GRID = 200_000
_ARITHMETIC = 1e-13
_AT_ONCE = 1_000

_Form: TypeAlias = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""From parameters (events, p) and exponents (k,) to log-moments (events, k)."""
_Sampled: TypeAlias = tuple[float, float]


class RdpAccountant:
    """Adds Renyi divergences of every order above one.

    Where all events are pure, the sum of their epsilons is a second bound, and the smaller of the two is given. The
    deltas of events that may fail outright are taken off the delta that is asked for.

    Source:
        Mironov, "Renyi Differential Privacy" (2017); Canonne, Kamath, Steinke (2020), proposition 12 (conversion).
    """

    __slots__ = ("_tally",)

    def __init__(self) -> None:
        """Start with nothing composed."""
        self._tally = EventTally()

    def supports(self, event: DpEvent) -> bool:
        """Return whether `compose` would accept `event`."""
        try:
            simple_events(event)
        except InvalidInput:
            return False
        return True

    def compose(self, event: DpEvent, count: int = 1) -> Self:
        """Add `event`, `count` times, and return the accountant; an event that is refused leaves it as it was.

        Raises:
            InvalidInput: some part of `event` is not supported, or `count` is negative.
        """
        self._tally.add(event, count)
        return self

    def get_renyi_divergence(self, order: float) -> float:
        """Return the Renyi divergence of `order` above 1 of everything composed so far, given that nothing failed."""
        exponents = np.array([order - 1.0])
        return float(_curve(self._tally)(exponents)[0] / exponents[0])

    def get_epsilon(self, delta: Decimal | Fraction | float) -> float:
        """Return the epsilon of everything composed so far at `delta`, rounded up; infinity where there is none.

        Raises:
            InvalidBudget: `delta` is not at least 0 and below 1.
        """
        checked_delta(delta)
        cost = self._tally.cost
        left = as_written(delta) - cost.delta
        if left < 0 or self._tally.unbounded:
            return math.inf
        pure = math.inf if cost.epsilon is None else float(cost.epsilon)
        return min(pure, epsilon_of_moments(_curve(self._tally), float(left)))

    def get_delta(self, epsilon: Decimal | Fraction | float) -> float:
        """Return the delta of everything composed so far at `epsilon`, rounded up.

        Raises:
            InvalidBudget: `epsilon` is negative or undefined.
        """
        asked = checked_epsilon(epsilon)
        if self._tally.unbounded:
            return 1.0
        cost = self._tally.cost
        within = cost.epsilon is not None and as_written(epsilon) >= cost.epsilon
        return min(1.0, float(cost.delta) + (0.0 if within else delta_of_moments(_curve(self._tally), asked)))


def _curve(tally: EventTally) -> Curve:
    """Return the log-moments of everything in `tally`: what is zero-concentrated is one term."""
    rho, others = Fraction(0), list[tuple[DpEvent, int]]()
    for event, count in tally.items():
        cost = cost_of(event)
        if cost == ZERO_COST:
            continue
        if cost.rho is not None and (cost.epsilon is None or isinstance(event, ExponentialDpEvent)):
            rho += count * cost.rho
        else:
            others.append((event, count))
    alike, sampled = _sorted(others)

    def log_moments(exponents: NDArray[np.float64]) -> NDArray[np.float64]:
        total = exponents * (exponents + 1) * float(rho)
        for form, pieces in alike:
            for parameters, counts in pieces:
                total += counts @ form(parameters, exponents)
        for event, count in sampled:
            total += count * _sampled_gaussian(*event, exponents)
        return total

    return log_moments


def _sorted(
    others: list[tuple[DpEvent, int]],
) -> tuple[list[tuple[_Form, list[tuple[NDArray[np.float64], NDArray[np.float64]]]]], list[tuple[_Sampled, int]]]:
    """Return events that share a formula together, in pieces of (parameters, counts), and sampled Gaussians."""
    alike: dict[_Form, list[tuple[float, ...]]] = {_laplace: [], _discrete_laplace: [], _pure: []}
    sampled: list[tuple[_Sampled, int]] = []
    for event, count in others:
        match event:
            case PoissonSampledDpEvent(probability, GaussianDpEvent(noise_multiplier)):
                sampled.append(((probability, noise_multiplier), count))
            case LaplaceDpEvent(noise_multiplier):
                alike[_laplace].append((1 / noise_multiplier, count))
            case DiscreteLaplaceDpEvent(scale, sensitivity) if sensitivity <= MOST_STEPS:
                epsilon = float(sensitivity / scale)
                alike[_discrete_laplace].append((epsilon, float(scale), sensitivity, count))
            case _:
                pure = cost_of(event).epsilon
                alike[_pure].append((math.inf if pure is None else float(pure), count))
    pieces = {
        form: [np.array(rows[first : first + _AT_ONCE], dtype=float) for first in range(0, len(rows), _AT_ONCE)]
        for form, rows in alike.items()
    }
    return [(form, [(piece[:, :-1], piece[:, -1]) for piece in found]) for form, found in pieces.items()], sampled


def _laplace(parameters: NDArray[np.float64], exponents: NDArray[np.float64]) -> NDArray[np.float64]:
    epsilon, share = parameters[:, :1], exponents / (2 * exponents + 1)
    return _least(epsilon, exponents, np.log1p(share * np.expm1(-(2 * exponents + 1) * epsilon)))


def _pure(parameters: NDArray[np.float64], exponents: NDArray[np.float64]) -> NDArray[np.float64]:
    epsilon = parameters[:, :1]
    return _least(epsilon, exponents, np.log1p(np.expm1(-2 * exponents * epsilon) * expit(-epsilon)))


def _discrete_laplace(parameters: NDArray[np.float64], exponents: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log-moments: less t epsilon they are two ends and a geometric series between them."""
    epsilon, scale, sensitivity = parameters[:, :1], parameters[:, 1:2], parameters[:, 2:]
    ratio = -(2 * exponents + 1) / scale
    between = -np.expm1(-1 / scale) * np.exp(ratio) * np.expm1((sensitivity - 1) * ratio) / np.expm1(ratio)
    far = np.exp(-(2 * exponents + 1) * sensitivity / scale)
    exact = np.log((1 + far + np.where(sensitivity > 1, between, 0.0)) / (1 + np.exp(-1 / scale)))
    return _least(epsilon, exponents, exact)


def _least(
    epsilon: NDArray[np.float64], exponents: NDArray[np.float64], exact: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the smaller of the bound for what is `epsilon`-private and of t epsilon plus `exact`."""
    quadratic = exponents * (exponents + 1) * epsilon * epsilon / 2
    return np.minimum(quadratic, exponents * epsilon + np.minimum(0.0, exact + _ARITHMETIC))


def _sampled_gaussian(probability: float, noise: float, exponents: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log-moments by the trapezoid rule on an integrand that is analytic in a wide strip.

    In a strip of half-width d <= pi noise / 2 around the real line the integrand grows by no more than exp(d^2 / 2), so
    the error of the rule is below exp(d^2 / 2 - 2 pi d / step), which is less than rounding. Adding a unit never costs
    more than removing one.

    Source:
        Mironov, Talwar, Zhang, "Renyi Differential Privacy of the Sampled Gaussian Mechanism" (2019), section 3 and
        theorem 5 (directions); Trefethen, Weideman (2014), theorem 5.1 (trapezoid rule).
    """
    step = _STEP * min(1.0, noise)
    result = np.full_like(exponents, math.inf)
    for place, exponent in enumerate(exponents):
        reach = (exponent + 1) / noise + 2 * _TAIL
        if reach / step > _LONGEST_GRID:
            continue
        points = np.arange(-_TAIL, reach - _TAIL, step)
        weight = -points * points / 2 + math.log(step / math.sqrt(2 * math.pi))
        loss = np.logaddexp(math.log1p(-probability), math.log(probability) + points / noise - 1 / (2 * noise * noise))
        result[place] = max(logsumexp(weight + (exponent + 1) * loss), 0.0) + _ARITHMETIC
    return result
