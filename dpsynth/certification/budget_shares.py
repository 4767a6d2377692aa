"""Shares of a data set's budget: spent before a release, by the release, and left; public like the ledger's heads."""

from __future__ import annotations

from dataclasses import dataclass

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.events import DpEvent
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.errors import InvalidBudget
from dpsynth.ledger import Ledger


@dataclass(frozen=True, slots=True)
class BudgetShares:
    """Shares of the budget in squared mu, which is what costs add up in; together they are 1.

    Attributes:
        before: spent by everything else.
        this: spent by the release.
        left: of the budget.
    """

    before: float
    this: float
    left: float


def budget_shares(ledger: Ledger, dataset: str, event: DpEvent) -> BudgetShares | None:
    """Return the shares after a release that was charged `event`; None where the budget is not counted in squared mu.

    Privacy: reads the ledger only.
    """
    whole, spent = ledger.budget(dataset), ledger.spent(dataset).mu_squared
    this = cost_of(event).mu_squared
    if spent is None or this is None:
        return None
    try:
        bought = mu_squared_from_budget(PrivacyBudget(whole.epsilon, whole.delta - ledger.event_delta(dataset)))
    except InvalidBudget:
        return None
    if not 0 < this <= spent <= bought:
        return None
    return BudgetShares(float((spent - this) / bought), float(this / bought), float(1 - spent / bought))
