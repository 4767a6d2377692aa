"""What SQLite says, in plain sentences."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from dpsynth.errors import LedgerCorrupted, LedgerError, LedgerUnavailable

BUSY_SECONDS = 30
"""How long a writer waits for another one."""

_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY: f"is in use by another process that did not finish within {BUSY_SECONDS} seconds; try again",
    sqlite3.SQLITE_LOCKED: "is in use by another connection; try again",
    sqlite3.SQLITE_PROTOCOL: "cannot be locked; keep it on a local disk",
    sqlite3.SQLITE_READONLY: "is read-only; a ledger that cannot be written cannot grant anything",
    sqlite3.SQLITE_PERM: "may not be opened by this user",
    sqlite3.SQLITE_FULL: "cannot be written because the disk is full; free some space and try again",
    sqlite3.SQLITE_IOERR: "cannot be written: the disk is full, has a quota, or fails; free some space and try again",
    sqlite3.SQLITE_IOERR_READ: "cannot be read: the disk fails",
    sqlite3.SQLITE_IOERR_SHORT_READ: "cannot be read: the disk fails, or its -wal file was removed while in use",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: it or its folder is gone, or may not be written by this user",
    sqlite3.SQLITE_NOMEM: "cannot be opened: memory is used up",
}

_CORRUPTED = {
    sqlite3.SQLITE_NOTADB: "is not a ledger: it is no SQLite file",
    sqlite3.SQLITE_CORRUPT: "is damaged: SQLite cannot read all of it; restore the newest backup",
    sqlite3.SQLITE_ERROR: "is not a ledger: its table of entries is missing or has another form",
    sqlite3.SQLITE_CONSTRAINT: "refused an entry: the ledger is append-only and every entry must follow the last one",
}


@contextmanager
def plain_faults(name: str) -> Iterator[None]:
    """Turn what the database raises into a ledger error about `name`.

    Raises:
        LedgerUnavailable: nothing was granted.
        LedgerCorrupted: the file is not a ledger or is damaged.
    """
    try:
        yield
    except (sqlite3.Error, SQLAlchemyError) as fault:
        raise _in_words(name, fault) from fault


def _in_words(name: str, fault: sqlite3.Error | SQLAlchemyError) -> LedgerError:
    original = getattr(fault, "orig", None) or fault
    code = int(getattr(original, "sqlite_errorcode", -1))
    # The low byte is the kind of error; the rest says where in SQLite it arose.
    kind = code & 0xFF
    if kind in _CORRUPTED:
        return LedgerCorrupted(f"the ledger {name} {_CORRUPTED[kind]}")
    unforeseen = f"cannot be used: {getattr(original, 'sqlite_errorname', type(original).__name__)}"
    words = _UNAVAILABLE.get(code) or _UNAVAILABLE.get(kind, unforeseen)
    return LedgerUnavailable(f"the ledger {name} {words}. Nothing was granted.")
