"""The ledger: what may be spent on a data set, what has been spent, and by which release.

A release first reserves an upper bound, then opens the reservation, and only then may rows be read. At every moment,
also after a crash, the ledger counts at least what was opened: it can lose budget, never privacy.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import TracebackType

from dpsynth.accounting.budget import PrivacyBudget, exact_decimal
from dpsynth.accounting.cost import PrivacyCost
from dpsynth.accounting.events import DpEvent, JsonValue
from dpsynth.accounting.filter import AdaptiveFilter
from dpsynth.errors import BudgetExceeded, InvalidInput, LedgerError
from dpsynth.ledger.account import Account, ReservationRecord, ReservationState, cost_of_event
from dpsynth.ledger.authorship import written_time
from dpsynth.ledger.chain import Head
from dpsynth.ledger.display import view_of
from dpsynth.ledger.entry import LedgerEntry
from dpsynth.ledger.extract import extract_of
from dpsynth.ledger.journal import Journal, JournalWriter
from dpsynth.ledger.statement import Charge, EntryKind, Statement
from dpsynth.ledger.store import open_store
from dpsynth.ledger.tokens import OpenToken, Reservation

_LONGEST = 500


class Ledger:
    """An append-only, hash-chained record of privacy spending with one fixed budget per data set.

    Use it as a context manager or call `close`. One object may be used from several threads, and several processes may
    use one file at the same time.
    """

    __slots__ = ("_journal", "_store")

    def __init__(self, url: str | os.PathLike[str], *, create: bool = True) -> None:
        """Open and check the ledger at `url`: a path, `sqlite:///ledger.db`, or `sqlite://` for one in memory.

        Raises:
            InvalidInput: another kind of URL.
            LedgerUnavailable: it cannot be opened, or is missing and `create` is off.
            LedgerCorrupted: it is no ledger, or does not verify.
        """
        self._store = open_store(url, create=create)
        try:
            self._journal = Journal(self._store)
        except BaseException:
            self._store.close()
            raise

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Ledger {self._store.name}>"

    def _repr_html_(self) -> str | None:
        """Return the ledger as a notebook shows it; None where no view was registered."""
        return view_of(self)

    def close(self) -> None:
        """Close the ledger; what was written stays."""
        self._journal.close()

    @property
    def name(self) -> str:
        """Where it is, as messages call it."""
        return self._store.name

    @property
    def durable(self) -> bool:
        """Whether the ledger outlives this process; one in memory is for tests and never for people's data."""
        return self._store.durable

    # ------------------------------------------------------------------------------------------------------ writing

    def set_budget(
        self, dataset: str, budget: PrivacyBudget, unit: str = "", *, event_delta: float | int | str | Decimal = 0
    ) -> None:
        """Fix the budget of `dataset` for ever; saying the same again changes nothing.

        Args:
            dataset: the data set.
            budget: for all releases together.
            unit: who is protected, in words; left empty, the first reservation fixes it.
            event_delta: the part of the budget's delta for events that have a delta of their own; at 0 none fits.

        Raises:
            LedgerError: the data set has another budget or unit already, or `event_delta` exceeds the budget's delta.
        """
        dataset, unit = _words("data set", dataset), _words("unit", unit, empty=True)
        aside = exact_decimal("event_delta", event_delta)
        said = Statement(kind=EntryKind.BUDGET, dataset=dataset, budget=budget, unit=unit, event_delta=aside)
        with self._journal.writing() as writer:
            account = writer.books.account(dataset)
            if account.budget is None:
                writer.append(said)
                return
            change = account.budget_change(budget, unit, aside)
        if change is not None:
            raise LedgerError(change)

    def require_event_delta(self, dataset: str) -> None:
        """Refuse where the budget sets nothing aside for events that have a delta of their own.

        Raises:
            BudgetNotSet: the data set has no budget.
            LedgerError: it does not, and a budget is fixed for ever.
        """
        if self._journal.reading().account(dataset).filter().event_delta == 0:
            raise LedgerError(
                f"the budget of data set '{dataset}' sets no delta aside for events that may fail outright, and a "
                "budget is fixed for ever. List the categories in the schema, or set the budget of a new data set with "
                "--event-delta (`event_delta` in Python), for example half of its delta"
            )

    def reserve(
        self, dataset: str, *, release_id: str, purpose: str, event: DpEvent, asked: str, unit: str, certifiable: bool
    ) -> Reservation:
        """Set the cost of `event` aside, on disk, or refuse; `asked` is the request in words, for messages.

        Raises:
            BudgetNotSet: the data set has no budget.
            BudgetExceeded: it does not fit; the message says what would.
            LedgerError: the data set protects another unit.
            LedgerUnavailable: it could not be written.

        Privacy: counts `event` in full from now until it is settled or void. Concurrent requests are decided one after
        the other, so together they never exceed the budget.
        """
        statement = Statement(
            kind=EntryKind.RESERVE,
            dataset=_words("data set", dataset),
            release_id=_words("release", release_id),
            purpose=_words("purpose", purpose),
            charges=(Charge(_words("purpose", purpose), event),),
            asked=_words("request", asked),
            unit=_words("unit", unit),
            certifiable=certifiable,
        )
        with self._journal.writing() as writer:
            _require_room(writer.books.account(dataset), event, asked)
            entry = writer.append(statement)
        return Reservation(dataset, release_id, entry.index, entry.digest)

    def open(self, reservation: Reservation) -> OpenToken:
        """Write that rows are about to be read; rows may be read only with the token that this returns.

        Raises:
            LedgerError: the reservation was opened or given back before, or is of another ledger.
            LedgerUnavailable: it could not be written; no row may be read.

        Privacy: from here on the reservation can no longer be given back.
        """
        with self._journal.writing() as writer:
            record = _record_of(writer, reservation)
            entry = writer.append(_step(EntryKind.OPEN, record, record.entry.purpose))
        return OpenToken(reservation, entry.index, entry.digest)

    def settle(self, token: OpenToken, events: Sequence[tuple[str, DpEvent]]) -> None:
        """Write what was really asked of the rows, as (purpose, event); the rest of the reservation is free again.

        Raises:
            LedgerError: the token was settled before, or `events` cost more than was reserved. Then the reservation
                stays open and counts in full, and a note says so.
            LedgerUnavailable: it could not be written; the reservation counts in full.

        Privacy: may lower what is counted, because the adaptive filter bounds the sum of the real costs, stopping times
        included.
        """
        charges = tuple(Charge(_one_line(purpose), event) for purpose, event in events)
        with self._journal.writing() as writer:
            record = _record_of(writer, token.reservation)
            if record.opened is not None and record.opened.digest != token.digest:
                raise LedgerError("this token was not given out by this ledger")
            settled = _step(EntryKind.SETTLE, record, record.entry.purpose, charges)
            overrun = writer.refusal(settled) if record.state is ReservationState.OPEN else None
            if overrun is None:
                writer.append(settled)
                return
            # More was charged than reserved: a defect that an auditor must be able to find.
            writer.append(_note(record.entry.dataset, overrun, record.entry.release_id))
        raise LedgerError(overrun)

    def void(self, reservation: Reservation) -> None:
        """Give a reservation back that was never opened.

        Raises:
            LedgerError: it was opened, so rows may have been read, or was given back before.
        """
        with self._journal.writing() as writer:
            record = _record_of(writer, reservation)
            writer.append(_step(EntryKind.VOID, record, record.entry.purpose))

    def recover(self, *, older_than: timedelta = timedelta(0)) -> tuple[LedgerEntry, ...]:
        """Settle reservations at full cost that were opened `older_than` ago or earlier and never settled.

        A release that is still running then can no longer settle for less. Returns the SETTLE entries.
        """
        latest = written_time(datetime.now(UTC) - older_than)
        with self._journal.writing() as writer:
            stale = [
                record
                for account in writer.books.accounts.values()
                for record in account.records.values()
                if record.opened is not None
                and record.state is ReservationState.OPEN
                and (older_than <= timedelta(0) or record.opened.time <= latest)
            ]
            return tuple(
                writer.append(_step(EntryKind.SETTLE, record, "recovered at full cost", record.entry.charges))
                for record in stale
            )

    def note(self, dataset: str, text: str, *, release_id: str = "") -> None:
        """Write a remark; it costs nothing and must hold nothing about rows."""
        statement = _note(_words("data set", dataset), _words("note", text), _words("release", release_id, empty=True))
        with self._journal.writing() as writer:
            writer.append(statement)

    # ------------------------------------------------------------------------------------------------------ reading

    def require_room(self, dataset: str, event: DpEvent, *, asked: str) -> None:
        """Raise what `reserve` would raise now; writes nothing and promises nothing.

        Raises:
            BudgetNotSet: the data set has no budget.
            BudgetExceeded: it does not fit.
        """
        _require_room(self._journal.reading().account(dataset), event, asked)

    def budget(self, dataset: str) -> PrivacyBudget:
        """Return the budget of `dataset`.

        Raises:
            BudgetNotSet: it has none.
        """
        return self.filter(dataset).budget

    def filter(self, dataset: str) -> AdaptiveFilter:
        """Return what decides whether a request fits into the budget of `dataset`.

        Raises:
            BudgetNotSet: it has none.
        """
        return self._journal.reading().account(dataset).filter()

    def unit(self, dataset: str) -> str:
        """Return who is protected, in words; empty where neither budget nor a reservation has said so."""
        return self._journal.reading().account(dataset).unit

    def spent(self, dataset: str) -> PrivacyCost:
        """Return what counts as spent: reservations in full, settled ones at their real cost."""
        return self._journal.reading().account(dataset).spent

    def remaining(self, dataset: str, *, after: DpEvent | None = None) -> str:
        """Return what is left of the budget, in words; with `after`, what would be left once that was charged too.

        Raises:
            BudgetNotSet: there is no budget.
        """
        account = self._journal.reading().account(dataset)
        spent = account.spent if after is None else account.spent + cost_of_event(after)
        return account.filter().describe_remaining(spent)

    def datasets(self) -> tuple[str, ...]:
        """Return the data sets that entries speak about, in order of their first entry."""
        return tuple(self._journal.reading().accounts)

    def pending(self, dataset: str | None = None) -> tuple[Reservation, ...]:
        """Return reservations that were neither opened nor given back; after a crash they may be void."""
        return tuple(
            Reservation(record.entry.dataset, record.entry.release_id, record.entry.index, record.entry.digest)
            for account in self._journal.reading().accounts.values()
            if dataset in {None, account.dataset}
            for record in account.records.values()
            if record.state is ReservationState.RESERVED
        )

    def entries(self, dataset: str | None = None) -> tuple[LedgerEntry, ...]:
        """Return all entries, or those of one data set, oldest first."""
        entries = self._journal.reading().entries
        return tuple(entries if dataset is None else (entry for entry in entries if entry.dataset == dataset))

    def head(self) -> Head:
        """Return index and digest of the last entry; (0, 64 zeros) for an empty ledger."""
        return self._journal.reading().head

    def verify(self, *, expected_head: tuple[int, str] | None = None) -> Head:
        """Read everything again, check all of it, and return the head.

        Checks the storage, every digest and spelling, the chain, that every entry was legal, that no budget was
        exceeded at any prefix, and that no entry is missing that the witness file, this object or `expected_head` (from
        a certificate) knows.

        Raises:
            LedgerCorrupted: the first thing that does not hold.
        """
        return self._journal.verify(None if expected_head is None else Head(*expected_head))

    def extract(self, release_id: str) -> list[dict[str, JsonValue]]:
        """Return what travels with a release, for `verify_extract`: its entries in full, of others only digests.

        Raises:
            LedgerError: there is no such release.
        """
        return extract_of(self.entries(), release_id)


