"""The embedded store: one SQLite file, one connection per transaction.

Refuses network file systems, files that are no ledger, and every change or removal of an entry. A commit is on disk
before it returns (write-ahead log, synchronous=FULL) and is then copied into the main file, so that the main file alone
is complete whenever nobody else is reading. No connection is kept between transactions: nothing is shared across
threads or a fork, and a file that is replaced or removed meanwhile is noticed.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, StaticPool

from dpsynth.errors import LedgerUnavailable
from dpsynth.ledger.chain import StoredEntry
from dpsynth.ledger.filesystem import usable_file
from dpsynth.ledger.migrations import STORE_VERSION, upgrade
from dpsynth.ledger.sqlite_faults import BUSY_SECONDS, plain_faults
from dpsynth.ledger.sqlite_schema import inspect, prepare, schema_was_changed, version_of, write_version
from dpsynth.ledger.witness import witness_beside

_COLUMNS = "entry_index, previous_digest, digest, content"
_READ = f"SELECT {_COLUMNS} FROM entry WHERE entry_index >= ? ORDER BY entry_index"  # noqa: S608
_APPEND = f"INSERT INTO entry ({_COLUMNS}) VALUES (?, ?, ?, ?)"  # noqa: S608


class SqliteTransaction:
    """Holds the write lock of the file."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        """Work on `connection`, inside its transaction."""
        self._connection = connection

    def rows(self, from_index: int) -> list[StoredEntry]:
        """Return the entries at `from_index` and after it, oldest first."""
        # From the driver's cursor: an opening reads all rows, and wrapping each of them takes longer than reading it.
        with self._connection.exec_driver_sql(_READ, (from_index,)) as result:
            return list(map(StoredEntry._make, iter(result.cursor.fetchone, None)))

    def append(self, row: StoredEntry) -> None:
        """Add `row` behind the last entry."""
        self._connection.exec_driver_sql(_APPEND, (row.index, row.previous_digest, row.digest, row.content))


class SqliteStore:
    """Entries in the file `path`, or in the memory of this process where that is None."""

    __slots__ = ("_engine", "_path", "_pid")

    def __init__(self, path: Path | None, *, create: bool, inspect: bool = True) -> None:
        """Open the file; make it where it is missing and `create` is set; check it where `inspect` is."""
        self._path = None if path is None else usable_file(path, create=create)
        self._pid = os.getpid()
        self._engine = _engine(self._path)
        with plain_faults(self.name), self._engine.connect() as connection:
            prepare(_driver(connection), self.name)
            if version_of(_driver(connection)) < STORE_VERSION:
                self._upgrade(connection)
        if inspect:
            self.inspect()

    @property
    def name(self) -> str:
        """The path in quotes."""
        return "in memory" if self._path is None else f"'{self._path}'"

    @property
    def durable(self) -> bool:
        """Whether there is a file."""
        return self._path is not None

    @property
    def witness_path(self) -> Path | None:
        """A file beside the ledger."""
        return None if self._path is None else witness_beside(self._path)

    def rows(self, from_index: int) -> list[StoredEntry]:
        """Return one consistent view of the entries at `from_index` and after it, oldest first."""
        self._refuse_fork()
        with plain_faults(self.name), self._engine.connect() as connection:
            reading = connection.execution_options(reading=True)
            with reading.begin():
                return SqliteTransaction(reading).rows(from_index)

    @contextmanager
    def writing(self) -> Iterator[SqliteTransaction]:
        """Take the write lock first, then read and append; leave with everything on disk or with nothing changed."""
        self._refuse_fork()
        with plain_faults(self.name), self._engine.connect() as connection:
            with connection.begin():
                yield SqliteTransaction(connection)
            self._copy_log(connection)

    def inspect(self) -> None:
        """Check pages, indexes and triggers."""
        self._refuse_fork()
        with plain_faults(self.name), self._engine.connect() as connection:
            inspect(_driver(connection), self.name)

    @contextmanager
    def inspecting(self) -> Iterator[None]:
        """Inspect beside what is done with it: SQLite needs no Python meanwhile, and another connection."""
        with ThreadPoolExecutor(max_workers=1) as beside:
            try:
                inspection = None if self._path is None else beside.submit(self.inspect)
            except RuntimeError:  # no thread can be started
                inspection = None
            if inspection is None:
                self.inspect()
            try:
                yield
            finally:
                if inspection is not None:
                    inspection.result()

    def lost_end(self) -> str:
        """Return in words what has probably happened where known entries are missing: the file gives it away."""
        if self._path is None:
            return "The memory was changed"
        with plain_faults(self.name), self._engine.connect() as connection:
            changed = schema_was_changed(_driver(connection))
        if changed:
            return "The end was cut off: somebody has taken the triggers away, or VACUUM has put the file together anew"
        with contextlib.suppress(OSError):
            if self._path.stat().st_mtime_ns < witness_beside(self._path).stat().st_mtime_ns:
                return "A -wal file was deleted while it was needed, or an old backup was restored with its old date"
        return "An old backup was restored"

    def close(self) -> None:
        """Close the connection that memory needs; a file has none open."""
        self._engine.dispose()

    def _upgrade(self, connection: Connection) -> None:
        with connection.begin():
            # Another process may have been faster.
            version = version_of(_driver(connection))
            if version < STORE_VERSION:
                upgrade(connection, version)
                write_version(_driver(connection))

    def _copy_log(self, connection: Connection) -> None:
        # The entry is safe in the log; a copy that fails or is held up by a reader is made by the next commit.
        if self.durable:
            with contextlib.suppress(sqlite3.Error):
                _driver(connection).execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _refuse_fork(self) -> None:
        if self._path is None and os.getpid() != self._pid:
            raise LedgerUnavailable("a ledger in memory belongs to one process; use a file to share it")


def _engine(path: Path | None) -> Engine:
    def connect() -> sqlite3.Connection:
        # mode=rw: a file that is gone is an error, never a new and empty ledger.
        target = ":memory:" if path is None else f"file:{quote(str(path))}?mode=rw"
        return sqlite3.connect(
            target, uri=path is not None, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )

    engine = create_engine("sqlite://", creator=connect, poolclass=StaticPool if path is None else NullPool)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _set_pragmas(driver: sqlite3.Connection, _record: object) -> None:
    for pragma in ("foreign_keys = ON", "synchronous = FULL", "trusted_schema = OFF"):
        driver.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # The driver's own BEGIN is deferred: two writers then read the same total before either writes, and overspend.
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN DEFERRED" if reading else "BEGIN IMMEDIATE")


def _driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        raise TypeError("the store was given another driver than sqlite3")
    return driver
