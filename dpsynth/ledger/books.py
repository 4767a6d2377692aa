"""All accounts of a ledger, brought up to date entry by entry; what does not follow is refused."""

from __future__ import annotations

from collections.abc import Iterable

from dpsynth.errors import LedgerCorrupted
from dpsynth.ledger.account import Account
from dpsynth.ledger.chain import EMPTY_HEAD, StoredEntry
from dpsynth.ledger.entry import LedgerEntry, read_entry


class Books:
    """The state that a chain of entries leads to.

    Attributes:
        head: the last entry that was posted.
        accounts: one per data set.
    """

    __slots__ = ("_audit", "accounts", "head")

    def __init__(self, *, audit: bool = False) -> None:
        """Start empty; `audit` also checks canonical spelling and the budget after each single entry."""
        self.head = EMPTY_HEAD
        self.accounts: dict[str, Account] = {}
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
        self.head = entry.head
        if self._audit and account.records and not account.within_budget(account.spent):
            raise LedgerCorrupted(f"entry {entry.index} takes data set '{entry.dataset}' over its budget")

    def post_rows(self, rows: Iterable[StoredEntry]) -> None:
        """Read, check and count stored entries.

        Raises:
            LedgerCorrupted: as in `post`, or an entry is not what its digest says.
        """
        for row in rows:
            self.post(read_entry(row, canonical=self._audit))

    def budgets_kept(self) -> bool:
        """Whether it is plain that no budget was exceeded at any prefix; where not, post again with `audit`."""
        return all(account.never_exceeded() for account in self.accounts.values())


def checked_books(rows: Iterable[StoredEntry]) -> Books:
    """Return the books of a whole chain from its first entry.

    Raises:
        LedgerCorrupted: the chain, an entry, or a budget at some prefix does not hold; the first one is named.
    """
    kept = list(rows)
    books = Books()
    books.post_rows(kept)
    if not books.budgets_kept():
        Books(audit=True).post_rows(kept)
    return books
