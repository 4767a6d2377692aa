"""What the ledger knows about a data set: its budget, what was spent, what is left, and every release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction

from dpsynth.accounting.cost import ZERO_COST
from dpsynth.accounting.filter import AdaptiveFilter
from dpsynth.ledger import BudgetPolicy, EntryKind, Ledger, LedgerEntry
from dpsynth.ledger.account import Account
from dpsynth.ledger.books import Books
from dpsynth.ledger.reservation_record import ReservationRecord, ReservationState
from dpsynth.ledger.running_cost import cost_of_charges
from dpsynth.oversight.amounts import Currency, cost_in_words, cost_to_json, currency_of, epsilon_of, written

RECOVERED = "recovered at full cost"
"""The purpose of the SETTLE entries that `Ledger.recover` writes."""


@dataclass(frozen=True, slots=True)
class ReleaseLine:
    """One release in the ledger.

    Attributes:
        release: release id.
        data_set: the data set that it read.
        time: when it was reserved, UTC.
        by: the account that asked.
        purpose: why, in words.
        asked: the request in the words of the user.
        costs: what counts for it now, in words.
        state: where its reservation stands, in words.
        questions: how many questions were asked of the rows; None before it is settled, or where nobody knows.
        certifiable: whether its noise came from a source that a certificate may rest on.
        cost: what counts for it now, in numbers; None: infinite.
        declared: whether it is a spend of another tool that was written down afterwards.
        share: which part of the budget that is; None where it is infinite or there is no budget.
        ticket: where it was decided, as the user's own files name it.
        legal_basis: of the processing, in words.
        configuration: SHA-256 of schema, generator and options.
        fingerprint: of the rows, under a key outside the ledger.
        artefact: SHA-256 of the checksums of what came of it.
        epoch: which budget of its population it charges, from 1; shares are of that one.
    """

    release: str
    data_set: str
    time: str
    by: str
    purpose: str
    asked: str
    costs: str
    state: str
    questions: int | None
    certifiable: bool
    declared: bool
    cost: Mapping[str, float | None]
    share: float | None
    ticket: str
    legal_basis: str
    configuration: str
    fingerprint: str
    artefact: str
    epoch: int


@dataclass(frozen=True, slots=True)
class NoteLine:
    """A remark in the ledger, such as an export."""

    time: str
    release: str
    note: str


@dataclass(frozen=True, slots=True)
class DatasetAccount:
    """One budget in the ledger: that of a data set, or of a population that several data sets charge.

    Attributes:
        data_set: the data set, or the population.
        data_sets: the data sets that charge it.
        protects: who is protected, in words; empty where nobody has said so.
        policy: which requests it pays for: `adaptive` or `plan`.
        budget: the whole budget, in words.
        spent: what counts as spent, in words.
        left: what is left, in words.
        overspent: which spend of another tool took it over its budget, in words; empty where none did.
        budget_epsilon: epsilon of the budget, exactly; None where there is none.
        budget_delta: its delta, exactly.
        event_delta: the part of its delta that is set aside for events which may fail outright.
        filter: what decides whether a request fits.
        currency: what shares are shares of: `squared mu`, `rho`, `pure epsilon` or `planned requests`.
        spent_share: which part of the budget is spent; None where that is infinite or there is no budget.
        spent_epsilon: the smallest epsilon, at the delta of the budget, that everything spent keeps.
        left_epsilon: the largest epsilon, at the delta of the budget, of one more release; 0 under a plan.
        epoch: how many budgets there have been; all but `releases` and `lifetime` is about the present one.
        lifetime: what all epochs spent together, in words.
        plan_epsilon: what everything on the locked plan costs together; None where there is none.
        refused: how many requests were refused for want of room, by day.
        release_count: how many releases there are, also where only the last ones are listed.
        releases: releases, oldest first.
        notes: remarks, oldest first.
    """

    data_set: str
    data_sets: tuple[str, ...]
    protects: str
    policy: str
    budget: str
    spent: str
    left: str
    overspent: str
    budget_epsilon: str | None
    budget_delta: str | None
    event_delta: str | None
    filter: str | None
    currency: str | None
    spent_share: float | None
    spent_epsilon: str | None
    left_epsilon: str | None
    epoch: int
    lifetime: str
    plan_epsilon: str | None
    refused: Mapping[str, int]
    release_count: int
    releases: tuple[ReleaseLine, ...]
    notes: tuple[NoteLine, ...]

    def to_json(self) -> dict[str, object]:
        """Return everything as a JSON object."""
        return asdict(self)


def accounts(ledger: Ledger, name: str | None = None, *, last: int = 0) -> tuple[DatasetAccount, ...]:
    """Return what `ledger` knows about every population, in order of their first entries, or about one.

    Args:
        ledger: the ledger.
        name: a population, or a data set, which stands for the populations that it charges; all if not given.
        last: how many releases, with their remarks, and how many other remarks to list of each; 0: all.
    """
    books = ledger.books()
    settled, notes, exported, terms = _steps(books.entries)
    found = books.accounts.values() if name is None else books.accounts_of(name)
    members = _members(books)
    return tuple(
        _account(
            account,
            members.get(account.name, (account.name,)),
            settled,
            notes,
            exported,
            terms.get(account.name, ()),
            ledger.refused(account.name),
            last,
        )
        for account in found
        if name is None or account.name in books.accounts
    )


def budget_currency(account: Account) -> Currency | None:
    """Return what shares of the budget of `account` are shares of; None where there is no budget."""
    if account.budget is None:
        return None
    if account.policy is BudgetPolicy.PLAN:
        return Currency("planned requests", Fraction(len(account.plan.events) if account.plan else 0))
    return currency_of(account.filter(), account.spent)


def _members(books: Books) -> dict[str, tuple[str, ...]]:
    members: dict[str, tuple[str, ...]] = {}
    for dataset, populations in books.links.items():
        for population in populations:
            members[population] = (*members.get(population, ()), dataset)
    return members


def _steps(
    entries: Iterable[LedgerEntry],
) -> tuple[dict[int, LedgerEntry], dict[str, list[LedgerEntry]], dict[str, str], dict[str, list[LedgerEntry]]]:
    """Return SETTLE entries by reservation, remarks by data set, artefacts by release, and budgets by population."""
    settled: dict[int, LedgerEntry] = {}
    notes: dict[str, list[LedgerEntry]] = {}
    artefacts: dict[str, str] = {}
    terms: dict[str, list[LedgerEntry]] = {}
    for entry in entries:
        if entry.kind is EntryKind.SETTLE and entry.reservation is not None:
            settled[entry.reservation] = entry
        elif entry.kind is EntryKind.NOTE:
            notes.setdefault(entry.dataset, []).append(entry)
            if entry.artefact:
                artefacts[entry.release_id] = entry.artefact
        elif entry.kind in {EntryKind.BUDGET, EntryKind.EPOCH}:
            terms.setdefault(entry.dataset, []).append(entry)
    return settled, notes, artefacts, terms


def _account(
    account: Account,
    members: tuple[str, ...],
    settled: Mapping[int, LedgerEntry],
    notes: Mapping[str, Sequence[LedgerEntry]],
    artefacts: Mapping[str, str],
    terms: Sequence[LedgerEntry],
    refused: Mapping[str, int],
    last: int,
) -> DatasetAccount:
    spent, currency = account.spent, budget_currency(account)
    whole = None if account.budget is None else account.filter()
    epsilon = None if whole is None else epsilon_of(whole, spent)
    records = list(account.records.values())
    remarks = [note for name in dict.fromkeys((*members, account.name)) for note in notes.get(name, ())]
    earlier = _earlier_currencies(account, terms)
    listed = {record.entry.release_id for record in records[-last:]}
    general = {note.digest for note in [note for note in remarks if not note.release_id][-last:]}
    return DatasetAccount(
        data_set=account.name,
        data_sets=members,
        protects=account.unit,
        policy=account.policy.value,
        budget="not set" if whole is None else str(whole.budget),
        spent=cost_in_words(spent),
        left="nothing" if whole is None else account.describe_remaining(),
        overspent=account.why_nothing_fits(),
        budget_epsilon=None if whole is None else written(whole.budget.epsilon),
        budget_delta=None if whole is None else written(whole.budget.delta),
        event_delta=None if whole is None else written(whole.event_delta),
        filter=None if whole is None else whole.kind.value,
        currency=None if currency is None else currency.name,
        spent_share=None if currency is None else _share_spent(account, currency),
        spent_epsilon=None if epsilon is None else written(epsilon),
        left_epsilon=None if whole is None else written(account.largest_epsilon(whole.budget.delta)),
        epoch=max(account.epoch, 1),
        lifetime=cost_in_words(account.lifetime),
        plan_epsilon=None if account.plan is None else written(account.plan.total_epsilon),
        refused=dict(refused),
        release_count=len(records),
        releases=tuple(
            _line(
                record,
                settled.get(record.entry.index),
                artefacts.get(record.entry.release_id, ""),
                currency if record.epoch == account.epoch else earlier.get(record.epoch),
            )
            for record in records[-last:]
        ),
        notes=tuple(
            NoteLine(note.time, note.release_id, note.purpose)
            for note in remarks
            if note.digest in general or note.release_id in listed
        ),
    )


def _earlier_currencies(account: Account, terms: Sequence[LedgerEntry]) -> dict[int, Currency]:
    """Return what shares of the budgets of earlier epochs are shares of."""
    found = {}
    for epoch, term in enumerate(terms[: account.epoch - 1], start=1):
        costs = [record.cost for record in account.records.values() if record.epoch == epoch]
        if term.budget is not None:
            whole = AdaptiveFilter(term.budget, term.event_delta, kind=term.filter_kind)
            found[epoch] = currency_of(whole, sum(costs, ZERO_COST))
    return found


def _share_spent(account: Account, currency: Currency) -> float | None:
    if account.policy is not BudgetPolicy.PLAN:
        return currency.share(account.spent)
    now = [record for record in account.records.values() if record.epoch == account.epoch]
    taken = sum(record.state is not ReservationState.VOID for record in now)
    return float(taken / currency.whole) if currency.whole else 0.0


def _share_of(record: ReservationRecord, currency: Currency) -> float | None:
    if currency.name != "planned requests":
        return currency.share(record.cost)
    return 0.0 if record.state is ReservationState.VOID or not currency.whole else float(1 / currency.whole)


def _line(
    record: ReservationRecord, settle: LedgerEntry | None, artefact: str, currency: Currency | None
) -> ReleaseLine:
    reserve, questions = record.entry, None
    reserved = cost_in_words(cost_of_charges(reserve))
    if settle is not None and settle.purpose == RECOVERED:
        state, costs = "settled in full after a crash", f"{reserved}, in full"
    elif settle is not None:
        questions = len(settle.charges)
        state, costs = "settled", f"{cost_in_words(record.cost)} of {reserved}"
    elif record.state is ReservationState.DECLARED:
        state, costs = "declared after the work, by another tool", f"{reserved}, in full"
    elif record.state is ReservationState.VOID:
        state, costs = "given back before a row was read", cost_in_words(ZERO_COST)
    else:
        state, costs = record.state.value, f"{reserved}, in full"
    return ReleaseLine(
        release=reserve.release_id,
        data_set=reserve.dataset,
        time=reserve.time,
        by=reserve.actor,
        purpose=reserve.purpose,
        asked=reserve.asked,
        costs=costs,
        state=state,
        questions=questions,
        certifiable=reserve.certifiable,
        declared=record.state is ReservationState.DECLARED,
        cost=cost_to_json(record.cost),
        share=None if currency is None else _share_of(record, currency),
        ticket=reserve.ticket,
        legal_basis=reserve.legal_basis,
        configuration=reserve.configuration,
        fingerprint="" if settle is None else settle.fingerprint,
        artefact=artefact,
        epoch=record.epoch,
    )
