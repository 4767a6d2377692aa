"""What many events cost together, where parts may be taken away again: exact sums, and infinities counted apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from dpsynth.accounting.cost import PrivacyCost, cost_of
from dpsynth.accounting.events import DpEvent
from dpsynth.ledger.running_total import RunningTotal
from dpsynth.ledger.statement import Statement

_EPSILON, _MU_SQUARED = 1, 2
_NOTHING = Fraction(0)
_REMEMBERED = 2**17


class RunningCost:
    """A sum of costs and the largest that each currency ever was."""

    __slots__ = ("_ever_unbounded", "_finite", "_unbounded")

    def __init__(self) -> None:
        """Start at nothing."""
        # Sums of rho, epsilon, squared mu and delta; how many summands have no finite rho, epsilon, squared mu.
        self._finite = tuple(RunningTotal() for _ in range(4))
        self._unbounded = [0, 0, 0]
        self._ever_unbounded = [False, False, False]

    @property
    def total(self) -> PrivacyCost:
        """The sum now."""
        rho, epsilon, mu_squared = (
            None if without else total.value for total, without in zip(self._finite, self._unbounded, strict=False)
        )
        return PrivacyCost(rho=rho, epsilon=epsilon, delta=self._finite[-1].value, mu_squared=mu_squared)

    @property
    def peak(self) -> PrivacyCost:
        """The largest that each currency ever was, each at its own time."""
        rho, epsilon, mu_squared = (
            None if without else total.largest
            for total, without in zip(self._finite, self._ever_unbounded, strict=False)
        )
        return PrivacyCost(rho=rho, epsilon=epsilon, delta=self._finite[-1].largest, mu_squared=mu_squared)

    def exchange(self, before: PrivacyCost, after: PrivacyCost) -> None:
        """Take `before` away, which was added earlier, and add `after`.

        Unbounded parts are counted apart from the finite sums, because infinity cannot be taken away again.
        """
        pairs = ((before.rho, after.rho), (before.epsilon, after.epsilon), (before.mu_squared, after.mu_squared))
        for slot, (old, new) in enumerate(pairs):
            if old is None:
                self._unbounded[slot] -= 1
            if new is None:
                self._unbounded[slot] += 1
                self._ever_unbounded[slot] = True
            self._finite[slot].exchange(_NOTHING if old is None else old, _NOTHING if new is None else new)
        self._finite[-1].exchange(before.delta, after.delta)

    @property
    def gaussian_part(self) -> tuple[float, float] | None:
        """Pure epsilon and squared mu now, as floats, infinite where there is none; None where delta is not zero."""
        if self._finite[-1]:
            return None
        epsilon, mu_squared = (
            math.inf if self._unbounded[slot] else float(self._finite[slot]) for slot in (_EPSILON, _MU_SQUARED)
        )
        return epsilon, mu_squared

    def after(self, before: PrivacyCost, after: PrivacyCost) -> PrivacyCost:
        """Return what `total` would be after `exchange`; nothing is changed."""
        pairs = ((before.rho, after.rho), (before.epsilon, after.epsilon), (before.mu_squared, after.mu_squared))
        sums: list[Fraction | None] = []
        for total, without, (old, new) in zip(self._finite, self._unbounded, pairs, strict=False):
            unbounded = without - (old is None) + (new is None)
            sums.append(None if unbounded else total.value - (old or _NOTHING) + (new or _NOTHING))
        delta = self._finite[-1].value - before.delta + after.delta
        return PrivacyCost(rho=sums[0], epsilon=sums[1], delta=delta, mu_squared=sums[2])


def cost_of_charges(entry: Statement) -> PrivacyCost:
    """Return what all charges of `entry` cost together."""
    if len(entry.charges) == 1:
        return cost_of_event(entry.charges[0].event)
    return cost_of_parts(entry.events)


def cost_of_parts(events: Sequence[DpEvent]) -> PrivacyCost:
    """Return what `events` cost together."""
    costs = [cost_of_event(event) for event in events]
    return PrivacyCost(
        rho=_sum([cost.rho for cost in costs]),
        epsilon=_sum([cost.epsilon for cost in costs]),
        delta=sum((cost.delta for cost in costs if cost.delta), _NOTHING),
        mu_squared=_sum([cost.mu_squared for cost in costs]),
    )


def is_at_most(actual: PrivacyCost, reserved: PrivacyCost) -> bool:
    """Whether `actual` is no larger than `reserved` in every currency; None counts as infinity."""
    pairs = (
        (actual.rho, reserved.rho),
        (actual.epsilon, reserved.epsilon),
        (actual.mu_squared, reserved.mu_squared),
        (actual.delta, reserved.delta),
    )
    return all(most is None or (amount is not None and _is_least(amount, most)) for amount, most in pairs)


@lru_cache(maxsize=_REMEMBERED)
def cost_of_event(event: DpEvent) -> PrivacyCost:
    """Return what `event` costs; remembered, because a ledger is full of equal events."""
    return cost_of(event)


def _is_least(amount: Fraction, most: Fraction) -> bool:
    # As `amount <= most`, without asking what kinds of numbers they are; asked about every SETTLE at every opening.
    return amount.numerator * most.denominator <= most.numerator * amount.denominator


def _sum(amounts: Sequence[Fraction | None]) -> Fraction | None:
    ratios = []
    for amount in amounts:
        if amount is None:
            return None
        ratios.append(amount.as_integer_ratio())
    denominator = math.lcm(*[under for _, under in ratios])
    return Fraction(sum([over * (denominator // under) for over, under in ratios]), denominator)
