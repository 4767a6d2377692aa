"""Requests as a release would make them, with costs that are easy to add up by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from dpsynth.accounting.events import ApproximateDpEvent
from dpsynth.ledger import Ledger, OpenToken, Reservation

UNIT = "one row"
DATASET = "patients"


def pure(epsilon: str) -> ApproximateDpEvent:
    """Return something that is exactly `epsilon` differentially private."""
    return ApproximateDpEvent(Decimal(epsilon), Decimal(0))


def reserve(ledger: Ledger, epsilon: str, *, release_id: str = "r1", dataset: str = DATASET) -> Reservation:
    return ledger.reserve(
        dataset,
        release_id=release_id,
        purpose="fit independent",
        event=pure(epsilon),
        asked=f"epsilon {epsilon}, delta 0",
        unit=UNIT,
        certifiable=True,
    )


def opened(ledger: Ledger, epsilon: str, *, release_id: str = "r1", dataset: str = DATASET) -> OpenToken:
    return ledger.open(reserve(ledger, epsilon, release_id=release_id, dataset=dataset))


def spend(ledger: Ledger, epsilon: str, *, release_id: str = "r1", dataset: str = DATASET) -> None:
    token = opened(ledger, epsilon, release_id=release_id, dataset=dataset)
    ledger.settle(token, [("count", pure(epsilon))])


@contextmanager
def behind_its_back(path: Path) -> Iterator[sqlite3.Connection]:
    """Change the file with SQLite alone, as somebody with a database browser would."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def without_triggers(path: Path) -> Iterator[sqlite3.Connection]:
    """Change the file with the append-only triggers dropped, and put them back as they were."""
    with behind_its_back(path) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, statement in triggers:
            connection.execute(statement)


def witness_of(path: Path) -> Path:
    return path.with_name(path.name + ".heads")
