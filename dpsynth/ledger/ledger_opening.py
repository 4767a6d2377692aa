"""What a ledger writes about a reservation until it has come to its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dpsynth.accounting.events import DpEvent
from dpsynth.errors import InvalidInput, LedgerError
from dpsynth.ledger.authorship import written_time
from dpsynth.ledger.entry import LedgerEntry
from dpsynth.ledger.journal import Journal
from dpsynth.ledger.reservation_record import ReservationState
from dpsynth.ledger.statement import Charge, EntryKind
from dpsynth.ledger.steps import EXPIRED, held_by, one_line, record_of, remark_of, stale_among, step_of
from dpsynth.ledger.tokens import OpenToken, Reservation

_LIFETIME = timedelta(days=7)


class LedgerOpening:
    """The steps from a reservation to its settlement; `Ledger` adds what begins one."""

    __slots__ = ()

    _journal: Journal

    def open(self, reservation: Reservation, *, lifetime: timedelta = _LIFETIME) -> OpenToken:
        """Write that rows are about to be read; rows may be read only with the token that this returns.

        The token expires after `lifetime`. Then no more rows may be read with it, and settling counts in full. To open
        a training again whose steps are claimed is to resume it: tokens of before claim nothing more.

        Raises:
            InvalidInput: `lifetime` is not above 0.
            LedgerError: the reservation cannot be resumed and was opened before, was given back, is of an epoch that
                has ended, or of another ledger.
            LedgerUnavailable: it could not be written; no row may be read.

        Privacy: from here on the reservation can no longer be given back.
        """
        if lifetime <= timedelta(0):
            raise InvalidInput("a token lives for some time, so its lifetime is above 0")
        with self._journal.writing() as writer:
            record = record_of(writer, reservation)
            opening = step_of(EntryKind.OPEN, record, record.entry.purpose)
            entry = writer.append(replace(opening, expires=written_time(datetime.now(UTC) + lifetime)))
            used, rows = record.steps, record.fingerprint
        return OpenToken(reservation, entry.index, entry.digest, entry.expires, used, rows)

    def claim_steps(self, token: OpenToken, steps: int, *, fingerprint: str = "") -> None:
        """Write that the steps of a training up to `steps` are used; they may be answered only after this returns.

        `fingerprint` is that of the rows, the same whenever the training is resumed.

        Raises:
            LedgerError: they are used already, are more than were reserved, or would be of other rows; or who resumed
                the training has a newer token.
            LedgerUnavailable: it could not be written; no step may be answered.

        Privacy: every number is claimed once, so no more steps are answered than were charged, however often the
        training is resumed.
        """
        with self._journal.writing() as writer:
            record = held_by(writer, token)
            claim = step_of(EntryKind.STEPS, record, record.entry.purpose)
            writer.append(replace(claim, steps=steps, fingerprint=fingerprint))

    def settle(self, token: OpenToken, events: Sequence[tuple[str, DpEvent]], *, fingerprint: str = "") -> None:
        """Write what was really asked of the rows, as (purpose, event); the rest of the reservation is free again.

        Under the policy `plan`, or with a token that has expired, nothing is free again. `fingerprint` tells the rows
        apart for who holds the key to it. A resumed training may be settled already; then this changes nothing.

        Raises:
            LedgerError: the token was settled before, or `events` cost more than was reserved. Then the reservation
                stays open and counts in full, and a note says so.
            LedgerUnavailable: it could not be written; the reservation counts in full.

        Privacy: may lower what is counted, because the adaptive filter bounds the sum of the real costs, stopping times
        included.
        """
        charges = tuple(Charge(one_line(purpose), event) for purpose, event in events)
        with self._journal.writing() as writer:
            record = held_by(writer, token)
            if record.entry.steps and record.state is ReservationState.SETTLED:
                return
            settled = step_of(EntryKind.SETTLE, record, record.entry.purpose, charges)
            if token.is_expired:
                settled = step_of(EntryKind.SETTLE, record, EXPIRED, record.entry.charges)
            settled = replace(settled, fingerprint=fingerprint)
            overrun = writer.refusal(settled) if record.state is ReservationState.OPEN else None
            if overrun is None:
                writer.append(settled)
                return
            # More was charged than reserved: a defect that an auditor must be able to find.
            writer.append(remark_of(record.entry.dataset, overrun, record.entry.release_id))
        raise LedgerError(overrun)

    def void(self, reservation: Reservation) -> None:
        """Give a reservation back that was never opened.

        Raises:
            LedgerError: it was opened, so rows may have been read, or was given back before.
        """
        with self._journal.writing() as writer:
            record = record_of(writer, reservation)
            writer.append(step_of(EntryKind.VOID, record, record.entry.purpose))

    def recover(self, *, older_than: timedelta = timedelta(0)) -> tuple[LedgerEntry, ...]:
        """Settle reservations at full cost that were opened `older_than` ago or earlier and never settled.

        A release that is still running then can no longer settle for less. Returns the SETTLE entries.
        """
        with self._journal.writing() as writer:
            return tuple(
                writer.append(step_of(EntryKind.SETTLE, record, "recovered at full cost", record.entry.charges))
                for record in stale_among(writer, older_than)
            )
