"""What PostgreSQL says, in plain sentences; never a password, a connection string or a parameter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from dpsynth.errors import LedgerCorrupted, LedgerError, LedgerUnavailable

BUSY_SECONDS = 30
"""How long a writer waits for another one."""

_UNREACHABLE = "cannot be reached: check host, port and network, and whether the server runs"

# By SQLSTATE; the first two characters are the kind of error.
_UNAVAILABLE = {
    "08": "cannot be reached: the connection was lost. What was being written counts if it had arrived",
    "0A": "cannot be used: this server lacks something; PostgreSQL 13 or later is needed",
    "25": "cannot be written: the server is read-only, such as a standby",
    "28": "does not let this role in: check user name and password",
    "3D": "cannot be opened: there is no such database",
    "3F": "is not there: nothing was made in this database. Run, as its owner: dpsynth ledger init",
    "40": "is in use by another connection that came first; try again",
    "42501": "may not be used by this role. Run, as the owner: dpsynth ledger init with --writer and the role",
    "42P01": "is not there: nothing was made in this database. Run, as its owner: dpsynth ledger init",
    "53": "cannot be written because the server's disk, memory or connections are used up",
    "53100": "cannot be written because the server's disk is full; free some space and try again",
    "55P03": f"is in use by another writer that did not finish within {BUSY_SECONDS} seconds; try again",
    "57": "cannot be used: the server is starting, stopping, or ended this connection; try again",
    "58": "cannot be used: the server's disk fails",
}

_CORRUPTED = {
    "22": "refused an entry: its text does not fit the database",
    "23": "refused an entry: the ledger is append-only and every entry must follow the last one",
    "42": "is not a ledger: its tables are missing or have another form",
    "XX": "is damaged: PostgreSQL cannot read all of it; restore the newest backup",
}


@contextmanager
def plain_faults(name: str) -> Iterator[None]:
    """Turn what the database raises into a ledger error about `name`.

    Raises:
        LedgerUnavailable: nothing was granted.
        LedgerCorrupted: the database holds no ledger or is damaged.
    """
    import psycopg

    try:
        yield
    except (psycopg.Error, SQLAlchemyError) as fault:
        # Not chained: the driver's own words may hold the connection string.
        raise _in_words(name, fault) from None


def _in_words(name: str, fault: Exception) -> LedgerError:
    original = getattr(fault, "orig", None) or fault
    state = str(getattr(original, "sqlstate", None) or "")
    for code in (state, state[:2]):
        if code in _UNAVAILABLE:
            return LedgerUnavailable(f"the ledger {name} {_UNAVAILABLE[code]}. Nothing was granted.")
        if code in _CORRUPTED:
            return LedgerCorrupted(f"the ledger {name} {_CORRUPTED[code]}")
    words = f"cannot be used: {type(original).__name__} {state}".rstrip() if state else _unstated(original)
    return LedgerUnavailable(f"the ledger {name} {words}. Nothing was granted.")


def _unstated(original: object) -> str:
    # Before there is a connection there is no SQLSTATE; what the server answered is in the text, and is not repeated.
    said = str(original)
    for words, code in (("password", "28"), ("pg_hba", "28"), ("role ", "28"), ("database ", "3D"), ("starting", "57")):
        if words in said and "FATAL" in said:
            return _UNAVAILABLE[code]
    return _UNREACHABLE
