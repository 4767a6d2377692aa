"""What only PostgreSQL can do wrong: isolation, roles, passwords, a server that goes away."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.errors import InvalidInput, LedgerCorrupted, LedgerError, LedgerUnavailable, MissingExtra
from dpsynth.ledger import Ledger, postgres_faults, postgres_schema
from dpsynth.ledger.postgres_store import PostgresStore
from dpsynth.ledger.store import make_store
from tests.ledger.places import PostgresPlace
from tests.ledger.postgres_server import OWNER, WRITER, PostgresServer, programs
from tests.ledger.requests_for_tests import DATASET, UNIT, reserve, spend

psycopg = pytest.importorskip("psycopg", reason="the extra postgres is not installed here")


@pytest.fixture
def spent(postgres_place: PostgresPlace) -> Iterator[Ledger]:
    with Ledger(postgres_place.url) as ledger:
        ledger.set_budget(DATASET, PrivacyBudget(1, 0), UNIT)
        spend(ledger, "0.4")
        yield ledger


class TestIsolation:
    @pytest.mark.parametrize(("level", "accepted"), [("READ COMMITTED", 1), ("REPEATABLE READ", 2)])
    def test_the_trap_overspends_where_nothing_guards_it(
        self, postgres_place: PostgresPlace, level: str, accepted: int
    ) -> None:
        """Lock the budget, add up, insert: right under READ COMMITTED, two charges of 0.6 against 1 otherwise."""
        place = postgres_place
        place.sql(
            "CREATE TABLE budget (id integer PRIMARY KEY)",
            "INSERT INTO budget VALUES (1)",
            "CREATE TABLE charge (amount numeric)",
        )
        place_of_tables = {"host": str(place.server.folder), "dbname": place.database, "user": "postgres"}
        granted: list[str] = []

        def decide(connection: psycopg.Connection, who: str) -> None:
            connection.execute("SELECT id FROM dpsynth_ledger.budget ORDER BY id FOR UPDATE")
            row = connection.execute("SELECT coalesce(sum(amount), 0) FROM dpsynth_ledger.charge").fetchone()
            assert row is not None
            if row[0] + Decimal("0.6") <= 1:
                connection.execute("INSERT INTO dpsynth_ledger.charge VALUES (0.6)")
                granted.append(who)
            connection.commit()

        with psycopg.connect(**place_of_tables) as first, psycopg.connect(**place_of_tables) as second:
            for connection in (first, second):
                connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
                connection.execute("SELECT 1 FROM dpsynth_ledger.charge")  # from here on a snapshot is one
            decide(first, "first")
            decide(second, "second")
        assert len(granted) == accepted

    @pytest.mark.parametrize("level", ["repeatable read", "serializable"])
    def test_ours_refuses_such_a_connection(self, postgres_place: PostgresPlace, spent: Ledger, level: str) -> None:
        postgres_place.sql(
            f"ALTER ROLE {WRITER} IN DATABASE {postgres_place.database} SET default_transaction_isolation = '{level}'"
        )
        with pytest.raises(LedgerUnavailable, match=rf"READ COMMITTED, and this connection gives .*{level}"):
            Ledger(postgres_place.url)

    def test_ours_refuses_a_driver_that_does_not_set_what_it_is_told(
        self, postgres_place: PostgresPlace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from dpsynth.ledger import postgres_store

        make = postgres_store.create_engine
        monkeypatch.setattr(
            postgres_store,
            "create_engine",
            lambda url, **options: make(url, **{**options, "isolation_level": "REPEATABLE READ"}),
        )
        with pytest.raises(LedgerUnavailable, match="gives 'repeatable read'"):
            Ledger(postgres_place.url)

    def test_without_that_guard_the_chain_still_refuses_the_second_link(
        self, postgres_place: PostgresPlace, spent: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from dpsynth.ledger import postgres_store

        make = postgres_store.create_engine
        monkeypatch.setattr(
            postgres_store,
            "create_engine",
            lambda url, **options: make(url, **{**options, "isolation_level": "REPEATABLE READ"}),
        )
        monkeypatch.setattr(
            postgres_schema, "require_settings", lambda connection, name: connection.execute(postgres_schema._ASK)
        )
        with Ledger(postgres_place.url) as one, Ledger(postgres_place.url) as other:
            refused: list[LedgerError] = []
            started, go = threading.Event(), threading.Event()
            lock = postgres_store._LOCK

            def late() -> None:
                def slow(connection: object, name: str) -> None:
                    connection.execute(postgres_schema._ASK)  # type: ignore[attr-defined]  # takes the snapshot
                    started.set()
                    go.wait(20)

                monkeypatch.setattr(postgres_schema, "require_settings", slow)
                try:
                    reserve(other, "0.6", release_id="late")
                except LedgerError as fault:
                    refused.append(fault)

            thread = threading.Thread(target=late)
            thread.start()
            started.wait(20)
            monkeypatch.setattr(postgres_schema, "require_settings", lambda connection, name: None)
            reserve(one, "0.6", release_id="early")
            go.set()
            thread.join()
            assert lock is postgres_store._LOCK
        assert len(refused) == 1
        monkeypatch.undo()

    def test_a_commit_waits_for_the_disk_whatever_the_role_prefers(
        self, postgres_place: PostgresPlace, spent: Ledger
    ) -> None:
        postgres_place.sql(f"ALTER ROLE {WRITER} IN DATABASE {postgres_place.database} SET synchronous_commit = off")
        store = PostgresStore(postgres_place.url)
        with store.writing() as transaction:
            setting = transaction._connection.exec_driver_sql("SHOW synchronous_commit").scalar()
            isolation = transaction._connection.exec_driver_sql("SHOW transaction_isolation").scalar()
        store.close()
        assert (setting, isolation) == ("on", "read committed")

    def test_a_server_without_fsync_is_refused(self) -> None:
        bin_folder = programs()
        if bin_folder is None:
            pytest.skip("PostgreSQL is not installed here: apt-get install postgresql")
        server = PostgresServer(bin_folder, fsync="off")
        try:
            database = server.new_database()
            make_store(server.url(database, OWNER), writer=WRITER)
            with pytest.raises(LedgerUnavailable, match="needs fsync = on"):
                Ledger(server.url(database))
        finally:
            server.remove()


class TestRoles:
    def test_the_writer_can_append_and_nothing_else(self, postgres_place: PostgresPlace, spent: Ledger) -> None:
        place = postgres_place
        for statement in (
            "UPDATE dpsynth_ledger.entry SET content = '{}'",
            "DELETE FROM dpsynth_ledger.entry",
            "TRUNCATE dpsynth_ledger.entry",
            "DROP TRIGGER entry_is_never_changed ON dpsynth_ledger.entry",
            "ALTER TABLE dpsynth_ledger.entry DISABLE TRIGGER ALL",
            "DROP TABLE dpsynth_ledger.entry",
            "UPDATE dpsynth_ledger.store SET version = 9",
            "DELETE FROM dpsynth_ledger.store",
            "CREATE TABLE dpsynth_ledger.other (x integer)",
            "SET session_replication_role = replica",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                place.server.sql(statement, database=place.database, role=WRITER)
        for statement in ("UPDATE entry SET content = '{}'", "DELETE FROM entry", "TRUNCATE entry"):
            with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="append-only"):
                place.sql(f"SET session_replication_role = replica; {statement}")
        assert spent.verify().index == 4

    @pytest.mark.parametrize("right", ["UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "UPDATE (content)"])
    def test_a_role_that_may_do_more_is_refused(self, postgres_place: PostgresPlace, spent: Ledger, right: str) -> None:
        postgres_place.sql(f"GRANT {right} ON entry TO {WRITER}")
        for look in (lambda: Ledger(postgres_place.url), spent.verify):
            with pytest.raises(LedgerUnavailable, match="not opened as a role that can change or remove entries"):
                look()

    def test_owner_and_superuser_are_refused(self, postgres_place: PostgresPlace) -> None:
        for role in (OWNER, "postgres"):
            with pytest.raises(LedgerUnavailable, match="dpsynth ledger init --writer ROLE"):
                Ledger(postgres_place.server.url(postgres_place.database, role))

    @pytest.mark.parametrize(
        ("writer", "words"),
        [
            ("nobody_there", "there is no role"),
            (OWNER, "owns the tables"),
            ("postgres", "superuser"),
            ('x"; DROP', "there is no role"),
        ],
    )
    def test_a_writer_that_cannot_be_one_is_refused(
        self, postgres_place: PostgresPlace, writer: str, words: str
    ) -> None:
        with pytest.raises(InvalidInput, match=words):
            make_store(postgres_place.owner_url, writer=writer)

    def test_a_role_without_rights_is_told_what_to_run(self, postgres_place: PostgresPlace) -> None:
        postgres_place.sql(f"REVOKE ALL ON entry FROM {WRITER}", f"REVOKE USAGE ON SCHEMA dpsynth_ledger FROM {WRITER}")
        with pytest.raises(LedgerUnavailable, match="dpsynth ledger init with --writer"):
            Ledger(postgres_place.url)

    def test_an_empty_database_says_what_to_run(self, postgres_server: PostgresServer) -> None:
        with pytest.raises(LedgerUnavailable, match="Run, as its owner: dpsynth ledger init"):
            Ledger(postgres_server.url(postgres_server.new_database()))

    def test_an_earlier_version_says_what_to_run_and_is_then_brought_up(
        self, postgres_place: PostgresPlace, spent: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        head, steps = spent.head(), []
        monkeypatch.setattr(postgres_schema, "STORE_VERSION", 2)
        with pytest.raises(LedgerUnavailable, match="earlier version of dpsynth"):
            Ledger(postgres_place.url)
        monkeypatch.setattr(postgres_schema, "upgrade", lambda connection, version: steps.append(version))
        make_store(postgres_place.owner_url)
        with Ledger(postgres_place.url) as later:
            assert (later.verify(), steps) == (head, [1])

    def test_a_rule_that_swallows_entries_is_noticed(self, postgres_place: PostgresPlace, spent: Ledger) -> None:
        postgres_place.sql("CREATE RULE swallow AS ON INSERT TO entry DO INSTEAD NOTHING")
        with pytest.raises(LedgerCorrupted, match="does not write what it is given"):
            reserve(spent, "0.1")

    def test_a_weakened_function_is_noticed(self, postgres_place: PostgresPlace, spent: Ledger) -> None:
        postgres_place.sql(
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
        )
        with pytest.raises(LedgerCorrupted, match="missing or different"):
            Ledger(postgres_place.url)


class TestPlainWords:
    SECRET = "s3cret-in-the-url"

    @pytest.mark.parametrize(
        ("url", "kind", "words"),
        [
            ("postgresql://me:{}@127.0.0.1:1/books", LedgerUnavailable, "cannot be reached"),
            ("postgresql://me:{}@nowhere.invalid/books", LedgerUnavailable, "cannot be reached"),
            ("postgresql://me:{}@127.0.0.1:nonsense/books", InvalidInput, "not the URL of a ledger"),
            ("postgresql://me:{}@127.0.0.1", InvalidInput, "names a database"),
            ("postgresql://me@127.0.0.1:1/books?password={}", LedgerUnavailable, "cannot be reached"),
        ],
    )
    def test_no_message_holds_a_password(self, url: str, kind: type[Exception], words: str) -> None:
        with pytest.raises(kind, match=words) as refused:
            Ledger(url.format(self.SECRET))
        fault: BaseException | None = refused.value
        while fault is not None:
            assert self.SECRET not in f"{fault!s} {fault!r}"
            fault = None if fault.__suppress_context__ else fault.__context__
        with pytest.raises(kind) as refused:
            make_store(url.format(self.SECRET), writer="someone")
        assert self.SECRET not in str(refused.value)

    def test_the_name_of_a_ledger_holds_no_password(self, postgres_place: PostgresPlace) -> None:
        with Ledger(postgres_place.url.replace(f"{WRITER}@", f"{WRITER}:{self.SECRET}@")) as ledger:
            assert self.SECRET not in repr(ledger)
            assert postgres_place.database in repr(ledger)

    def test_no_such_role_or_database(self, postgres_place: PostgresPlace) -> None:
        server = postgres_place.server
        with pytest.raises(LedgerUnavailable, match="check user name and password"):
            Ledger(server.url(postgres_place.database, "stranger"))
        with pytest.raises(LedgerUnavailable, match="there is no such database"):
            Ledger(server.url("nowhere"))

    def test_a_writer_that_never_finishes(
        self, postgres_place: PostgresPlace, spent: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgres_schema, "_SET", postgres_schema._SET.bindparams(busy="200ms"))
        place = postgres_place
        with psycopg.connect(host=str(place.server.folder), dbname=place.database, user=WRITER) as other:
            other.execute("SELECT id FROM dpsynth_ledger.store FOR UPDATE")
            with pytest.raises(LedgerUnavailable, match=r"in use by another writer.*Nothing was granted"):
                reserve(spent, "0.1")
            other.rollback()
        reserve(spent, "0.1")

    def test_a_connection_that_is_cut_grants_nothing_and_is_made_again(
        self, postgres_place: PostgresPlace, spent: Ledger
    ) -> None:
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dpsynth'"
        store = spent._store

        def write() -> None:
            with store.writing() as transaction:
                postgres_place.server.sql(cut)
                transaction.rows(1)

        with pytest.raises(LedgerUnavailable, match="Nothing was granted"):
            write()
        postgres_place.server.sql(cut)
        spend(spent, "0.1", release_id="r2")
        assert spent.verify().index == 7

    def test_the_driver_is_an_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = builtins.__import__

        def without(name: str, *rest: object, **options: object) -> object:
            if name == "psycopg":
                raise ImportError(name)
            return real(name, *rest, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(builtins, "__import__", without)
        with pytest.raises(MissingExtra, match=r"\.\[postgres\]"):
            Ledger("postgresql://me@127.0.0.1:1/books")

    @pytest.mark.parametrize(
        ("state", "kind", "words"),
        [
            ("53100", LedgerUnavailable, "disk is full"),
            ("53300", LedgerUnavailable, "connections are used up"),
            ("57P03", LedgerUnavailable, "starting, stopping"),
            ("25006", LedgerUnavailable, "standby"),
            ("40001", LedgerUnavailable, "try again"),
            ("XX001", LedgerCorrupted, "damaged"),
            ("23505", LedgerCorrupted, "append-only"),
            ("99999", LedgerUnavailable, "cannot be used"),
        ],
    )
    def test_what_the_server_says_becomes_a_sentence(self, state: str, kind: type[Exception], words: str) -> None:
        fault = psycopg.Error("cell value 41")
        fault.sqlstate = state
        with pytest.raises(kind, match=words) as refused, postgres_faults.plain_faults("'it'"):
            raise fault
        assert "41" not in str(refused.value)


def test_the_witness_belongs_to_the_user_and_to_the_place(postgres_place: PostgresPlace, tmp_path: Path) -> None:
    store = PostgresStore(postgres_place.url)
    assert store.witness_path.is_relative_to(tmp_path / "home")
    with_password = PostgresStore(postgres_place.url.replace(f"{WRITER}@", f"{WRITER}:x@"))
    assert with_password.witness_path == store.witness_path
    for opened in (store, with_password):
        opened.close()


def test_the_command_makes_the_tables_and_lets_the_writer_in(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dpsynth.cli import main

    monkeypatch.setenv("DPSYNTH_HOME", str(tmp_path / "home"))
    database = postgres_server.new_database()
    for arguments in (
        ["init", "--ledger", postgres_server.url(database, OWNER), "--writer", WRITER],
        ["budget", "patients", "--epsilon", "1", "--delta", "0", "--ledger", postgres_server.url(database)],
        ["verify", "--ledger", postgres_server.url(database)],
    ):
        monkeypatch.setattr("sys.argv", ["dpsynth", "ledger", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code in {0, None}, capsys.readouterr()
    assert f"open it as {WRITER}" in (said := capsys.readouterr().out)
    assert "verified 1 entries" in said
