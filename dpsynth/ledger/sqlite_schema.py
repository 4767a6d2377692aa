"""The table of the SQLite ledger and the triggers that make it append-only; makes and inspects both."""

from __future__ import annotations

import sqlite3
import time

from dpsynth.errors import LedgerCorrupted, LedgerUnavailable
from dpsynth.ledger.migrations import STORE_VERSION
from dpsynth.ledger.sqlite_faults import BUSY_SECONDS

APPLICATION_ID = 0x64707379  # "dpsy", in the header of the file

_INSPECTION_KIB = 2**15

_TABLE = """CREATE TABLE entry (
  entry_index INTEGER PRIMARY KEY CHECK (entry_index >= 1),
  previous_digest TEXT NOT NULL UNIQUE CHECK (length(previous_digest) = 64),
  digest TEXT NOT NULL UNIQUE CHECK (length(digest) = 64),
  content TEXT NOT NULL
) STRICT"""

# INSERT OR REPLACE removes a row without asking the trigger on DELETE, so the trigger on INSERT lets nothing but the
# next link in.
_TRIGGERS = {
    "entry_is_never_changed": (
        "CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry\n"
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    ),
    "entry_is_never_removed": (
        "CREATE TRIGGER entry_is_never_removed BEFORE DELETE ON entry\n"
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    ),
    "entry_follows_the_last": (
        "CREATE TRIGGER entry_follows_the_last BEFORE INSERT ON entry\n"
        "WHEN NEW.entry_index IS NOT (SELECT coalesce(max(entry_index), 0) + 1 FROM entry)\n"
        "  OR NEW.previous_digest IS NOT coalesce(\n"
        "    (SELECT digest FROM entry ORDER BY entry_index DESC LIMIT 1), printf('%064d', 0))\n"
        "  OR EXISTS (SELECT 1 FROM entry WHERE digest = NEW.digest)\n"
        "BEGIN SELECT RAISE(ABORT, 'an entry must follow the last one'); END"
    ),
}


def prepare(driver: sqlite3.Connection, name: str) -> None:
    """Make the table in an empty file and switch the write-ahead log on; leave a ledger as it is.

    Raises:
        LedgerCorrupted: the file holds something else.
        LedgerUnavailable: a later version made it, or the log cannot be used here.
    """
    if not _holds_entries(driver, name):
        _use_log(driver, name)
        driver.execute("BEGIN IMMEDIATE")
        # Another process may have been faster.
        if not _holds_entries(driver, name):
            for statement in (_TABLE, *_TRIGGERS.values()):
                driver.execute(statement)
            driver.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            write_version(driver)
        driver.execute("COMMIT")
    _use_log(driver, name)


def version_of(driver: sqlite3.Connection) -> int:
    """Return the version of the store, as the header of the file says it."""
    (version,) = driver.execute("PRAGMA user_version").fetchone()
    return int(version)


def write_version(driver: sqlite3.Connection) -> None:
    """Write this version into the header of the file."""
    driver.execute(f"PRAGMA user_version = {STORE_VERSION}")


def schema_was_changed(driver: sqlite3.Connection) -> bool:
    """Whether tables or triggers were made, dropped or rebuilt after the file was made: SQLite counts that."""
    (changes,) = driver.execute("PRAGMA schema_version").fetchone()
    # For words only. A step to a later version of the store has to be counted here.
    return bool(changes != 1 + len(_TRIGGERS))


def inspect(driver: sqlite3.Connection, name: str) -> None:
    """Check pages, indexes and triggers.

    Raises:
        LedgerCorrupted: something is damaged or was changed.
    """
    # Every digest is looked up in two indexes: with room for both, no page is read a hundred times.
    driver.execute(f"PRAGMA cache_size = -{_INSPECTION_KIB}")
    if driver.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
        raise LedgerCorrupted(f"the ledger {name} is damaged: SQLite's integrity check fails")
    found = dict(driver.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall())
    if found != _TRIGGERS:
        raise LedgerCorrupted(
            f"the ledger {name} was changed: the triggers that make it append-only are missing or different"
        )


def _holds_entries(driver: sqlite3.Connection, name: str) -> bool:
    (objects,) = driver.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (application,) = driver.execute("PRAGMA application_id").fetchone()
    if objects and application != APPLICATION_ID:
        raise LedgerCorrupted(f"{name} is not a ledger: it is an SQLite file that holds something else")
    if objects and version_of(driver) > STORE_VERSION:
        raise LedgerUnavailable(f"the ledger {name} was made by a later version of dpsynth; upgrade to open it")
    return bool(objects)


def _use_log(driver: sqlite3.Connection, name: str) -> None:
    # SQLite does not wait for other processes when the journal mode changes, so wait here.
    deadline = time.monotonic() + BUSY_SECONDS
    while not _log_is_on(driver):
        if time.monotonic() > deadline:
            raise LedgerUnavailable(f"the ledger {name} cannot use a write-ahead log here; keep it on a local disk")
        time.sleep(0.02)


def _log_is_on(driver: sqlite3.Connection) -> bool:
    try:
        (mode,) = driver.execute("PRAGMA journal_mode").fetchone()
        if mode not in {"wal", "memory"}:
            (mode,) = driver.execute("PRAGMA journal_mode = WAL").fetchone()
    except sqlite3.OperationalError as fault:
        if fault.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise
        return False
    return mode in {"wal", "memory"}
