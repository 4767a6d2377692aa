"""Costs for people: as a share of the budget, as an epsilon, and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from dpsynth.accounting.budget import PrivacyBudget, epsilon_rounded_up
from dpsynth.accounting.cost import ZERO_COST, PrivacyCost
from dpsynth.accounting.filter import AdaptiveFilter, FilterKind
from dpsynth.accounting.gaussian_dp import epsilon_from_mu_squared, mu_squared_from_budget
from dpsynth.accounting.zcdp import epsilon_from_rho, rho_from_budget
from dpsynth.errors import InvalidBudget

_EIGHTHS = " ▏▎▍▌▋▊▉"
_LEVELS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Currency:
    """What costs are added up in when they are compared with a budget.

    Attributes:
        name: `squared mu`, `rho` or `pure epsilon`.
        whole: how much of it the budget buys; 0 where it buys none.
    """

    name: str
    whole: Fraction

    def amount(self, cost: PrivacyCost) -> Fraction | None:
        """Return `cost` in this currency; None where it is infinite."""
        if self.name == "pure epsilon":
            return cost.epsilon
        return cost.rho if self.name == "rho" else cost.mu_squared

    def share(self, cost: PrivacyCost) -> float | None:
        """Return which part of the budget `cost` uses up, rounded up; None where it is infinite."""
        amount = self.amount(cost)
        if amount is None or not self.whole:
            return 0.0 if amount == 0 else None
        return math.nextafter(float(amount / self.whole), math.inf) if amount else 0.0


def currency_of(budget: AdaptiveFilter, spent: PrivacyCost) -> Currency:
    """Return the currency in which `spent` uses less of `budget`; shares in it add up."""
    pure = Currency("pure epsilon", Fraction(budget.budget.epsilon))
    concentrated = _concentrated(budget)
    if not concentrated.whole:
        return pure
    shares = [(concentrated.share(spent), concentrated), (pure.share(spent), pure)]
    finite = [(share, currency) for share, currency in shares if share is not None]
    return min(finite, key=lambda pair: pair[0])[1] if finite else concentrated


def epsilon_of(budget: AdaptiveFilter, cost: PrivacyCost) -> Decimal | None:
    """Return the smallest epsilon, at the delta of `budget`, that `cost` keeps under the adaptive filter.

    It is rounded up at the fourth decimal; None: there is none.
    """
    if cost.delta > Fraction(budget.event_delta):
        return None
    left = budget.budget.delta - budget.event_delta
    found = [] if cost.epsilon is None else [cost.epsilon]
    if left > 0 and budget.kind is FilterKind.ZERO_CONCENTRATED and cost.rho is not None:
        found.append(Fraction(epsilon_from_rho(cost.rho, left)))
    elif left > 0 and budget.kind is FilterKind.GAUSSIAN and cost.mu_squared is not None:
        found.append(Fraction(epsilon_from_mu_squared(cost.mu_squared, left)))
    return epsilon_rounded_up(min(found)) if found else None


def epsilon_by_sums(cost: PrivacyCost, delta: Decimal) -> float:
    """Return the smallest epsilon at `delta` that the exact sums of `cost` prove; infinity where they prove none."""
    left = Fraction(delta) - cost.delta
    if left < 0:
        return math.inf
    proven: list[Fraction | float] = [] if cost.epsilon is None else [cost.epsilon]
    if left > 0 and cost.mu_squared is not None:
        proven.append(epsilon_from_mu_squared(cost.mu_squared, left))
    if left > 0 and cost.rho is not None:
        proven.append(epsilon_from_rho(cost.rho, left))
    return float(min(proven, default=math.inf))


def cost_in_words(cost: PrivacyCost) -> str:
    """Return a cost in words: by squared mu, where it has one, or by rho."""
    if cost == ZERO_COST:
        return "nothing"
    if cost.mu_squared is not None:
        amount = f"squared mu {float(cost.mu_squared):.6f}"
    else:
        amount = "unbounded" if cost.rho is None else f"rho {float(cost.rho):.6f}"
    return amount if cost.delta == 0 else f"{amount}, delta {float(cost.delta):g}"


def cost_to_json(cost: PrivacyCost) -> dict[str, float | None]:
    """Return a cost as numbers; null: infinite."""
    return {
        "mu_squared": None if cost.mu_squared is None else float(cost.mu_squared),
        "rho": None if cost.rho is None else float(cost.rho),
        "epsilon": None if cost.epsilon is None else float(cost.epsilon),
        "delta": float(cost.delta),
    }


def percent(share: float | None) -> str:
    """Return a share as a percentage with one digit; never 0 % or 100 % for what is only close to it."""
    if share is None:
        return "unbounded"
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{100 * share:.1f} %"


def bar(share: float | None, width: int) -> str:
    """Return a bar of `width` characters that is full at a share of 1; something is shown for whatever is not 0."""
    eighths = 8 * width if share is None else min(8 * width, math.ceil(8 * width * share))
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def sparkline(shares: list[float]) -> str:
    """Return one block per number, as high as it is; nothing is a blank."""
    highest = max(shares, default=0.0)
    return "".join(_LEVELS[math.ceil(8 * share / highest) - 1] if share > 0 else " " for share in shares)


def written(number: Decimal) -> str:
    """Return an exact decimal without trailing zeros and without an exponent."""
    return f"{number.normalize():f}"


def _concentrated(budget: AdaptiveFilter) -> Currency:
    try:
        bought = PrivacyBudget(budget.budget.epsilon, budget.budget.delta - budget.event_delta)
        if budget.kind is FilterKind.ZERO_CONCENTRATED:
            return Currency("rho", rho_from_budget(bought))
        return Currency("squared mu", mu_squared_from_budget(bought))
    except InvalidBudget:
        return Currency("squared mu", Fraction(0))
