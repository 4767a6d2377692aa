"""The two places where a ledger can live, with what somebody can do there behind its back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol

import pytest

from dpsynth.ledger import Ledger
from dpsynth.ledger.store import LedgerStore, make_store, open_store
from tests.ledger.postgres_server import OWNER, PostgresServer, programs

ENTRY_TRIGGERS = ("entry_is_never_changed", "entry_is_never_removed", "entry_follows_the_last")


class Place(Protocol):
    """An empty ledger somewhere."""

    kind: str
    url: str

    def sql(self, *statements: str) -> None:
        """Run SQL as the mightiest user there is; `entry` is the table."""

    def tamper(self, *statements: str) -> None:
        """Run SQL with the triggers away, and put them back as they were."""

    def set_version(self, version: int) -> None:
        """Write another version of the store down."""


class SqlitePlace:
    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.db"
        self.url = f"sqlite:///{self.path}"
        make_store(self.url)

    def sql(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    def tamper(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            undone = [f"DROP TRIGGER {name}" for name, _ in triggers]
            for statement in (*undone, *statements, *(made for _, made in triggers)):
                connection.execute(statement)

    def set_version(self, version: int) -> None:
        self.sql(f"PRAGMA user_version = {version}")


class PostgresPlace:
    kind = "postgresql"

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.database = server.new_ledger()
        self.url = server.url(self.database)
        self.owner_url = server.url(self.database, OWNER)

    def sql(self, *statements: str) -> None:
        for statement in statements:
            self.server.sql(f"SET search_path = dpsynth_ledger; {statement}", database=self.database)

    def tamper(self, *statements: str) -> None:
        self.sql("ALTER TABLE entry DISABLE TRIGGER USER", *statements)
        self.sql(*(f"ALTER TABLE entry ENABLE ALWAYS TRIGGER {name}" for name in ENTRY_TRIGGERS))

    def set_version(self, version: int) -> None:
        self.sql(f"UPDATE store SET version = {version}")


def witness_at(place: Place) -> Path:
    """Return the file that remembers the heads of the ledger at `place`."""
    store: LedgerStore = open_store(place.url, create=False)
    store.close()
    assert store.witness_path is not None
    return store.witness_path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    bin_folder = programs()
    if bin_folder is None:
        pytest.skip("PostgreSQL is not installed here: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="the extra postgres is not installed here")
    server = PostgresServer(bin_folder)
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("DPSYNTH_HOME", str(tmp_path / "home"))
    if request.param == "sqlite":
        return SqlitePlace(tmp_path)
    return PostgresPlace(request.getfixturevalue("postgres_server"))


@pytest.fixture
def postgres_place(postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PostgresPlace:
    monkeypatch.setenv("DPSYNTH_HOME", str(tmp_path / "home"))
    return PostgresPlace(postgres_server)


@pytest.fixture
def kept(place: Place) -> Iterator[Ledger]:
    """The ledger at `place`, open."""
    with Ledger(place.url, create=False) as ledger:
        yield ledger
