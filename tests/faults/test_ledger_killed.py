"""kill -9 at any moment: the ledger still opens, verifies, and counts at least what was opened.

A child works on the ledger and says through a pipe when it touches data; the parent counts what it heard. A run dies
at a chosen point of a chosen operation (the matrix below), or whenever the parent pleases.

DPSYNTH_CRASH_RUNS sets the number of runs of the matrix (each point is visited in turn); 240 take about a minute.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from fractions import Fraction
from pathlib import Path

import pytest
from sqlalchemy import event

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.ledger import Ledger
from dpsynth.ledger.postgres_store import PostgresStore
from dpsynth.ledger.sqlite_store import SqliteStore
from dpsynth.ledger.witness import HeadWitness
from tests.faults.children import Child, Say, die, start
from tests.ledger.places import Place
from tests.ledger.requests_for_tests import DATASET, UNIT, pure, reserve

RUNS = int(os.environ.get("DPSYNTH_CRASH_RUNS", "50"))

RESERVED, ACTUAL = "0.02", "0.01"

OPERATIONS = ("RESERVE", "OPEN", "SETTLE")
POINTS = (
    "before begin",
    "after begin",
    "before insert",
    "after insert",
    "before commit",
    "after commit",
    "before witness",
    "after witness",
)
MATRIX = [*itertools.product(OPERATIONS, POINTS), ("DATA", "while reading")]


def plant(ledger: Ledger, point: str) -> None:
    """Make the next write of `ledger` die at `point`."""
    engine = ledger._store._engine  # type: ignore[attr-defined]

    def on_insert(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if statement.startswith("INSERT"):
            die()

    match point:
        case "before begin":
            event.listen(engine, "begin", lambda connection: die(), insert=True)
        case "after begin":
            event.listen(engine, "begin", lambda connection: die())
        case "before insert":
            event.listen(engine, "before_cursor_execute", on_insert)
        case "after insert":
            event.listen(engine, "after_cursor_execute", on_insert)
        case "before commit":
            event.listen(engine, "commit", lambda connection: die())
        case "after commit" if isinstance(ledger._store, SqliteStore):
            SqliteStore._copy_log = lambda store, connection: die()  # type: ignore[method-assign]
        case "after commit":
            PostgresStore._transaction = dying_after_commit(PostgresStore._transaction)  # type: ignore[method-assign]
        case "before witness":
            HeadWitness.record = lambda witness, head: die()  # type: ignore[method-assign]
        case "after witness":
            record = HeadWitness.record
            HeadWitness.record = lambda witness, head: (record(witness, head), die())[0]  # type: ignore[method-assign]


def dying_after_commit(transaction: Callable[..., AbstractContextManager[object]]) -> Callable[..., object]:
    """Return `transaction`, ending this process once the server has said that the commit is on disk."""

    @contextmanager
    def dying(store: object) -> Iterator[object]:
        with transaction(store) as connection:
            yield connection
        die()

    return dying


def one_release(ledger: Ledger, say: Say, before: Callable[[str], None] = lambda operation: None) -> None:
    """Reserve, open, touch the data, settle for less."""
    before("RESERVE")
    reservation = reserve(ledger, RESERVED, release_id=f"run-{os.getpid()}-{time.monotonic_ns()}")
    before("OPEN")
    token = ledger.open(reservation)
    say(f"touched {ACTUAL}")
    before("DATA")
    before("SETTLE")
    ledger.settle(token, [("count", pure(ACTUAL))])
    say("settled")


def touched(lines: list[str]) -> Fraction:
    """Return the cost of all data that was touched, from what the children said."""
    assert not [line for line in lines if line.startswith("FAULT")], lines
    return sum((Fraction(line.split()[1]) for line in lines if line.startswith("touched")), Fraction(0))


def assert_nothing_is_under_counted(url: str, lines: list[str]) -> None:
    with Ledger(url, create=False) as ledger:
        ledger.verify()
        spent = ledger.spent(DATASET).epsilon
        assert spent is not None
        assert touched(lines) <= spent <= 100
        # Not a trivial bound: at most one unit of ACTUAL is lost per run that was not settled.
        assert spent <= Fraction(RESERVED) * sum(entry.kind == "RESERVE" for entry in ledger.entries(DATASET))


@pytest.fixture
def url(place: Place) -> str:
    with Ledger(place.url, create=False) as ledger:
        ledger.set_budget(DATASET, PrivacyBudget(100, 0), UNIT)
    return place.url


def test_killed_at_every_point_of_every_write(url: str) -> None:
    heard: list[str] = []
    for operation, point in itertools.islice(itertools.cycle(MATRIX), RUNS):

        def work(say: Say, operation: str = operation, point: str = point) -> None:
            with Ledger(url, create=False) as ledger:

                def before(reached: str) -> None:
                    if reached == operation:
                        plant(ledger, point) if operation != "DATA" else die()

                one_release(ledger, say, before)

        lines, status = start(work).finish()
        assert status == -9, f"{operation} {point}: the child was to die there, but said {lines}"
        expected = {"RESERVE": 0, "OPEN": 0, "DATA": 1, "SETTLE": 1}[operation]
        assert len(lines) == expected, f"{operation} {point}: {lines}"
        heard += lines
        assert_nothing_is_under_counted(url, heard)
    with Ledger(url) as ledger:
        stale = ledger.recover()
        assert stale
        assert_nothing_is_under_counted(url, heard)
        for reservation in ledger.pending():
            ledger.void(reservation)
        assert_nothing_is_under_counted(url, heard)


def test_the_making_of_a_ledger_may_be_killed_too(tmp_path: Path) -> None:
    for delay in (0.0, 0.001, 0.002, 0.004, 0.006, 0.01, 0.02):
        path = tmp_path / f"{delay}.db"

        def work(say: Say, path: Path = path) -> None:
            with Ledger(path) as ledger:
                ledger.set_budget(DATASET, PrivacyBudget(1, 0), UNIT)

        child = start(work)
        time.sleep(delay)
        child.kill()
        child.finish()
        with Ledger(path) as ledger:
            ledger.set_budget(DATASET, PrivacyBudget(1, 0), UNIT)
            assert ledger.verify().index == 1


def test_killed_at_any_moment_while_others_work_too(url: str) -> None:
    """Three workers at a time; each is killed somewhere between two things that it says."""

    def work(say: Say) -> None:
        with Ledger(url, create=False) as ledger:
            say("ready")
            while True:
                one_release(ledger, say)

    heard: list[str] = []
    children: list[Child] = []
    for moment in range(max(12, RUNS // 3)):
        children.append(start(work))
        if len(children) == 3:
            child = children.pop(0)
            child.wait_for_lines(1 + moment % 4)
            time.sleep(0.0004 * (moment % 13))
            child.kill()
            heard += child.finish()[0]
    for child in children:
        child.kill()
        heard += child.finish()[0]
    assert sum(line == "settled" for line in heard) > 0
    assert_nothing_is_under_counted(url, heard)


def test_planted_defect_opening_after_touching_is_caught(url: str) -> None:
    """The harness has teeth: a release that touches data before it reserves is under-counted, and is seen."""

    def work(say: Say) -> None:
        with Ledger(url, create=False) as ledger:
            say(f"touched {ACTUAL}")
            die()
            one_release(ledger, say)

    lines, _ = start(work).finish()
    with pytest.raises(AssertionError):
        assert_nothing_is_under_counted(url, lines)
