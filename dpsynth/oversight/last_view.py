"""What was last shown of a long ledger, so that showing it again need not decide about every entry anew.

A note in the user's own folder, beside the heads that certificates name. It is shown where the ledger is unchanged to
the letter since it was written, and it is said that it is a note. It grants nothing: whatever charges, verifies, audits
or exports decides about every entry as ever, and so does every view of a ledger that has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from dpsynth.errors import LedgerError
from dpsynth.ledger import Head, KnownHead, Ledger
from dpsynth.ledger.authorship import current_time, software_digest
from dpsynth.ledger.home import default_home
from dpsynth.ledger.refusals import RefusalCounts
from dpsynth.ledger.store import open_store
from dpsynth.ledger.unchanged import is_unchanged
from dpsynth.oversight.account import DatasetAccount, NoteLine, ReleaseLine, accounts

LAST = 20
"""How many releases of each budget a note holds."""

LONG = 2_000
"""Entries from which a ledger is worth a note; a shorter one opens at once."""


@dataclass(frozen=True, slots=True)
class LastView:
    """The accounts of a ledger, as they were when all of it was last decided about.

    Attributes:
        accounts: all of them, with their last `LAST` releases.
        head: the last entry, then and now.
        checked: when every entry was decided about, UTC.
    """

    accounts: tuple[DatasetAccount, ...]
    head: Head
    checked: str


def remember_view(ledger: Ledger) -> None:
    """Write down what `show` shows of `ledger`, if it is long; a failure is passed over, because it is only a note."""
    path = _place_of(ledger.witness_path)
    with contextlib.suppress(OSError, LedgerError):
        head = ledger.head()
        if path is None or head.index < LONG or _is_written(path, head):
            return
        said = {
            "software": software_digest(),
            "index": head.index,
            "digest": head.digest,
            "checked": current_time(),
            "accounts": [account.to_json() for account in accounts(ledger, last=LAST)],
        }
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(said, file)
        draft.replace(path)


def last_view(url: str | os.PathLike[str], *, known_heads: Iterable[KnownHead] = ()) -> LastView | None:
    """Return what was remembered of the ledger at `url`; None where there is no note or anything is not as it was.

    Storage, every digest, the witness and `known_heads` are checked as an opening checks them. What entries mean is
    not: the sums are those of the note. How often requests were refused is read anew.

    Raises:
        LedgerUnavailable: the ledger cannot be opened.
        LedgerCorrupted: it is damaged.
    """
    store = open_store(url, create=False, inspect=False)
    try:
        with store.inspecting():
            path = _place_of(store.witness_path)
            found = None if path is None else _read(path)
            if found is None or not is_unchanged(store, found.head, known_heads):
                return None
            refusals = RefusalCounts(store.witness_path)
    finally:
        store.close()
    return replace(
        found,
        accounts=tuple(replace(account, refused=dict(refusals.of(account.data_set))) for account in found.accounts),
    )


def _place_of(witness: Path | None) -> Path | None:
    if witness is None:
        return None
    return default_home() / "views" / f"{hashlib.sha256(os.fsencode(witness.resolve())).hexdigest()[:32]}.json"


def _is_written(path: Path, head: Head) -> bool:
    found = _read(path)
    return found is not None and found.head == head


def _read(path: Path) -> LastView | None:
    """Return what a note of this very software says; of another one it may mean something else."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if said["software"] != software_digest():
            return None
        found = tuple(_account(account) for account in said["accounts"])
        return LastView(found, Head(int(said["index"]), str(said["digest"])), str(said["checked"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _account(said: dict[str, object]) -> DatasetAccount:
    parts = {"data_sets": str, "releases": _release, "notes": _note}
    lists = {name: tuple(map(make, said[name])) for name, make in parts.items()}  # type: ignore[call-overload]
    return DatasetAccount(**{**said, **lists})  # type: ignore[arg-type]


def _release(said: dict[str, object]) -> ReleaseLine:
    return ReleaseLine(**said)  # type: ignore[arg-type]


def _note(said: dict[str, object]) -> NoteLine:
    return NoteLine(**said)  # type: ignore[arg-type]
