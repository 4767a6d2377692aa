"""What many events cost together, where parts may be taken away again: whole units, infinities counted apart.

A ledger adds and takes away hundreds of thousands of costs at every opening. `cost_of` rounds each of them to a
multiple of a unit, so sums of whole numbers are exact, and no step has to reduce a fraction.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from dpsynth.accounting.cost import PrivacyCost, cost_of
from dpsynth.accounting.events import DpEvent, ExponentialDpEvent, GaussianDpEvent, GdpEvent
from dpsynth.accounting.gaussian_dp import units_of_range
from dpsynth.ledger.statement import Statement

_UNITS = 2 * 10**12
"""How many units are 1 of squared mu, rho or pure epsilon; rho may be half of a squared mu."""

_ROUNDED = _UNITS // 2
_DELTA_UNITS = 10**30
_SLOTS = range(4)
_REMEMBERED = 2**17


class CostInUnits(NamedTuple):
    """A `PrivacyCost` in whole units; None is infinite."""

    rho: int | None
    epsilon: int | None
    mu_squared: int | None
    delta: int

    @property
    def cost(self) -> PrivacyCost:
        """The same as fractions."""
        return _fractions(self)


NO_UNITS = CostInUnits(0, 0, 0, 0)
"""What nothing costs."""


class RunningCost:
    """A sum of costs and the largest that each currency ever was."""

    __slots__ = ("_ever_unbounded", "_finite", "_largest", "_unbounded")

    def __init__(self) -> None:
        """Start at nothing."""
        # Sums of rho, epsilon, squared mu and delta; how many summands have no finite one of each.
        self._finite, self._largest = [0, 0, 0, 0], [0, 0, 0, 0]
        self._unbounded, self._ever_unbounded = [0, 0, 0, 0], [False, False, False, False]

    @property
    def total(self) -> PrivacyCost:
        """The sum now."""
        return _cost(self._finite, self._unbounded)

    @property
    def peak(self) -> PrivacyCost:
        """The largest that each currency ever was, each at its own time."""
        return _cost(self._largest, self._ever_unbounded)

    def exchange(self, before: CostInUnits, after: CostInUnits) -> None:
        """Take `before` away, which was added earlier, and add `after`.

        Unbounded parts are counted apart from the finite sums, because infinity cannot be taken away again.
        """
        finite, largest = self._finite, self._largest
        for slot in _SLOTS:
            old, new = before[slot], after[slot]
            if old is None:
                self._unbounded[slot] -= 1
            elif old:
                finite[slot] -= old
            if new is None:
                self._unbounded[slot] += 1
                self._ever_unbounded[slot] = True
            elif new:
                finite[slot] += new
            if finite[slot] > largest[slot]:
                largest[slot] = finite[slot]

    @property
    def gaussian_part(self) -> tuple[float, float] | None:
        """Pure epsilon and squared mu now, as floats, infinite where there is none; None where delta is not zero."""
        _, epsilon, mu_squared, delta = self._finite
        _, no_epsilon, no_mu, _ = self._unbounded
        if delta:
            return None
        return math.inf if no_epsilon else epsilon / _UNITS, math.inf if no_mu else mu_squared / _UNITS

    def after(self, before: CostInUnits, after: CostInUnits) -> PrivacyCost:
        """Return what `total` would be after `exchange`; nothing is changed."""
        sums, unbounded = list(self._finite), list(self._unbounded)
        for slot, (old, new) in enumerate(zip(before, after, strict=True)):
            sums[slot] += (new or 0) - (old or 0)
            unbounded[slot] += (new is None) - (old is None)
        return _cost(sums, unbounded)


def units_of_charges(entry: Statement) -> CostInUnits:
    """Return what all charges of `entry` cost together, in units."""
    if len(entry.charges) == 1:
        return units_of_event(entry.charges[0].event)
    return units_of_parts([charge.event for charge in entry.charges])


def cost_of_charges(entry: Statement) -> PrivacyCost:
    """Return what all charges of `entry` cost together."""
    return units_of_charges(entry).cost


def units_of_parts(events: Iterable[DpEvent]) -> CostInUnits:
    """Return what `events` cost together, in units."""
    rho, epsilon, mu_squared, delta = NO_UNITS
    for event in events:
        one, pure, gaussian, failing = units_of_event(event)
        rho = None if rho is None or one is None else rho + one
        epsilon = None if epsilon is None or pure is None else epsilon + pure
        mu_squared = None if mu_squared is None or gaussian is None else mu_squared + gaussian
        delta += failing
    return CostInUnits(rho, epsilon, mu_squared, delta)


def is_at_most(actual: CostInUnits, reserved: CostInUnits) -> bool:
    """Whether `actual` is no larger than `reserved` in every currency; None counts as infinity."""
    for amount, most in zip(actual, reserved, strict=True):
        if most is not None and (amount is None or amount > most):
            return False
    return True


def units_of_event(event: DpEvent) -> CostInUnits:
    """Return what `event` costs, in units.

    Nearly all that is charged is noise or a choice of its own size. Those are rounded up as `cost_of` does it, in whole
    numbers: that takes less time than to find them again.
    """
    if isinstance(event, GaussianDpEvent):
        over, under = event.noise_multiplier.as_integer_ratio()
        return _gaussian(under * under, over * over)
    if isinstance(event, GdpEvent):
        return _gaussian(*event.mu_squared.as_integer_ratio())
    if isinstance(event, ExponentialDpEvent):
        return _choice(event.epsilon)
    return _units_of_other(event)


def _gaussian(over: int, under: int) -> CostInUnits:
    """Return what a squared mu of `over` / `under` costs."""
    halves = -(-over * _ROUNDED // under)
    return CostInUnits(halves, None, 2 * halves, 0) if halves else NO_UNITS


def _choice(epsilon: Fraction) -> CostInUnits:
    """Return what one draw of the exponential mechanism costs."""
    over, under = epsilon.as_integer_ratio()
    rho, pure = 2 * -(-over * over * _ROUNDED // (8 * under * under)), 2 * -(-over * _ROUNDED // under)
    halves = units_of_range(over, under)
    if halves is None:
        return CostInUnits(rho, pure, None, 0)
    return CostInUnits(min(rho, halves), pure, 2 * halves, 0)


@lru_cache(maxsize=_REMEMBERED)
def _units_of_other(event: DpEvent) -> CostInUnits:
    cost = cost_of(event)
    rho, epsilon, mu_squared = (
        None if part is None else _whole(part, _UNITS) for part in (cost.rho, cost.epsilon, cost.mu_squared)
    )
    return CostInUnits(rho, epsilon, mu_squared, _whole(cost.delta, _DELTA_UNITS))


@lru_cache(maxsize=2**12)
def _fractions(units: CostInUnits) -> PrivacyCost:
    # Whoever shows a release asks for its cost several times in a row.
    rho, epsilon, mu_squared = (None if part is None else Fraction(part, _UNITS) for part in units[:3])
    return PrivacyCost(rho, epsilon, Fraction(units.delta, _DELTA_UNITS), mu_squared)


def _whole(part: Fraction, units: int) -> int:
    # `cost_of` has rounded already, so nothing is left to round; were there something, it would go up.
    return -(-part.numerator * units // part.denominator)


def _cost(sums: list[int], unbounded: Iterable[int]) -> PrivacyCost:
    rho, epsilon, mu_squared, delta = (None if without else part for part, without in zip(sums, unbounded, strict=True))
    return CostInUnits(rho, epsilon, mu_squared, delta or 0).cost
