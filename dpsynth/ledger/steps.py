"""What is said about a charge from its request to its end: the statements of each step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dpsynth.accounting.events import DpEvent
from dpsynth.errors import LedgerError
from dpsynth.ledger.authorship import written_time
from dpsynth.ledger.journal import JournalWriter
from dpsynth.ledger.reservation_record import ReservationRecord, ReservationState
from dpsynth.ledger.statement import Charge, EntryKind, Statement
from dpsynth.ledger.tokens import OpenToken, Reservation
from dpsynth.ledger.wording import LONGEST, words_of

EXPIRED = "settled at full cost: its token had expired"
"""The purpose of a SETTLE entry that came too late."""


def request_of(
    kind: EntryKind,
    dataset: str,
    *,
    release_id: str,
    purpose: str,
    event: DpEvent,
    asked: str,
    unit: str,
    certifiable: bool,
    ticket: str,
    legal_basis: str,
    configuration: str = "",
    steps: int = 0,
) -> Statement:
    """Return a RESERVE or DECLARE, with words that the ledger takes.

    Raises:
        InvalidInput: one of the words is empty, too long, or more than a line.
    """
    return Statement(
        kind=kind,
        dataset=words_of("data set", dataset),
        release_id=words_of("release", release_id),
        purpose=words_of("purpose", purpose),
        charges=(Charge(words_of("purpose", purpose), event),),
        asked=words_of("request", asked),
        unit=words_of("unit", unit),
        certifiable=certifiable,
        ticket=words_of("ticket", ticket, empty=True),
        legal_basis=words_of("legal basis", legal_basis, empty=True),
        configuration=configuration,
        steps=steps,
    )


def record_of(writer: JournalWriter, reservation: Reservation) -> ReservationRecord:
    """Return what stands for `reservation`.

    Raises:
        LedgerError: it is of another ledger.
    """
    record = writer.books.accounts_of(reservation.dataset)[0].records.get(reservation.index)
    if record is None or record.entry.digest != reservation.digest:
        raise LedgerError("this reservation was not given out by this ledger")
    return record


def held_by(writer: JournalWriter, token: OpenToken) -> ReservationRecord:
    """Return what stands for the reservation that `token` opened, and nobody after it.

    Raises:
        LedgerError: it is of another ledger, or who resumed the training has the newer token.
    """
    record = record_of(writer, token.reservation)
    if record.opened is not None and record.opened.digest != token.digest:
        if record.opened.index > token.index:
            raise LedgerError(f"release '{token.release_id}' was resumed by another process, which alone goes on now")
        raise LedgerError("this token was not given out by this ledger")
    return record


def stale_among(writer: JournalWriter, older_than: timedelta) -> list[ReservationRecord]:
    """Return what was opened `older_than` ago or earlier and never settled."""
    latest = written_time(datetime.now(UTC) - older_than)
    return [
        record
        for record in writer.books.records()
        if record.opened is not None
        and record.state is ReservationState.OPEN
        and (older_than <= timedelta(0) or record.opened.time <= latest)
    ]


def step_of(kind: EntryKind, record: ReservationRecord, purpose: str, charges: tuple[Charge, ...] = ()) -> Statement:
    """Return the OPEN, STEPS, SETTLE or VOID of a reservation."""
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


def remark_of(dataset: str, text: str, release_id: str) -> Statement:
    """Return a NOTE."""
    return Statement(kind=EntryKind.NOTE, dataset=dataset, purpose=text, release_id=release_id)


def one_line(text: str) -> str:
    """Return `text` as one line of what can be printed."""
    # Made to fit rather than refused: at this point the rows have been read, and a refusal would help nobody.
    return "".join(letter if letter.isprintable() else "?" for letter in text[:LONGEST])
