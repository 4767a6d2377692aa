"""What the ledger knows about a data set: its budget, what was spent, what is left, and every release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from dpsynth.accounting.cost import ZERO_COST
from dpsynth.ledger import EntryKind, Ledger, LedgerEntry
from dpsynth.ledger.account import Account, ReservationRecord, ReservationState
from dpsynth.ledger.running_cost import cost_of_charges
from dpsynth.oversight.amounts import Currency, cost_in_words, cost_to_json, currency_of, epsilon_of, written

RECOVERED = "recovered at full cost"
"""The purpose of the SETTLE entries that `Ledger.recover` writes."""


@dataclass(frozen=True, slots=True)
class ReleaseLine:
    """One release in the ledger.

    Attributes:
        release: release id.
        time: when it was reserved, UTC.
        by: the account that asked.
        purpose: why, in words.
        asked: the request in the words of the user.
        costs: what counts for it now, in words.
        state: where its reservation stands, in words.
        questions: how many questions were asked of the rows; None before it is settled, or where nobody knows.
        certifiable: whether its noise came from a source that a certificate may rest on.
        cost: what counts for it now, in numbers; None: infinite.
        share: which part of the budget that is; None where it is infinite or there is no budget.
    """

    release: str
    time: str
    by: str
    purpose: str
    asked: str
    costs: str
    state: str
    questions: int | None
    certifiable: bool
    cost: Mapping[str, float | None]
    share: float | None


@dataclass(frozen=True, slots=True)
class NoteLine:
    """A remark in the ledger, such as an export."""

    time: str
    release: str
    note: str


@dataclass(frozen=True, slots=True)
class DatasetAccount:
    """One data set in the ledger.

    Attributes:
        data_set: data set id.
        protects: who is protected, in words; empty where nobody has said so.
        budget: the whole budget, in words.
        spent: what counts as spent, in words.
        left: what is left, in words.
        budget_epsilon: epsilon of the budget, exactly; None where there is none.
        budget_delta: its delta, exactly.
        event_delta: the part of its delta that is set aside for events which may fail outright.
        filter: what decides whether a request fits.
        currency: what shares are shares of: `squared mu`, `rho` or `pure epsilon`.
        spent_share: which part of the budget is spent; None where that is infinite or there is no budget.
        spent_epsilon: the smallest epsilon, at the delta of the budget, that everything spent keeps.
        left_epsilon: the largest epsilon, at the delta of the budget, of one more release.
        releases: every release, oldest first.
        notes: every remark, oldest first.
    """

    data_set: str
    protects: str
    budget: str
    spent: str
    left: str
    budget_epsilon: str | None
    budget_delta: str | None
    event_delta: str | None
    filter: str | None
    currency: str | None
    spent_share: float | None
    spent_epsilon: str | None
    left_epsilon: str | None
    releases: tuple[ReleaseLine, ...]
    notes: tuple[NoteLine, ...]

    def to_json(self) -> dict[str, object]:
        """Return everything as a JSON object."""
        return asdict(self)


def accounts(ledger: Ledger, dataset: str | None = None) -> tuple[DatasetAccount, ...]:
    """Return what `ledger` knows about every data set, in order of their first entries, or about one."""
    return accounts_of(ledger.entries(dataset))


def accounts_of(entries: Iterable[LedgerEntry]) -> tuple[DatasetAccount, ...]:
    """Return what `entries`, which have been verified, say about every data set."""
    drafts: dict[str, _Draft] = {}
    for entry in entries:
        draft = drafts.get(entry.dataset)
        if draft is None:
            draft = drafts[entry.dataset] = _Draft(entry.dataset)
        draft.post(entry)
    return tuple(draft.finished() for draft in drafts.values())


class _Draft:
    """An account on the way, entry by entry."""

    __slots__ = ("account", "notes", "settled")

    def __init__(self, dataset: str) -> None:
        self.account = Account(dataset)
        self.notes: list[NoteLine] = []
        self.settled: dict[int, LedgerEntry] = {}

    def post(self, entry: LedgerEntry) -> None:
        self.account.post(entry)
        if entry.kind is EntryKind.NOTE:
            self.notes.append(NoteLine(entry.time, entry.release_id, entry.purpose))
        elif entry.kind is EntryKind.SETTLE and entry.reservation is not None:
            self.settled[entry.reservation] = entry

    def finished(self) -> DatasetAccount:
        account, spent = self.account, self.account.spent
        whole = None if account.budget is None else account.filter()
        currency = None if whole is None else currency_of(whole, spent)
        epsilon = None if whole is None else epsilon_of(whole, spent)
        return DatasetAccount(
            data_set=account.name,
            protects=account.unit,
            budget="not set" if whole is None else str(whole.budget),
            spent=cost_in_words(spent),
            left="nothing" if whole is None else whole.describe_remaining(spent),
            budget_epsilon=None if whole is None else written(whole.budget.epsilon),
            budget_delta=None if whole is None else written(whole.budget.delta),
            event_delta=None if whole is None else written(whole.event_delta),
            filter=None if whole is None else whole.kind.value,
            currency=None if currency is None else currency.name,
            spent_share=None if currency is None else currency.share(spent),
            spent_epsilon=None if epsilon is None else written(epsilon),
            left_epsilon=None if whole is None else written(whole.largest_epsilon(spent, whole.budget.delta)),
            releases=tuple(
                _line(record, self.settled.get(index), currency) for index, record in account.records.items()
            ),
            notes=tuple(self.notes),
        )


def _line(record: ReservationRecord, settle: LedgerEntry | None, currency: Currency | None) -> ReleaseLine:
    reserve, questions = record.entry, None
    reserved = cost_in_words(cost_of_charges(reserve))
    if settle is not None and settle.purpose == RECOVERED:
        state, costs = "settled in full after a crash", f"{reserved}, in full"
    elif settle is not None:
        questions = len(settle.charges)
        state, costs = "settled", f"{cost_in_words(record.cost)} of {reserved}"
    elif record.state is ReservationState.VOID:
        state, costs = "given back before a row was read", cost_in_words(ZERO_COST)
    else:
        state, costs = record.state.value, f"{reserved}, in full"
    return ReleaseLine(
        release=reserve.release_id,
        time=reserve.time,
        by=reserve.actor,
        purpose=reserve.purpose,
        asked=reserve.asked,
        costs=costs,
        state=state,
        questions=questions,
        certifiable=reserve.certifiable,
        cost=cost_to_json(record.cost),
        share=None if currency is None else currency.share(record.cost),
    )
