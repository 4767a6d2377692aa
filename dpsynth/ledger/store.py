"""Where entries are kept: the contract of a store, and the way from a URL to one.

A store keeps rows in order and promises durability and one writer at a time; it knows nothing about budgets. Everything
that decides is in `account`, so another database brings another store and no other rule.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from dpsynth.errors import InvalidInput
from dpsynth.ledger.chain import StoredEntry

_EXAMPLE = "'sqlite:///ledger.db'"
_TEAM = "'postgresql://role@host/database'"
_POSTGRES = frozenset(["postgresql", "postgres"])
_MEMORY = frozenset(["sqlite://", "sqlite:///:memory:", ":memory:"])


class StoreTransaction(Protocol):
    """The only writer, until the transaction ends; all or nothing."""

    def rows(self, from_index: int) -> list[StoredEntry]:
        """Return the entries at `from_index` and after it, oldest first."""

    def append(self, row: StoredEntry) -> None:
        """Add `row` behind the last entry."""


class LedgerStore(Protocol):
    """An append-only list of entries on disk."""

    @property
    def name(self) -> str:
        """What to call it in a message."""

    @property
    def durable(self) -> bool:
        """Whether entries outlive this process and are shared with others."""

    @property
    def witness_path(self) -> Path | None:
        """Where the heads are witnessed; None for a store that is not durable."""

    def rows(self, from_index: int) -> list[StoredEntry]:
        """Return one consistent view of the entries at `from_index` and after it, oldest first.

        Raises:
            LedgerUnavailable: the store cannot be read.
            LedgerCorrupted: it is damaged.
        """

    def writing(self) -> AbstractContextManager[StoreTransaction]:
        """Become the only writer; on leaving without an error everything appended is on disk.

        Raises:
            LedgerUnavailable: another writer does not finish, or the disk refuses.
            LedgerCorrupted: the store is damaged.
        """

    def inspect(self) -> None:
        """Check the storage itself: pages, indexes, and the rules that make it append-only.

        Raises:
            LedgerCorrupted: something is damaged or was changed.
        """

    def inspecting(self) -> AbstractContextManager[None]:
        """Return what inspects the storage and may do so beside what is done with it.

        Raises:
            LedgerCorrupted: on leaving at the latest, and before all that is found meanwhile: as in `inspect`.
        """

    def lost_end(self) -> str:
        """Return in words, without a full stop, what has probably happened where known entries are missing."""

    def close(self) -> None:
        """Give everything back; the store cannot be used afterwards."""


def open_store(url: str | os.PathLike[str], *, create: bool, inspect: bool = True) -> LedgerStore:
    """Return the store at `url`: a path, `sqlite:///path`, `sqlite://` (in memory), or `postgresql://role@host/database`.

    Only an SQLite file can be made in passing; the tables on a server are made once, by `make_store`. Without `inspect`
    whoever opens a file has to inspect it before anything rests on it.

    Raises:
        InvalidInput: another kind of URL.
        LedgerUnavailable: there is nothing that can be opened, or made where `create` is set.
        LedgerCorrupted: what is there is not a ledger.
        MissingExtra: a ledger on PostgreSQL needs the extra of that name.
    """
    if is_postgres(url):
        from dpsynth.ledger.postgres_store import PostgresStore

        return PostgresStore(str(url))
    path = _path_of(url)
    # SQLAlchemy is loaded with the first ledger, not with the package.
    from dpsynth.ledger.sqlite_store import SqliteStore

    return SqliteStore(path, create=create, inspect=inspect)


def make_store(url: str | os.PathLike[str], *, writer: str | None = None) -> None:
    """Make the store at `url`, or bring one of an earlier version to this one; entries stay as they are.

    Args:
        url: as in `open_store`; for PostgreSQL with the role that owns the tables, or shall own them.
        writer: the role that may append from then on, for PostgreSQL; it must be there already.

    Raises:
        InvalidInput: another kind of URL, or `writer` cannot be used.
        LedgerUnavailable: it cannot be made here.
    """
    if is_postgres(url):
        from dpsynth.ledger.postgres_store import make_postgres_ledger

        make_postgres_ledger(str(url), writer)
    elif writer is not None:
        raise InvalidInput("only a ledger on PostgreSQL has a role that writes; a file has permissions")
    else:
        open_store(url, create=True).close()


def is_postgres(url: str | os.PathLike[str]) -> bool:
    """Whether `url` names a ledger on PostgreSQL."""
    return isinstance(url, str) and url.partition("://")[0] in _POSTGRES and "://" in url


def _path_of(url: str | os.PathLike[str]) -> Path | None:
    text = os.fspath(url)
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise InvalidInput(f"a ledger needs a URL such as {_EXAMPLE}")
    if text in _MEMORY:
        return None
    scheme, separator, rest = text.partition("://")
    if not separator:
        if text.startswith(("sqlite:", "file:")):
            raise InvalidInput(f"'{text}' is not the URL of a ledger; write {_EXAMPLE}")
        return Path(text).expanduser()
    if scheme != "sqlite":
        raise InvalidInput(f"a ledger cannot be kept on '{scheme}'; use {_EXAMPLE} or {_TEAM}")
    if not rest.startswith("/") or rest == "/" or "?" in rest:
        raise InvalidInput(f"'{text}' is not the URL of a ledger; write {_EXAMPLE}, or sqlite:////absolute/ledger.db")
    return Path(rest[1:]).expanduser()
