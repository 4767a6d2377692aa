"""May this request still be granted, although it was chosen after earlier answers were seen?

`docs/design/adaptive_filter.md` states the rule and proves it. Nothing else may decide that a request fits: totals of
`RdpAccountant` or `PldAccountant` are valid for lists that were fixed in advance, not as a stopping rule.
"""

from __future__ import annotations

import math
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from dpsynth.accounting.budget import LARGEST_EPSILON, PrivacyBudget, exact_decimal
from dpsynth.accounting.cost import PrivacyCost
from dpsynth.accounting.gaussian_dp import epsilon_from_mu_squared, mu_squared_from_budget
from dpsynth.accounting.zcdp import epsilon_from_rho, rho_from_budget
from dpsynth.errors import InvalidBudget

_DIGITS = 4
_STEP = Decimal(1).scaleb(-_DIGITS)


class FilterKind(StrEnum):
    """Which sum, beside that of pure epsilons, a filter bounds; fixed when the budget is."""

    GAUSSIAN = "gaussian"
    """Squared mu of Gaussian differential privacy."""

    ZERO_CONCENTRATED = "zero-concentrated"
    """Rho; what budgets meant before they named a filter, and what those still mean."""


class AdaptiveFilter:
    """Grants requests as long as everything granted keeps one budget, however the requests were chosen.

    A sum of requests fits when their own deltas add up to at most `event_delta`, and either their pure epsilons add up
    to at most epsilon, or their squared mu (rho, for the other kind) adds up to what epsilon buys at delta -
    `event_delta`. The part `event_delta` is fixed before anything is asked. It must not follow from what was asked: a
    rule that takes the deltas of past events off the budget's delta as they come can be led to nearly twice delta
    by somebody who adapts.

    Source:
        Smith, Thakurta, "Fully Adaptive Composition for Gaussian Differential Privacy" (2022); for rho: Whitehouse,
        Ramdas, Rogers, Wu, "Fully Adaptive Composition in Differential Privacy" (2023), theorem 1.
    """

    __slots__ = ("budget", "event_delta", "kind")

    def __init__(
        self,
        budget: PrivacyBudget,
        event_delta: float | int | str | Decimal = 0,
        *,
        kind: FilterKind = FilterKind.GAUSSIAN,
    ) -> None:
        """Keep `budget`, of whose delta `event_delta` is set aside for events that may fail outright.

        Raises:
            InvalidBudget: `event_delta` is not between 0 and the budget's delta.
        """
        self.budget = budget
        self.kind = kind
        self.event_delta = exact_decimal("event_delta", event_delta)
        if self.event_delta > budget.delta:
            raise InvalidBudget(f"event_delta is a part of the budget's delta, so it must be at most {budget.delta}")

    def admits(self, spent: PrivacyCost, asked: PrivacyCost) -> bool:
        """Return whether `asked` may be granted after `spent`."""
        total = spent + asked
        if total.delta > Fraction(self.event_delta):
            return False
        epsilon = Fraction(self.budget.epsilon)
        if total.epsilon is not None and total.epsilon <= epsilon:
            return True
        left = self._delta_to_convert
        if self.kind is FilterKind.ZERO_CONCENTRATED:
            return total.rho is not None and left > 0 and Fraction(epsilon_from_rho(total.rho, left)) <= epsilon
        return total.mu_squared is not None and total.mu_squared <= _mu_squared_bought(self.budget.epsilon, left)

    def largest_epsilon(self, spent: PrivacyCost, delta: Decimal) -> Decimal:
        """Return the largest epsilon of a release at `delta` that still fits, rounded down at the fourth decimal.

        The release is one calibrated by `mu_squared_from_budget`, or a pure one where `delta` is 0. Nothing fits at 0.
        """
        if delta == 0:
            return _rounded_down(self._pure_left(spent))
        room = self._mu_squared_left(spent)
        if room <= 0:
            return Decimal(0)
        largest = min(_rounded_down(Fraction(epsilon_from_mu_squared(room, delta))) + _STEP, LARGEST_EPSILON)
        while largest > 0 and not 0 < _mu_squared_bought(largest, delta) <= room:
            largest -= _STEP
        return max(largest, Decimal(0))

    def describe_remaining(self, spent: PrivacyCost) -> str:
        """Return in words what is left after `spent`."""
        pure = _rounded_down(self._pure_left(spent))
        if self.budget.delta == 0:
            return f"epsilon {_written(pure)} (pure)"
        largest = self.largest_epsilon(spent, self.budget.delta)
        remaining = f"epsilon {_written(largest)} at delta {float(self.budget.delta):g}"
        return f"{remaining}, or epsilon {_written(pure)} (pure)" if pure > largest else remaining

    @property
    def _delta_to_convert(self) -> Decimal:
        return self.budget.delta - self.event_delta

    def _mu_squared_left(self, spent: PrivacyCost) -> Fraction:
        """Return the largest squared mu of a Gaussian release that still fits; it costs half as much rho."""
        if spent.delta > Fraction(self.event_delta):
            return Fraction(0)
        epsilon, left = self.budget.epsilon, self._delta_to_convert
        if self.kind is FilterKind.ZERO_CONCENTRATED:
            return Fraction(0) if spent.rho is None else 2 * (_rho_bought(epsilon, left) - spent.rho)
        return Fraction(0) if spent.mu_squared is None else _mu_squared_bought(epsilon, left) - spent.mu_squared

    def _pure_left(self, spent: PrivacyCost) -> Fraction:
        if spent.epsilon is None or spent.delta > Fraction(self.event_delta):
            return Fraction(0)
        return max(Fraction(self.budget.epsilon) - spent.epsilon, Fraction(0))


def _mu_squared_bought(epsilon: Decimal, delta: Decimal) -> Fraction:
    try:
        return mu_squared_from_budget(PrivacyBudget(epsilon, delta))
    except InvalidBudget:
        return Fraction(0)


def _rho_bought(epsilon: Decimal, delta: Decimal) -> Fraction:
    try:
        return rho_from_budget(PrivacyBudget(epsilon, delta))
    except InvalidBudget:
        return Fraction(0)


def _rounded_down(amount: Fraction) -> Decimal:
    return Decimal(math.floor(amount * 10**_DIGITS)).scaleb(-_DIGITS)


def _written(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
