"""All accounts of a ledger, brought up to date entry by entry; what does not follow is refused."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from dpsynth.errors import LedgerCorrupted
from dpsynth.ledger.account import Account
from dpsynth.ledger.chain import EMPTY_HEAD, StoredEntry
from dpsynth.ledger.entry import LedgerEntry, read_entry, require_canonical, require_digest


class Books:
    """The state that a chain of entries leads to.

    Attributes:
        head: the last entry that was posted.
        accounts: one per data set.
        entries: everything that was posted, oldest first.
    """

    __slots__ = ("_audit", "accounts", "entries", "head")

    def __init__(self, *, audit: bool = False) -> None:
        """Start empty; `audit` also checks the budget after each single entry."""
        self.head = EMPTY_HEAD
        self.accounts: dict[str, Account] = {}
        self.entries: list[LedgerEntry] = []
        self._audit = audit

    def account(self, dataset: str) -> Account:
        """Return the account of `dataset`; one that never was mentioned is empty and is not kept."""
        return self.accounts.get(dataset) or Account(dataset)

    def post(self, entry: LedgerEntry) -> None:
        """Count `entry`.

        Raises:
            LedgerCorrupted: it does not follow the last one, or is not legal where it stands; nothing was counted.
        """
        if (entry.index, entry.previous_digest) != (self.head.index + 1, self.head.digest):
            raise LedgerCorrupted(f"entry {entry.index} does not follow the entry before it: the chain is broken there")
        account = self.account(entry.dataset)
        refusal = account.refusal(entry)
        if refusal is not None:
            raise LedgerCorrupted(f"entry {entry.index} is not legal: {refusal}")
        account.post(entry)
        self.accounts[entry.dataset] = account
        self.entries.append(entry)
        self.head = entry.head
        if self._audit and account.records and not account.within_budget(account.spent):
            raise LedgerCorrupted(f"entry {entry.index} takes data set '{entry.dataset}' over its budget")

    def post_rows(self, rows: Iterable[StoredEntry]) -> None:
        """Read, check and count stored entries.

        Raises:
            LedgerCorrupted: as in `post`, or an entry is not what its digest says.
        """
        for row in rows:
            self.post(read_entry(row))

    def budgets_kept(self) -> bool:
        """Whether it is plain that no budget was exceeded at any prefix; where not, post again with `audit`."""
        return all(account.never_exceeded() for account in self.accounts.values())


def checked_books(rows: Iterable[StoredEntry]) -> Books:
    """Return the books of a whole chain from its first entry.

    Raises:
        LedgerCorrupted: the chain, an entry, or a budget at some prefix does not hold; the first one is named.
    """
    books = Books()
    with _no_search_for_cycles():
        books.post_rows(rows)
    _require_budgets_kept(books)
    return books


def audited_books(rows: Sequence[StoredEntry], books: Books) -> Books:
    """Return what `checked_books` makes of `rows`, after comparing the spelling of every entry as well.

    Every digest is recomputed. Where all are those of `books`, whose entries were checked one by one when they were
    posted, the contents are the same to the letter and `books` is returned: the same check would find the same.

    Raises:
        LedgerCorrupted: as in `checked_books`, or an entry is not spelled canonically.
    """
    if [row.digest for row in rows] != [entry.digest for entry in books.entries]:
        books = checked_books(rows)
    _require_budgets_kept(books)
    for row, entry in zip(rows, books.entries, strict=True):
        require_digest(row)
        require_canonical(row, entry)
    return books


def _require_budgets_kept(books: Books) -> None:
    if not books.budgets_kept():
        strict = Books(audit=True)
        for entry in books.entries:
            strict.post(entry)


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    # Every entry stays, and none leads back to itself: looking for garbage among them takes a third of the time.
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            gc.enable()
