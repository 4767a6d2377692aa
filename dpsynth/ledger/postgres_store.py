"""The store of a team: one PostgreSQL database that many machines charge.

Works as a role that can read and append, and refuses one that could do more. Every transaction is READ COMMITTED, takes
the one lock of the ledger before it reads, and is on disk before it returns.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError

from dpsynth.errors import InvalidInput, LedgerCorrupted, MissingExtra
from dpsynth.ledger import postgres_schema
from dpsynth.ledger.chain import StoredEntry
from dpsynth.ledger.home import default_home
from dpsynth.ledger.postgres_faults import plain_faults

_EXAMPLE = "postgresql://role@host/database"
_CONNECT_SECONDS = 10
_READ = text(
    "SELECT entry_index, previous_digest, digest, content FROM dpsynth_ledger.entry"
    " WHERE entry_index >= :first ORDER BY entry_index"
)
_LOCK = text("SELECT id FROM dpsynth_ledger.store WHERE id = 1 FOR UPDATE")
_APPEND = text(
    "INSERT INTO dpsynth_ledger.entry (entry_index, previous_digest, digest, content)"
    " VALUES (:entry_index, :previous_digest, :digest, :content)"
)


class PostgresTransaction:
    """Holds the lock of the ledger."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        """Work on `connection`, inside its transaction."""
        self._connection = connection

    def rows(self, from_index: int) -> list[StoredEntry]:
        """Return the entries at `from_index` and after it, oldest first."""
        # From the driver's cursor, as in the SQLite store.
        with self._connection.execute(_READ, {"first": from_index}) as result:
            return list(map(StoredEntry._make, result.cursor.fetchall()))

    def append(self, row: StoredEntry) -> None:
        """Add `row` behind the last entry."""
        written = self._connection.execute(
            _APPEND,
            {
                "entry_index": row.index,
                "previous_digest": row.previous_digest,
                "digest": row.digest,
                "content": row.content,
            },
        )
        # A rule of the database may turn an INSERT into nothing and call it done.
        if written.rowcount != 1:
            raise LedgerCorrupted("the ledger was changed: the database does not write what it is given")


class PostgresStore:
    """Entries in the schema `dpsynth_ledger` of a database."""

    __slots__ = ("_engine", "_pid", "_url")

    def __init__(self, url: str) -> None:
        """Connect to `url` and check version, role, settings and triggers; makes nothing."""
        self._url = _parsed(url)
        self._engine, self._pid = _engine(self._url), os.getpid()
        try:
            with self._transaction() as connection:
                postgres_schema.require_current(connection, self.name)
                postgres_schema.require_append_only_role(connection, self.name)
                postgres_schema.inspect(connection, self.name)
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """The URL in quotes, without password and options."""
        return _name(self._url)

    @property
    def durable(self) -> bool:
        """Always: there is a server."""
        return True

    @property
    def witness_path(self) -> Path:
        """A file of this user, one per host, port and database: what the server forgets, the users remember."""
        place = f"{_host(self._url)}:{self._url.port or 5432}/{self._url.database}"
        return default_home() / "witness" / f"{hashlib.sha256(place.encode()).hexdigest()[:32]}.heads"

    def rows(self, from_index: int) -> list[StoredEntry]:
        """Return one consistent view of the entries at `from_index` and after it, oldest first."""
        with self._transaction() as connection:
            return PostgresTransaction(connection).rows(from_index)

    @contextmanager
    def writing(self) -> Iterator[PostgresTransaction]:
        """Take the lock first, then read and append; leave with everything on disk or with nothing changed."""
        with self._transaction() as connection:
            connection.execute(_LOCK).one()
            yield PostgresTransaction(connection)

    def inspect(self) -> None:
        """Check role, triggers and what they run."""
        with self._transaction() as connection:
            postgres_schema.require_append_only_role(connection, self.name)
            postgres_schema.inspect(connection, self.name)

    @contextmanager
    def inspecting(self) -> Iterator[None]:
        """Inspect first: it takes no time."""
        self.inspect()
        yield

    def lost_end(self) -> str:
        """Return in words what has probably happened where known entries are missing."""
        return (
            "An old backup was restored, a standby took over that had not received everything, or the end was cut off"
        )

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose(close=os.getpid() == self._pid)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        if os.getpid() != self._pid:
            # A connection that is shared across a fork serves both sides with the answers of the other.
            self._engine.dispose(close=False)
            self._engine, self._pid = _engine(self._url), os.getpid()
        with plain_faults(self.name), self._engine.connect() as connection, connection.begin():
            postgres_schema.require_settings(connection, self.name)
            yield connection


def make_postgres_ledger(url: str, writer: str | None) -> None:
    """Make the tables at `url`, or bring them to this version, as their owner, and let the role `writer` append.

    Raises:
        InvalidInput: it is no URL, or `writer` is no role or could do more than append.
        LedgerUnavailable: the server cannot be reached, refuses, or holds a ledger of a later version.
    """
    parsed = _parsed(url)
    name = _name(parsed)
    engine = _engine(parsed)
    try:
        with plain_faults(name), engine.connect() as connection, connection.begin():
            postgres_schema.initialize(connection, writer, name)
    finally:
        engine.dispose()


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Not chained and not repeated: it may hold a password.
        raise InvalidInput(f"this is not the URL of a ledger; write {_EXAMPLE}") from None
    if not parsed.database:
        raise InvalidInput(f"the URL of a ledger names a database; write {_EXAMPLE}")
    return parsed.set(drivername="postgresql+psycopg")


def _host(url: URL) -> str:
    host = url.host or url.query.get("host") or "local"
    return host if isinstance(host, str) else ",".join(host)


def _name(url: URL) -> str:
    role = f"{url.username}@" if url.username else ""
    port = f":{url.port}" if url.port else ""
    return f"'postgresql://{role}{_host(url)}{port}/{url.database}'"


def _engine(url: URL) -> Engine:
    try:
        import psycopg  # noqa: F401  only to say what is missing
    except ImportError as missing:
        raise MissingExtra("psycopg", "postgres") from missing
    return create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_size=2,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "connect_timeout": _CONNECT_SECONDS,
            "application_name": "dpsynth",
        },
    )
