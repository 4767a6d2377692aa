"""All accounts of a ledger, brought up to date entry by entry; what does not follow is refused."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice

from dpsynth.accounting.cost import PrivacyCost
from dpsynth.errors import InvalidInput, LedgerCorrupted
from dpsynth.ledger.account import Account
from dpsynth.ledger.chain import EMPTY_HEAD, Head, StoredEntry
from dpsynth.ledger.curve import curve_agrees, plainly_agrees
from dpsynth.ledger.entry import LedgerEntry, read_entry, require_canonical, require_digest
from dpsynth.ledger.reservation_record import ReservationRecord
from dpsynth.ledger.signed_heads import refusal_of_signature
from dpsynth.ledger.statement import ONLY, EntryKind, Statement

TERMS = frozenset({EntryKind.BUDGET, EntryKind.PLAN, EntryKind.EPOCH})
"""Kinds that say what a population may spend; their `dataset` names the population."""


CHARGES = frozenset({EntryKind.RESERVE, EntryKind.DECLARE})
"""Kinds that begin to count something."""

_PIECE = 1000


class Books:
    """The state that a chain of entries leads to.

    Attributes:
        head: the last entry that was posted.
        entries: everything that was posted, oldest first.
        accounts: one per population.
        links: the populations of each data set that entries speak about, in order of their first entry.
        unusual: indices of stored entries of which reading has not shown that they are spelled canonically.
    """

    __slots__ = ("_audit", "_of", "accounts", "entries", "head", "links", "unusual")

    def __init__(self, *, audit: bool = False) -> None:
        """Start empty; `audit` also checks the budget after each single entry."""
        self.head = EMPTY_HEAD
        self.entries: list[LedgerEntry] = []
        self.accounts: dict[str, Account] = {}
        self.links: dict[str, tuple[str, ...]] = {}
        self.unusual: set[int] = set()
        # The accounts of each data set, once it has any; looked up several times for every entry.
        self._of: dict[str, tuple[Account, ...]] = {}
        self._audit = audit

    def account(self, population: str) -> Account:
        """Return the account of `population`; one that never was mentioned is empty and is not kept."""
        return self.accounts.get(population) or Account(population)

    def populations(self, dataset: str) -> tuple[str, ...]:
        """Return the populations that `dataset` charges; one that was never declared is its own."""
        return self.links.get(dataset) or (dataset,)

    def accounts_of(self, dataset: str) -> tuple[Account, ...]:
        """Return the accounts that `dataset` charges."""
        return self._of.get(dataset) or tuple(map(self.account, self.populations(dataset)))

    def records(self) -> list[ReservationRecord]:
        """Return every reservation once, oldest first."""
        found: dict[int, ReservationRecord] = {}
        for account in self.accounts.values():
            found |= account.records
        return [found[index] for index in sorted(found)]

    def refusal(self, entry: Statement) -> str | None:
        """Return why `entry` may not follow, in words; None where it may."""
        if entry.kind is EntryKind.LINK:
            return self._refuse_link(entry)
        if entry.kind is EntryKind.SIGN:
            before = self.head
            if isinstance(entry, LedgerEntry):
                before = Head(entry.index - 1, entry.previous_digest)
            return refusal_of_signature(before, entry)
        if entry.kind in TERMS and self.populations(entry.dataset) != (entry.dataset,):
            return self._not_a_population(entry.dataset)
        try:
            for account in self.accounts_of(entry.dataset):
                refusal = account.refusal(entry)
                if refusal is not None:
                    return refusal
        except InvalidInput as fault:
            # A charge claims to cost less than it does.
            return str(fault)
        return None

    def post(self, entry: LedgerEntry) -> None:
        """Count `entry`.

        Raises:
            LedgerCorrupted: it does not follow the last one, or is not legal where it stands; nothing was counted.
        """
        if (entry.index, entry.previous_digest) != (self.head.index + 1, self.head.digest):
            raise LedgerCorrupted(f"entry {entry.index} does not follow the entry before it: the chain is broken there")
        refusal = self.refusal(entry)
        if refusal is not None:
            raise LedgerCorrupted(f"entry {entry.index} is not legal: {refusal}")
        self.count(entry)
        if entry.curve is not None:
            self.require_true_curve(entry)
        self.entries.append(entry)
        self.head = entry.head

    def count(self, entry: LedgerEntry) -> None:
        """Count `entry`, which `refusal` has let pass, wherever it stands.

        Raises:
            LedgerCorrupted: an audit finds a budget exceeded.
        """
        if entry.kind is EntryKind.LINK:
            self._link(entry)
            return
        if entry.kind is EntryKind.SIGN:
            return
        accounts = self.accounts_of(entry.dataset)
        for account in accounts:
            account.post(entry)
            self.accounts[account.name] = account
        self._of[entry.dataset] = accounts
        if entry.kind in CHARGES or not accounts[0].is_declared:
            self.links.setdefault(entry.dataset, (entry.dataset,))
        if self._audit:
            self.require_kept(entry)

    def require_true_curve(self, entry: LedgerEntry) -> None:
        """Recompute what `entry`, which was just counted, states to have resulted.

        Raises:
            LedgerCorrupted: it states another cost than its events have.
        """
        curve, accounts = entry.curve or {}, self.accounts_of(entry.dataset)
        false = len(curve) != len(accounts)
        for account in accounts:
            false = false or not _is_true_of(account, curve.get(account.name))
        if false:
            raise LedgerCorrupted(f"entry {entry.index} states another cost than its events have")

    def require_kept(self, entry: LedgerEntry) -> None:
        """Refuse `entry`, which was just counted, where it took a population over its budget.

        Raises:
            LedgerCorrupted: naming the entry and the population.
        """
        for account in self.accounts_of(entry.dataset):
            if account.records and not account.within_budget(account.spent):
                raise LedgerCorrupted(f"entry {entry.index} takes {account.title} over its budget")

    def post_rows(self, rows: Iterable[StoredEntry]) -> None:
        """Read, check and count stored entries.

        Raises:
            LedgerCorrupted: as in `post`, or an entry is not what its digest says.
        """
        # Piece by piece, because reading many and then deciding about many is faster than to take turns.
        left = iter(rows)
        while piece := list(islice(left, _PIECE)):
            read: list[LedgerEntry] = []
            try:
                for row in piece:
                    read.append(read_entry(row, self.unusual))  # noqa: PERF401  those before a fault are kept
            finally:
                # The first that does not hold is named, so those before one that cannot be read come first.
                for entry in read:
                    self.post(entry)

    def budgets_kept(self) -> bool:
        """Whether it is plain that no budget was exceeded at any prefix; where not, post again with `audit`."""
        return all(account.never_exceeded() for account in self.accounts.values())

    def spent_after(self, entry: Statement) -> dict[str, PrivacyCost]:
        """Return what would count for each population after `entry`, which `refusal` lets pass.

        Empty for kinds that change no count.
        """
        if entry.kind not in ONLY["curve"]:
            return {}
        return {account.name: account.spent_after(entry) for account in self.accounts_of(entry.dataset)}

    def _refuse_link(self, entry: Statement) -> str | None:
        dataset, populations = entry.dataset, entry.populations
        if dataset in self.links or dataset in self.accounts:
            return f"data set '{dataset}' is known already, and the populations of a data set are fixed before all else"
        if not populations or len(set(populations)) < len(populations) or entry.charges or entry.budget is not None:
            return "a link names the populations of a data set, each once, and nothing else"
        if dataset in populations and len(populations) > 1:
            return f"a population of several data sets needs a name of its own, other than that of data set '{dataset}'"
        linked = [name for name in populations if self.populations(name) != (name,)]
        return self._not_a_population(linked[0]) if linked else None

    def _not_a_population(self, dataset: str) -> str:
        names = " and ".join(f"'{name}'" for name in self.populations(dataset))
        return f"'{dataset}' is a data set that belongs to {names}, and a budget is that of a population: name one"

    def _link(self, entry: LedgerEntry) -> None:
        self.links[entry.dataset] = entry.populations
        for name in entry.populations:
            account = self.accounts.setdefault(name, Account(name))
            account.is_declared = account.is_declared or name != entry.dataset
            if account.is_declared and not account.records:
                # It had a budget before anybody could know that it is no data set.
                self.links.pop(name, None)


def _is_true_of(account: Account, stated: Mapping[str, str] | None) -> bool:
    if stated is None:
        return False
    part = account.gaussian_part
    return (part is not None and plainly_agrees(stated, *part)) or curve_agrees(stated, account.spent)


def checked_books(rows: Iterable[StoredEntry]) -> Books:
    """Return the books of a whole chain from its first entry.

    Raises:
        LedgerCorrupted: the chain, an entry, or a budget at some prefix does not hold; the first one is named.
    """
    books = Books()
    books.post_rows(rows)
    _require_budgets_kept(books)
    return books


def audited_books(rows: Sequence[StoredEntry], books: Books) -> Books:
    """Return what `checked_books` makes of `rows`, after comparing the spelling of every entry as well.

    Every digest is recomputed. Where all are those of `books`, whose entries were checked one by one when they were
    posted, the contents are the same to the letter and `books` is returned: the same check would find the same. So is
    the spelling of those that were seen to be canonical when they were read.

    Raises:
        LedgerCorrupted: as in `checked_books`, or an entry is not spelled canonically.
    """
    if [row.digest for row in rows] != [entry.digest for entry in books.entries]:
        books = checked_books(rows)
    _require_budgets_kept(books)
    for row, entry in zip(rows, books.entries, strict=True):
        require_digest(row)
        if row.index in books.unusual:
            require_canonical(row, entry)
    return books


def _require_budgets_kept(books: Books) -> None:
    if not books.budgets_kept():
        strict = Books(audit=True)
        for entry in books.entries:
            strict.post(entry)


@contextmanager
def no_search_for_cycles() -> Iterator[None]:
    """Let nobody look for garbage while many entries are read: they stay, and none leads back to itself."""
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            if not gc.get_freeze_count():
                # All that was read is old from now on: to look through it once would take as long as to read a tenth.
                gc.freeze()
                gc.unfreeze()
            gc.enable()
