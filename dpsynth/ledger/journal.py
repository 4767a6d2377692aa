"""Entries go in here, one writer at a time, and the books follow.

Keeps the order on which everything else rests: take the write lock, read what others wrote, decide, append, commit to
disk, witness the head, and only then answer the caller. Safe across threads and, for a durable store, across a fork.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from dpsynth.errors import BudgetExceeded, LedgerCorrupted, LedgerError, LedgerUnavailable
from dpsynth.ledger.books import Books, audited_books, checked_books, no_search_for_cycles
from dpsynth.ledger.chain import EMPTY_HEAD, Head, StoredEntry
from dpsynth.ledger.curve import curve_of
from dpsynth.ledger.entry import LedgerEntry, entry_and_row_after
from dpsynth.ledger.known_heads import KnownHead
from dpsynth.ledger.refusals import RefusalCounts
from dpsynth.ledger.statement import Statement
from dpsynth.ledger.store import LedgerStore, StoreTransaction
from dpsynth.ledger.witness import HeadWitness, WitnessedHeads

_BEHIND = (
    "{source} names entry {known} of the ledger {name}, and the ledger ends at entry {last}: an old backup was "
    "restored or the end was cut off, since. Restore the newest copy; what was spent stays spent."
)

_REWRITTEN = (
    "{source} names entry {known} with another digest than the ledger {name} has: everything from there on was "
    "rewritten, since."
)

_LOST = (
    "entries are missing from the end of the ledger {name}: it ends at entry {last}, but entry {known} is known. "
    "{why}. Restore the newest copy; what was spent stays spent."
)


class JournalWriter:
    """The only writer, with books that are up to date."""

    __slots__ = ("_transaction", "books")

    def __init__(self, transaction: StoreTransaction, books: Books) -> None:
        """Write through `transaction` and keep `books`."""
        self._transaction = transaction
        self.books = books

    def refusal(self, statement: Statement) -> str | None:
        """Return why `statement` is not legal here, in words; None where it is."""
        return self.books.refusal(statement)

    def append(self, statement: Statement) -> LedgerEntry:
        """Write `statement` behind the last entry.

        Raises:
            LedgerError: it is not legal where it would stand; nothing was written.
        """
        refusal = self.refusal(statement)
        if refusal is not None:
            raise LedgerError(refusal)
        spent = self.books.spent_after(statement)
        if spent:
            statement = replace(statement, curve={name: curve_of(cost) for name, cost in spent.items()})
        entry, row = entry_and_row_after(self.books.head, statement)
        self._transaction.append(row)
        self.books.post(entry)
        return entry


class Journal:
    """A store, its witness, and books that remember what was already read and checked.

    Attributes:
        refusals: how often requests were refused.
    """

    __slots__ = ("_books", "_closed", "_lock", "_pid", "_store", "_witness", "refusals")

    @no_search_for_cycles()
    def __init__(self, store: LedgerStore, known_heads: Iterable[KnownHead] = ()) -> None:
        """Inspect `store`, and read and check everything in it.

        Raises:
            LedgerCorrupted: the chain, the budgets, the witness or one of `known_heads` do not hold.
        """
        self._store = store
        self._witness = None if store.witness_path is None else HeadWitness(store.witness_path)
        self.refusals = RefusalCounts(store.witness_path)
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._closed = False
        self._books = Books()
        with store.inspecting():
            witnessed = self._witnessed()
            rows = store.rows(1)
            self._books = checked_books(rows)
            self._compare(rows, witnessed.besides(row.digest for row in rows))
            self._require_known(rows, known_heads)
        if self._witness is not None and self._books.head != EMPTY_HEAD and self._books.head not in witnessed:
            # Written elsewhere, or before the witness was lost: whoever has read it shall miss it.
            self._witness.record(self._books.head)

    def reading(self) -> Books:
        """Return the books after what others have written meanwhile; do not change them."""
        with self._guard():
            self._catch_up(self._store.rows)
            return self._books

    def reading_with_rows(self) -> tuple[Books, list[StoredEntry]]:
        """Return the books and all rows of which they are made; do not change them."""
        with self._guard():
            rows = self._store.rows(1)
            self._catch_up(lambda from_index: rows[from_index - 1 :])
            return self._books, rows

    @contextmanager
    def writing(self) -> Iterator[JournalWriter]:
        """Become the only writer; on leaving without an error everything appended is on disk and witnessed."""
        with self._guard():
            known = self._books.head
            try:
                with self._store.writing() as transaction:
                    self._catch_up(transaction.rows)
                    known = self._books.head
                    try:
                        yield JournalWriter(transaction, self._books)
                    except BudgetExceeded as refused:
                        self.refusals.count(refused.population)
                        raise
            except BaseException:
                if self._books.head != known:
                    # Posted but perhaps not committed: what is on disk decides, so read it all again.
                    self._books = Books()
                raise
            if self._witness is not None and self._books.head != known:
                self._witness.record(self._books.head)

    @no_search_for_cycles()
    def verify(self, expected_head: Head | None) -> Head:
        """Read everything again and check storage, digests, spelling, chain, states, budgets, witness and known head.

        Raises:
            LedgerCorrupted: something does not hold; the first thing is named.
        """
        with self._guard(), self._store.inspecting():
            witnessed = self._witnessed()
            rows = self._store.rows(1)
            books = audited_books(rows, self._books)
            unread = witnessed.besides(row.digest for row in rows)
            self._compare(rows, unread | {self._books.head, expected_head or EMPTY_HEAD})
            return books.head

    def close(self) -> None:
        """Give the store back; everything but `close` is refused afterwards."""
        self._closed = True
        self._store.close()

    def _catch_up(self, rows_from: Callable[[int], list[StoredEntry]]) -> None:
        head = self._books.head
        rows = rows_from(max(head.index, 1))
        self._compare(rows[:1], {head})
        self._books.post_rows(row for row in rows if row.index > head.index)

    def _compare(self, rows: list[StoredEntry], known: Iterable[Head]) -> None:
        """Refuse `rows`, which are all from some entry on, where they are not what `known` says."""
        last = rows[-1].index if rows else 0
        wanted = frozenset(known) - {EMPTY_HEAD}
        asked = {head.index for head in wanted}
        # Nearly all are there; the first that is not says what has happened.
        for head in sorted(wanted - {Head(row.index, row.digest) for row in rows if row.index in asked}):
            if head.index > last:
                raise LedgerCorrupted(
                    _LOST.format(name=self._store.name, last=last, known=head.index, why=self._store.lost_end())
                )
            raise LedgerCorrupted(
                f"the ledger {self._store.name} is another one than before: entry {head.index} is known with "
                "another digest, so everything from there on was rewritten"
            )

    def _require_known(self, rows: list[StoredEntry], known_heads: Iterable[KnownHead]) -> None:
        for known in known_heads:
            if known.ledger and not (rows and rows[0].digest == known.ledger):
                continue  # of another ledger
            words = {"source": known.source, "known": known.place, "name": self._store.name, "last": len(rows)}
            if known.place > len(rows):
                raise LedgerCorrupted(_BEHIND.format(**words))
            if known.place and rows[known.place - 1].digest != known.digest:
                raise LedgerCorrupted(_REWRITTEN.format(**words))

    def _witnessed(self) -> WitnessedHeads:
        # Always read before the rows: a head that is witnessed later is newer than the rows and no contradiction.
        return WitnessedHeads("") if self._witness is None else self._witness.read()

    @contextmanager
    def _guard(self) -> Iterator[None]:
        if self._pid != os.getpid():
            # After a fork the lock may be held by a thread that exists in the parent only.
            self._lock, self._pid = threading.RLock(), os.getpid()
        with self._lock:
            if self._closed:
                raise LedgerUnavailable("this ledger was closed; open it again")
            yield
