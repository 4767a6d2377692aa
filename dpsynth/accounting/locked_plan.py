"""Does a list of events that was fixed before any answer keep a budget, and is this event still to come on it?

A total of privacy-loss distributions is proven for parameters fixed in advance, and it is no stopping rule. So a plan
is locked as a whole, and afterwards only its own events may be charged, each once.
`docs/design/locked_plan.md` states the rule and proves it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Self

from dpsynth.accounting.accountant import simple_events
from dpsynth.accounting.budget import PrivacyBudget, epsilon_rounded_up
from dpsynth.accounting.cost import ZERO_COST, PrivacyCost, cost_of, total_cost
from dpsynth.accounting.events import (
    ComposedDpEvent,
    DpEvent,
    GaussianDpEvent,
    GdpEvent,
    SelfComposedDpEvent,
    ZCDpEvent,
)
from dpsynth.accounting.filter import AdaptiveFilter
from dpsynth.accounting.gaussian_dp import epsilon_from_mu_squared
from dpsynth.accounting.zcdp import epsilon_from_rho
from dpsynth.errors import InvalidBudget, InvalidInput

MOST_EVENTS = 10_000
"""Most events of one plan."""

_MARGIN = Fraction(1, 10**5)


class LockedPlan:
    """A list of events that keeps one budget together, and is charged by position, in any order.

    What each event asks of the rows may follow from earlier answers, and so may the order and the moment to stop. Its
    cost may not: no other event may take the place of one that was planned, and none that was left out gives anything
    back.

    Attributes:
        budget: what all events keep together.
        events: the events, in the order that gives each its position, counted from 0.
    """

    __slots__ = ("_total", "budget", "events")

    def __init__(self, budget: PrivacyBudget, events: Sequence[DpEvent]) -> None:
        """Compute the total of `events` and keep them.

        Raises:
            InvalidInput: there is no event, there are more than 10,000, or no accountant knows one of them.
            InvalidBudget: all of them together do not keep `budget`.
        """
        if not 0 < len(events) <= MOST_EVENTS:
            raise InvalidInput(f"a plan holds 1 to {MOST_EVENTS} events, not {len(events)}")
        self.budget, self.events = budget, tuple(events)
        self._total = _total(self.events, budget)
        if self._total > Fraction(budget.epsilon):
            raise InvalidBudget(f"the plan costs epsilon {float(self._total):.12g}, and {budget} was to be kept")

    @classmethod
    def lock(cls, budget: PrivacyBudget, events: Sequence[DpEvent]) -> Self:
        """Return the plan, where it fits by exact sums, or with a hundred-thousandth of epsilon to spare.

        For use when a plan is first written down. What is spared is far above what another version of the numerical
        libraries changes in a total, so that the plan can be read again for ever.

        Raises:
            InvalidInput: there is no event, there are more than 10,000, or no accountant knows one of them.
            InvalidBudget: all of them together do not keep `budget`, or barely.
        """
        plan = cls(budget, events)
        most = Fraction(budget.epsilon) * (1 - _MARGIN)
        if plan._total > most and not _fits_by_sums(_cost(plan.events), budget):
            raise InvalidBudget(
                f"the plan costs epsilon {float(plan._total):.9g}; to be locked under {budget} it must cost at most "
                f"{float(most):.9g}, so that rounding by a later version cannot break it"
            )
        return plan

    @property
    def total_epsilon(self) -> Decimal:
        """What all events cost at the budget's delta, rounded up at the fourth decimal, or the budget's epsilon."""
        return min(epsilon_rounded_up(self._total), self.budget.epsilon)

    def admits(self, spent: Collection[int], position: int) -> bool:
        """Return whether the event at `position` may be charged, after those at the positions in `spent`."""
        return 0 <= position < len(self.events) and position not in spent

    def covers(self, position: int, charged: Sequence[DpEvent]) -> bool:
        """Return whether the event at `position` pays for everything in `charged`, all answers of that release so far.

        Each of them has to be a part of the planned event, with the same parameters. Planned Gaussian and
        zero-concentrated amounts also pay for anything else, chosen on the way, whose exact sum stays within them.

        Raises:
            InvalidInput: no accountant knows one of the events, or there is no such position.
        """
        if not 0 <= position < len(self.events):
            raise InvalidInput(f"the plan has the positions 0 to {len(self.events) - 1}; asked for {position}")
        return pays_for(self.events[position], charged)


def pays_for(planned: DpEvent, charged: Sequence[DpEvent]) -> bool:
    """Return whether everything in `charged` is part of one event of a plan; see `LockedPlan.covers`.

    Raises:
        InvalidInput: no accountant knows one of the events.
    """
    expected, asked = simple_events(planned), simple_events(ComposedDpEvent(tuple(charged)))
    extra = _cost([SelfComposedDpEvent(part, count) for part, count in (asked - expected).items()])
    if extra == ZERO_COST:
        return True
    unused = (expected - asked).items()
    mu_squared = sum((count * _shift_squared(part) for part, count in unused), Fraction(0))
    rho = sum((count * part.rho for part, count in unused if isinstance(part, ZCDpEvent)), Fraction(0))
    by_mu = extra.mu_squared is not None and extra.mu_squared <= mu_squared
    return extra.delta == 0 and (by_mu or (extra.rho is not None and extra.rho <= rho))


def _total(events: tuple[DpEvent, ...], budget: PrivacyBudget) -> Fraction | float:
    """Return the smallest epsilon that is proven for the list at the budget's delta; infinity where there is none."""
    # Needs SciPy, which is loaded where something is planned and not by everybody who imports the package.
    from dpsynth.accounting.pld import PldAccountant

    cost = _cost(events)
    proven: list[Fraction | float] = [PldAccountant().compose(ComposedDpEvent(events)).get_epsilon(budget.delta)]
    left = Fraction(budget.delta) - cost.delta
    if left >= 0 and cost.epsilon is not None:
        proven.append(cost.epsilon)
    if left > 0 and cost.mu_squared is not None:
        proven.append(epsilon_from_mu_squared(cost.mu_squared, left))
    if left > 0 and cost.rho is not None:
        proven.append(epsilon_from_rho(cost.rho, left))
    if _fits_by_sums(cost, budget):
        proven.append(Fraction(budget.epsilon))
    return min(proven)


def _fits_by_sums(cost: PrivacyCost, budget: PrivacyBudget) -> bool:
    """Whether the exact sums fit; a fixed list fixes its own deltas, so they are a share that is known in advance."""
    if cost.delta > Fraction(budget.delta):
        return False
    share = Decimal(f"{int(cost.delta * 10**30)}e-30")
    return AdaptiveFilter(budget, share).admits(ZERO_COST, cost)


def _cost(events: Sequence[DpEvent]) -> PrivacyCost:
    return total_cost(map(cost_of, events))


def _shift_squared(event: DpEvent) -> Fraction:
    match event:
        case GaussianDpEvent(noise_multiplier):
            return 1 / Fraction(noise_multiplier) ** 2
        case GdpEvent(mu_squared):
            return mu_squared
        case _:
            return Fraction(0)
