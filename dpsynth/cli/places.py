"""Where the ledger is when nobody says: one per user, so that changing folders never forgets what was spent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from dpsynth.errors import LedgerUnavailable
from dpsynth.ledger import KnownHead, KnownHeads, Ledger
from dpsynth.ledger.home import default_home
from dpsynth.oversight.last_view import LastView, last_view, remember_view

LEDGER_VARIABLE = "DPSYNTH_LEDGER"


def default_ledger_url() -> str:
    """Return the value of DPSYNTH_LEDGER, or the ledger beside the signing key, in DPSYNTH_HOME or the data folder."""
    named = os.environ.get(LEDGER_VARIABLE)
    if named:
        return named
    home = default_home()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return f"sqlite:///{home / 'ledger.db'}"


@contextmanager
def open_ledger(url: str | None, *, create: bool = True) -> Iterator[Ledger]:
    """Open the ledger at `url`, or the default one; only `create` makes one that is not there.

    What `show` would show of a long ledger is remembered when the command has done its work.

    Raises:
        LedgerUnavailable: it cannot be opened, or is not there.
        LedgerCorrupted: it is not a ledger, its chain is broken, or it lacks an entry that a certificate names, one
            that was issued or verified here.
    """
    with Ledger(default_ledger_url() if url is None else url, create=create, known_heads=_known_heads()) as books:
        yield books
        remember_view(books)


def unchanged_view(url: str | None) -> LastView | None:
    """Return what was last shown of the ledger at `url`, or of the default one, where nothing has changed since.

    Raises:
        LedgerUnavailable: as in `open_ledger`.
        LedgerCorrupted: the storage is damaged.
    """
    return last_view(default_ledger_url() if url is None else url, known_heads=_known_heads())


def _known_heads() -> tuple[KnownHead, ...]:
    try:
        return KnownHeads().heads()
    except OSError as fault:
        raise LedgerUnavailable("the heads that certificates name cannot be read, so no ledger is opened") from fault
