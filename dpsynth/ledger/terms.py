"""The terms of a budget: what a BUDGET or EPOCH entry must say to be one, and the total of a locked plan."""

from __future__ import annotations

from functools import lru_cache

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import DpEvent
from dpsynth.accounting.locked_plan import LockedPlan
from dpsynth.ledger.renewal import APPROVALS_NEEDED
from dpsynth.ledger.statement import BudgetPolicy, Statement


def refusal_of_terms(entry: Statement) -> str | None:
    """Return why `entry` cannot begin a budget, whatever stands before it, in words; None where it can."""
    if entry.budget is None or entry.charges or entry.reservation is not None:
        return "a budget entry holds a budget and nothing else"
    if entry.approvers and len(set(entry.approvers)) < max(APPROVALS_NEEDED, len(entry.approvers)):
        return f"a budget that can be renewed names at least {APPROVALS_NEEDED} different approvers, or else none"
    if entry.event_delta > entry.budget.delta:
        return f"event_delta is a part of the budget's delta, so it must be at most {entry.budget.delta}"
    if entry.policy is BudgetPolicy.PLAN and entry.event_delta:
        return "a plan fixes the deltas of its own events: nothing is set aside for others"
    return None


@lru_cache(maxsize=64)
def plan_of(budget: PrivacyBudget, events: tuple[DpEvent, ...]) -> LockedPlan:
    """Return the plan of `events`; remembered, because its total is computed numerically.

    Raises:
        InvalidInput: all of them together do not keep `budget`, or no accountant knows one of them.
    """
    return LockedPlan(budget, events)
