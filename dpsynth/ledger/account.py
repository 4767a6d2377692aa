"""The account of one data set: its budget, its reservations and what they add up to.

This is the state machine RESERVE -> OPEN -> SETTLE, with VOID only before OPEN. The same code decides whether a new
entry may be written and whether an old one was legal, so a ledger cannot be written that does not verify.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.cost import ZERO_COST, PrivacyCost, cost_of
from dpsynth.accounting.events import DpEvent
from dpsynth.accounting.filter import AdaptiveFilter, FilterKind
from dpsynth.errors import BudgetNotSet
from dpsynth.ledger.entry import LedgerEntry
from dpsynth.ledger.running_total import RunningTotal
from dpsynth.ledger.statement import Charge, EntryKind, Statement

_NOTHING = Fraction(0)
_REMEMBERED = 2**17


class ReservationState(StrEnum):
    """Where a reservation stands."""

    RESERVED = "reserved"
    OPEN = "open"
    SETTLED = "settled"
    VOID = "void"


@dataclass(slots=True)
class ReservationRecord:
    """A reservation, its state and what is counted for it now.

    Attributes:
        entry: the RESERVE entry.
        state: where it stands.
        cost: counted now: in full until settled, nothing once void.
        opened: the OPEN entry.
    """

    entry: LedgerEntry
    state: ReservationState
    cost: PrivacyCost
    opened: LedgerEntry | None = None


class Account:
    """What one data set may spend and has spent."""

    __slots__ = (
        "_costed", "_ever_unbounded", "_finite", "_unbounded", "budget", "dataset", "event_delta", "filter_kind",
        "records", "unit",
    )  # fmt: skip

    def __init__(self, dataset: str) -> None:
        """Start without a budget and with nothing spent."""
        self.dataset = dataset
        self.budget: PrivacyBudget | None = None
        self.event_delta = Decimal(0)
        self.filter_kind = FilterKind.GAUSSIAN
        self.unit = ""
        self.records: dict[int, ReservationRecord] = {}
        # Sums of rho, epsilon, squared mu and delta; how many summands have no finite rho, epsilon, squared mu.
        self._finite = tuple(RunningTotal() for _ in range(4))
        self._unbounded = [0, 0, 0]
        self._ever_unbounded = [False, False, False]
        self._costed: tuple[tuple[Charge, ...], PrivacyCost] = ((), ZERO_COST)

    @property
    def spent(self) -> PrivacyCost:
        """All reservations in full, settled ones at what they really cost, void ones at nothing."""
        rho, epsilon, mu_squared = (
            None if without else total.value for total, without in zip(self._finite, self._unbounded, strict=False)
        )
        return PrivacyCost(rho=rho, epsilon=epsilon, delta=self._finite[-1].value, mu_squared=mu_squared)

    def refusal(self, entry: Statement) -> str | None:
        """Return why `entry` may not follow, in words; None where it may."""
        match entry.kind:
            case EntryKind.BUDGET:
                return self._refuse_budget(entry)
            case EntryKind.RESERVE:
                return self._refuse_reserve(entry)
            case EntryKind.NOTE:
                return None if _is_plain(entry) else "a note holds no budget, reservation or charge"
            case _:
                return self._refuse_step(entry)

    def post(self, entry: LedgerEntry) -> None:
        """Count `entry`, which `refusal` has let pass."""
        match entry.kind:
            case EntryKind.BUDGET:
                self.budget, self.event_delta, self.unit = entry.budget, entry.event_delta, entry.unit
                self.filter_kind = entry.filter_kind
            case EntryKind.RESERVE:
                self.unit = entry.unit
                record = ReservationRecord(entry, ReservationState.RESERVED, ZERO_COST)
                self.records[entry.index] = record
                self._recount(record, self._cost_of(entry))
            case EntryKind.NOTE:
                pass
            case _:
                self._step(entry)

    def filter(self) -> AdaptiveFilter:
        """Return what decides whether a request fits.

        Raises:
            BudgetNotSet: there is no budget.
        """
        if self.budget is None:
            raise BudgetNotSet(self.dataset)
        return AdaptiveFilter(self.budget, self.event_delta, kind=self.filter_kind)

    def budget_change(self, budget: PrivacyBudget, unit: str, event_delta: Decimal) -> str | None:
        """Return why setting `budget` again would change something, in words; None where it says the same."""
        if (self.budget, self.event_delta) != (budget, event_delta):
            return self._budget_is_fixed()
        if unit and self.unit and unit != self.unit:
            return f"data set '{self.dataset}' protects '{self.unit}', and that is fixed for ever"
        return None

    def within_budget(self, spent: PrivacyCost) -> bool:
        """Whether `spent` in all keeps the promise of the budget."""
        return self.budget is not None and self.filter().admits(ZERO_COST, spent)

    def never_exceeded(self) -> bool:
        """Whether the largest sum of each currency ever reached fit together: then every prefix fitted."""
        rho, epsilon, mu_squared = (
            None if without else total.largest
            for total, without in zip(self._finite, self._ever_unbounded, strict=False)
        )
        peak = PrivacyCost(rho=rho, epsilon=epsilon, delta=self._finite[-1].largest, mu_squared=mu_squared)
        return peak == ZERO_COST or self.within_budget(peak)

    def _budget_is_fixed(self) -> str:
        return f"data set '{self.dataset}' already has a budget ({self.budget}), and a budget is fixed for ever"

    def _refuse_budget(self, entry: Statement) -> str | None:
        if self.budget is not None:
            return self._budget_is_fixed()
        if entry.budget is None or entry.charges or entry.reservation is not None:
            return "a budget entry holds a budget and nothing else"
        if entry.event_delta > entry.budget.delta:
            return f"event_delta is a part of the budget's delta, so it must be at most {entry.budget.delta}"
        return None

    def _refuse_reserve(self, entry: Statement) -> str | None:
        if self.budget is None:
            return f"data set '{self.dataset}' has no budget"
        if self.unit and entry.unit != self.unit:
            return (
                f"data set '{self.dataset}' protects '{self.unit}', but this request protects '{entry.unit}'; "
                "what protects different units cannot be added up"
            )
        if len(entry.charges) != 1 or entry.budget is not None or entry.reservation is not None:
            return "a reservation holds exactly one charge"
        return None

    def _refuse_step(self, entry: Statement) -> str | None:
        record = self.records.get(entry.reservation or 0)
        if record is None or record.entry.release_id != entry.release_id or entry.budget is not None:
            return f"{entry.kind} speaks about a reservation that this ledger does not hold"
        needed = ReservationState.OPEN if entry.kind is EntryKind.SETTLE else ReservationState.RESERVED
        if record.state is not needed:
            return f"the reservation of release '{entry.release_id}' is {record.state}, so {entry.kind} is not possible"
        if entry.kind is EntryKind.SETTLE:
            if not is_at_most(self._cost_of(entry), record.cost):
                return (
                    f"release '{entry.release_id}' was charged more than it had reserved; it stays open and counts in "
                    "full, and no certificate may be issued for it"
                )
        elif entry.charges:
            return f"{entry.kind} holds no charge"
        return None

    def _step(self, entry: LedgerEntry) -> None:
        record = self.records[entry.reservation or 0]
        if entry.kind is EntryKind.OPEN:
            record.state, record.opened = ReservationState.OPEN, entry
        elif entry.kind is EntryKind.SETTLE:
            record.state = ReservationState.SETTLED
            self._recount(record, self._cost_of(entry))
        else:
            record.state = ReservationState.VOID
            self._recount(record, ZERO_COST)

    def _cost_of(self, entry: Statement) -> PrivacyCost:
        # Asked twice about every entry: whether it may follow, and what it counts.
        if self._costed[0] is not entry.charges:
            self._costed = (entry.charges, cost_of_charges(entry))
        return self._costed[1]

    def _recount(self, record: ReservationRecord, cost: PrivacyCost) -> None:
        # Unbounded parts are counted apart from the finite sums, because infinity cannot be taken away again.
        before, after = record.cost, cost
        pairs = ((before.rho, after.rho), (before.epsilon, after.epsilon), (before.mu_squared, after.mu_squared))
        for slot, (old, new) in enumerate(pairs):
            if old is None:
                self._unbounded[slot] -= 1
            else:
                self._finite[slot].take(old)
            if new is None:
                self._unbounded[slot] += 1
                self._ever_unbounded[slot] = True
            else:
                self._finite[slot].add(new)
            self._finite[slot].mark()
        self._finite[-1].take(before.delta)
        self._finite[-1].add(after.delta)
        self._finite[-1].mark()
        record.cost = cost


def cost_of_charges(entry: Statement) -> PrivacyCost:
    """Return what all charges of `entry` cost together."""
    if len(entry.charges) == 1:
        return cost_of_event(entry.charges[0].event)
    costs = [cost_of_event(charge.event) for charge in entry.charges]
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
    return all(most is None or (amount is not None and amount <= most) for amount, most in pairs)


@lru_cache(maxsize=_REMEMBERED)
def cost_of_event(event: DpEvent) -> PrivacyCost:
    """Return what `event` costs; remembered, because a ledger is full of equal events."""
    return cost_of(event)


def _sum(amounts: Sequence[Fraction | None]) -> Fraction | None:
    if None in amounts:
        return None
    denominator = math.lcm(*(amount.denominator for amount in amounts if amount is not None))
    units = (amount.numerator * (denominator // amount.denominator) for amount in amounts if amount is not None)
    return Fraction(sum(units), denominator)


def _is_plain(entry: Statement) -> bool:
    return entry.budget is None and entry.reservation is None and not entry.charges
