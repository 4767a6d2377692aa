"""The account of one population: its budget, its reservations and what they add up to.

This is the state machine RESERVE -> OPEN -> SETTLE, with VOID only before OPEN. The same code decides whether a new
entry may be written and whether an old one was legal, so a ledger cannot be written that does not verify.
"""

from __future__ import annotations

from decimal import Decimal

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.cost import ZERO_COST, PrivacyCost
from dpsynth.accounting.filter import AdaptiveFilter, FilterKind
from dpsynth.accounting.locked_plan import LockedPlan
from dpsynth.errors import BudgetNotSet, InvalidInput
from dpsynth.ledger.claimed_steps import refusal_of_claim, steps_of
from dpsynth.ledger.covers import refusal_of_covers
from dpsynth.ledger.entry import LedgerEntry
from dpsynth.ledger.renewal import Renewal, refusal_of_approvals
from dpsynth.ledger.reservation_record import UNSETTLED, ReservationRecord, ReservationState
from dpsynth.ledger.running_cost import NO_UNITS, CostInUnits, RunningCost, is_at_most, units_of_charges
from dpsynth.ledger.statement import BudgetPolicy, Charge, EntryKind, Statement
from dpsynth.ledger.terms import plan_of, refusal_of_terms


class Account:
    """What may be spent on one population and has been.

    Attributes:
        name: the population; that of its data set where nobody declared another.
        is_declared: whether data sets of other names belong to it.
        budget: fixed for ever, or until two approvers renew it; None before it is set.
        event_delta: its part for events that may fail outright.
        filter_kind: what decides whether a request fits, under the policy `adaptive`.
        policy: which requests it pays for.
        approvers: who may renew it, as public keys.
        epoch: how many budgets it has had, the present one included.
        plan: the locked list, under the policy `plan`.
        unit: who is protected, in words.
        records: the reservations and declared spends by index of their entry.
        overspent: index of the entry that declared more than was left, since when nothing is granted; 0 for none.
    """

    __slots__ = (
        "_begun_by",
        "_costed",
        "_earlier",
        "_earlier_kept",
        "_places",
        "_sum",
        "_used",
        "approvers",
        "budget",
        "epoch",
        "event_delta",
        "filter_kind",
        "is_declared",
        "name",
        "overspent",
        "plan",
        "policy",
        "records",
        "unit",
    )

    def __init__(self, name: str) -> None:
        """Start without a budget and with nothing spent."""
        self.name = name
        self.is_declared = False
        self.budget: PrivacyBudget | None = None
        self.event_delta = Decimal(0)
        self.filter_kind = FilterKind.GAUSSIAN
        self.policy = BudgetPolicy.ADAPTIVE
        self.approvers: tuple[str, ...] = ()
        self.epoch = 0
        # Digest of the entry that began the epoch; signatures of all epochs; what earlier ones spent, and kept.
        self._begun_by = ""
        self._used: set[str] = set()
        self._earlier = ZERO_COST
        self._earlier_kept = True
        self.plan: LockedPlan | None = None
        self.unit = ""
        self.records: dict[int, ReservationRecord] = {}
        self.overspent = 0
        # Place in the plan that each reservation took, by index of its entry; given back with it.
        self._places: dict[int, int] = {}
        self._sum = RunningCost()
        self._costed: tuple[tuple[Charge, ...], CostInUnits] = ((), NO_UNITS)

    @property
    def title(self) -> str:
        """What to call it in a message."""
        return f"{'population' if self.is_declared else 'data set'} '{self.name}'"

    @property
    def spent(self) -> PrivacyCost:
        """All reservations in full, settled ones at what they really cost, void ones at nothing."""
        return self._sum.total

    @property
    def gaussian_part(self) -> tuple[float, float] | None:
        """Pure epsilon and squared mu of `spent`, as floats, infinite where there is none; None beside a delta."""
        return self._sum.gaussian_part

    def refusal(self, entry: Statement) -> str | None:
        """Return why `entry` may not follow, in words; None where it may.

        Raises:
            InvalidInput: a charge claims to cost less than it does.
        """
        # The kinds that a ledger is full of come first.
        match entry.kind:
            case EntryKind.OPEN | EntryKind.SETTLE | EntryKind.STEPS | EntryKind.VOID:
                return self._refuse_step(entry)
            case EntryKind.RESERVE:
                return self._refuse_reserve(entry)
            case EntryKind.BUDGET:
                return self._refuse_budget(entry)
            case EntryKind.PLAN:
                return self._refuse_plan(entry)
            case EntryKind.EPOCH:
                return self._refuse_epoch(entry)
            case EntryKind.DECLARE:
                return self._refuse_declared(entry)
            case EntryKind.NOTE:
                plain = entry.budget is None and entry.reservation is None and not entry.charges
                return None if plain else "a note holds no budget, reservation or charge"
            case _:
                return f"{entry.kind} says nothing about a population"

    def post(self, entry: LedgerEntry) -> None:
        """Count `entry`, which `refusal` has let pass; kinds that are not named here change no sum."""
        match entry.kind:
            case EntryKind.OPEN | EntryKind.SETTLE | EntryKind.STEPS | EntryKind.VOID:
                self._step(entry)
            case EntryKind.RESERVE:
                self._take(entry, ReservationState.RESERVED)
            case EntryKind.BUDGET | EntryKind.EPOCH:
                self._begin(entry)
            case EntryKind.PLAN:
                self.plan = plan_of(self._whole, entry.events)
            case EntryKind.DECLARE:
                if not self.overspent and not self.admits(entry):
                    # From here on the sums say nothing about what this ledger granted; until here they do.
                    self._earlier_kept, self.overspent = self.never_exceeded(), entry.index
                self._take(entry, ReservationState.DECLARED)

    def filter(self) -> AdaptiveFilter:
        """Return what decides whether a request fits.

        Raises:
            BudgetNotSet: there is no budget.
        """
        return AdaptiveFilter(self._whole, self.event_delta, kind=self.filter_kind)

    def admits(self, entry: Statement) -> bool:
        """Whether the policy of the budget pays for the reservation or declared spend `entry`.

        Raises:
            BudgetNotSet: there is no budget.
        """
        if self.overspent:
            return False
        if self.policy is BudgetPolicy.PLAN:
            return self._free_place(entry) is not None
        return self.filter().admits(self.spent, self._cost_of(entry).cost)

    def describe_remaining(self, asked: PrivacyCost = ZERO_COST) -> str:
        """Return in words what is left, or would be after `asked`.

        Raises:
            BudgetNotSet: there is no budget.
        """
        if self.overspent:
            return "nothing"
        if self.policy is BudgetPolicy.PLAN:
            events = () if self.plan is None else self.plan.events
            return f"{len(events) - len(self._places) - (asked != ZERO_COST)} of {len(events)} planned requests"
        return self.filter().describe_remaining(self.spent + asked)

    def largest_epsilon(self, delta: Decimal) -> Decimal:
        """Return the largest epsilon at `delta` of a release that still fits; 0 under a plan, which is a list.

        Raises:
            BudgetNotSet: there is no budget.
        """
        closed = self.overspent or self.policy is BudgetPolicy.PLAN
        return Decimal(0) if closed else self.filter().largest_epsilon(self.spent, delta)

    def budget_change(self, said: Statement) -> str | None:
        """Return why setting the budget again would change something, in words; None where `said` says the same."""
        new = (said.budget, said.event_delta, said.policy, said.approvers or self.approvers)
        if new != (self.budget, self.event_delta, self.policy, self.approvers):
            return self._budget_is_fixed()
        if said.unit and self.unit and said.unit != self.unit:
            return f"{self.title} protects '{self.unit}', and that is fixed for ever"
        return None

    @property
    def lifetime(self) -> PrivacyCost:
        """What all epochs spent together; no budget bounds it, because they are about other people or other data."""
        return self._earlier + self.spent

    def renewal(self, terms: Statement) -> Renewal:
        """Return what approvers have to sign for `terms`, an EPOCH statement, to begin the next epoch."""
        return Renewal(terms, self.epoch + 1, self._begun_by)

    def renewal_refusal(self) -> str | None:
        """Return why the budget cannot be renewed at all, in words; None where approvers may."""
        if self.budget is None:
            return f"{self.title} has no budget that could be renewed"
        if not self.approvers:
            return f"the budget of {self.title} names no approvers, so nobody can renew it"
        return None

    def within_budget(self, spent: PrivacyCost) -> bool:
        """Whether `spent` in all keeps the promise of the budget, but for what other tools had spent already."""
        if self.overspent:
            return True
        if self.policy is BudgetPolicy.PLAN:
            # What is reserved was found on the list, and the list as a whole keeps the budget.
            return self.plan is not None
        return self.budget is not None and self.filter().admits(ZERO_COST, spent)

    def spent_after(self, entry: Statement) -> PrivacyCost:
        """Return what would count after `entry`, any of those that change it and that `refusal` lets pass."""
        if entry.kind in {EntryKind.RESERVE, EntryKind.DECLARE}:
            return self.spent + self._cost_of(entry).cost
        record = self.records[entry.reservation or 0]
        return self._sum.after(record.units, self._cost_after(record, entry))

    def never_exceeded(self) -> bool:
        """Whether the largest sum of each currency ever reached fit together: then every prefix fitted.

        After a declared spend that did not fit it is about what came before, because nothing is granted since.
        """
        peak = self._sum.peak
        return self._earlier_kept and (peak == ZERO_COST or self.within_budget(peak))

    @property
    def _whole(self) -> PrivacyBudget:
        if self.budget is None:
            raise BudgetNotSet(self.name)
        return self.budget

    def _budget_is_fixed(self) -> str:
        return f"{self.title} already has a budget ({self.budget}), and a budget is fixed for ever"

    def _refuse_budget(self, entry: Statement) -> str | None:
        if self.budget is not None:
            return self._budget_is_fixed()
        return refusal_of_terms(entry)

    def _refuse_epoch(self, entry: Statement) -> str | None:
        refusal = self.renewal_refusal() or refusal_of_terms(entry)
        if refusal is not None:
            return refusal
        pending = sum(record.state in UNSETTLED for record in self.records.values())
        if pending:
            return f"{pending} reservations of this epoch are not settled: settle, void or recover them first"
        if not entry.purpose.strip():
            return "a renewal says which new people or new data it is for"
        return refusal_of_approvals(self.renewal(entry).message, self.approvers, entry.signatures, self._used)

    def _begin(self, entry: LedgerEntry) -> None:
        """Begin an epoch with the terms of `entry`."""
        if self.epoch:
            self._earlier_kept = self.never_exceeded()
            self._earlier = self.lifetime
            self._sum, self._places, self.plan, self.overspent = RunningCost(), {}, None, 0
        self.epoch += 1
        self.unit = entry.unit or self.unit
        self.budget, self.event_delta, self.filter_kind = entry.budget, entry.event_delta, entry.filter_kind
        self.policy, self.approvers = entry.policy, entry.approvers
        self._begun_by = entry.digest
        self._used |= {signature.value for signature in entry.signatures}

    def _refuse_plan(self, entry: Statement) -> str | None:
        if self.budget is None or self.policy is not BudgetPolicy.PLAN:
            return f"{self.title} has no budget of the policy 'plan', so there is nothing to lock"
        if self.overspent:
            return self.why_nothing_fits(entry)
        if self.plan is not None:
            return f"the plan of {self.title} is locked already, and a locked plan does not change"
        if not entry.charges or entry.budget is not None or entry.reservation is not None:
            return "a plan is a list of charges and nothing else"
        try:
            plan_of(self.budget, entry.events)
        except InvalidInput as fault:
            return str(fault)
        return None

    def _free_place(self, entry: Statement) -> int | None:
        """Return the first place of the plan that holds the event of `entry` and is free."""
        if self.plan is None or entry.event is None:
            return None
        taken = set(self._places.values())
        same = (place for place, event in enumerate(self.plan.events) if event == entry.event)
        return next((place for place in same if self.plan.admits(taken, place)), None)

    def _refuse_reserve(self, entry: Statement) -> str | None:
        refusal = self._refuse_charge(entry)
        if refusal is None and (self.overspent or (self.policy is BudgetPolicy.PLAN and not self.admits(entry))):
            refusal = self.why_nothing_fits(entry)
        return refusal

    def _refuse_declared(self, entry: Statement) -> str | None:
        if entry.certifiable or not entry.release_id or not entry.purpose:
            return "a declared spend is of another tool: it has a name and a purpose, and no certificate rests on it"
        return self._refuse_charge(entry)

    def _refuse_charge(self, entry: Statement) -> str | None:
        if self.budget is None:
            return f"{self.title} has no budget"
        if self.unit and entry.unit != self.unit:
            return (
                f"{self.title} protects '{self.unit}', but this request protects '{entry.unit}'; "
                "what protects different units cannot be added up"
            )
        if len(entry.charges) != 1 or entry.budget is not None or entry.reservation is not None:
            return "a reservation holds exactly one charge"
        if entry.steps and entry.steps != steps_of(entry.charges[0].event):
            return "steps are claimed of a training, and of as many as it has"
        self._cost_of(entry)  # refuses what claims to cost less than it does
        return None

    def why_nothing_fits(self, entry: Statement | None = None) -> str:
        """Return why `entry`, or anything, cannot be paid for, in words, where size is not the reason; else nothing."""
        if self.overspent:
            return f"by entry {self.overspent}, another tool spent more of {self.title} than was left; all is refused"
        if self.policy is not BudgetPolicy.PLAN or entry is None:
            return ""
        if self.plan is None:
            return f"the budget of {self.title} has the policy 'plan', and no plan is locked yet"
        if entry.event in self.plan.events:
            return f"the plan of {self.title} holds this request, but it was made already, and each is made once"
        return f"the plan of {self.title} does not hold this request, and nothing else may be charged to it"

    def _refuse_step(self, entry: Statement) -> str | None:
        record = self.records.get(entry.reservation or 0)
        if record is None or record.entry.release_id != entry.release_id or entry.budget is not None:
            return f"{entry.kind} speaks about a reservation that this ledger does not hold"
        if entry.kind is EntryKind.STEPS or (entry.kind is EntryKind.OPEN and record.opened is not None):
            return refusal_of_claim(record, entry, self.epoch)
        needed = ReservationState.OPEN if entry.kind is EntryKind.SETTLE else ReservationState.RESERVED
        if record.state is not needed:
            return f"the reservation of release '{entry.release_id}' is {record.state}, so {entry.kind} is not possible"
        if entry.kind is EntryKind.SETTLE:
            if not self._is_paid_for(record, entry):
                return (
                    f"release '{entry.release_id}' was charged more than it had reserved; it stays open and counts in "
                    "full, and no certificate may be issued for it"
                )
            whole = record.units.delta and record.entry.index not in self._places
            return refusal_of_covers(record.entry, entry) if whole else None
        if entry.charges:
            return f"{entry.kind} holds no charge"
        return None

    def _take(self, entry: LedgerEntry, state: ReservationState) -> None:
        self.unit = entry.unit
        place = self._free_place(entry)
        if place is not None:
            self._places[entry.index] = place
        record = self.records[entry.index] = ReservationRecord(entry, state, NO_UNITS, epoch=self.epoch)
        self._recount(record, self._cost_of(entry))

    def _step(self, entry: LedgerEntry) -> None:
        record = self.records[entry.reservation or 0]
        record.follow(entry)
        if entry.kind in {EntryKind.SETTLE, EntryKind.VOID}:
            self._recount(record, self._cost_after(record, entry))
        if entry.kind is EntryKind.VOID:
            self._places.pop(record.entry.index, None)

    def _is_paid_for(self, record: ReservationRecord, settled: Statement) -> bool:
        place = self._places.get(record.entry.index)
        if self.plan is not None and place is not None:
            try:
                return self.plan.covers(place, settled.events)
            except InvalidInput:
                return False  # an event that no accountant knows
        return is_at_most(self._cost_of(settled), record.units)

    def _cost_after(self, record: ReservationRecord, entry: Statement) -> CostInUnits:
        """Return what counts for a reservation after its SETTLE or VOID."""
        if entry.kind is EntryKind.VOID:
            return NO_UNITS
        # A plan is a total over what was fixed in advance: what is settled for less gives nothing back.
        return record.units if record.entry.index in self._places else self._cost_of(entry)

    def _cost_of(self, entry: Statement) -> CostInUnits:
        # Asked several times about every entry: whether it may follow, and what it counts.
        if self._costed[0] is not entry.charges:
            self._costed = (entry.charges, units_of_charges(entry))
        return self._costed[1]

    def _recount(self, record: ReservationRecord, units: CostInUnits) -> None:
        self._sum.exchange(record.units, units)
        record.units = units