def _require_room(account: Account, event: DpEvent, asked: str) -> None:
    fits = account.filter()
    if not fits.admits(account.spent, cost_of_event(event)):
        raise BudgetExceeded(
            account.dataset,
            asked=asked,
            remaining=fits.describe_remaining(account.spent),
            largest_epsilon=fits.largest_epsilon(account.spent, fits.budget.delta),
            delta=fits.budget.delta,
        )


def _record_of(writer: JournalWriter, reservation: Reservation) -> ReservationRecord:
    record = writer.books.account(reservation.dataset).records.get(reservation.index)
    if record is None or record.entry.digest != reservation.digest:
        raise LedgerError("this reservation was not given out by this ledger")
    return record


def _step(kind: EntryKind, record: ReservationRecord, purpose: str, charges: tuple[Charge, ...] = ()) -> Statement:
    reserved = record.entry
    return Statement(
        kind=kind,
        dataset=reserved.dataset,
        release_id=reserved.release_id,
        purpose=purpose,
        reservation=reserved.index,
        charges=charges,
        asked=reserved.asked,
        unit=reserved.unit,
        certifiable=reserved.certifiable,
    )


def _note(dataset: str, text: str, release_id: str) -> Statement:
    return Statement(kind=EntryKind.NOTE, dataset=dataset, purpose=text, release_id=release_id)


def _words(what: str, text: str, *, empty: bool = False) -> str:
    if not isinstance(text, str) or not text.isprintable() or len(text) > _LONGEST or not (text.strip() or empty):
        raise InvalidInput(f"the name of a {what} in the ledger is one line of 1 to {_LONGEST} printable characters")
    return text


def _one_line(text: str) -> str:
    # Made to fit rather than refused: at this point the rows have been read, and a refusal would help nobody.
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_LONGEST])
