"""The SQLite store: settings, append-only rules, and plain words for what goes wrong."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
from sqlalchemy import event

from dpsynth.accounting.cost import ZERO_COST
from dpsynth.errors import LedgerCorrupted, LedgerError, LedgerUnavailable
from dpsynth.ledger import Ledger, sqlite_schema, sqlite_store
from dpsynth.ledger.entry import entry_after
from dpsynth.ledger.sqlite_store import SqliteStore, SqliteTransaction
from dpsynth.ledger.statement import Charge, EntryKind, Statement
from tests.ledger.requests_for_tests import (
    DATASET,
    UNIT,
    behind_its_back,
    opened,
    pure,
    reserve,
    spend,
    without_triggers,
    witness_of,
)


class TestSettings:
    def test_a_commit_is_on_disk_before_it_returns(self, path: Path, ledger: Ledger) -> None:
        store = SqliteStore(path, create=False)
        with store._engine.connect() as connection:
            driver = sqlite_store._driver(connection)
            settings = {
                name: driver.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "trusted_schema")
            }
        assert settings == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "busy_timeout": 30_000,
            "trusted_schema": 0,
        }

    def test_a_writer_takes_the_lock_before_it_reads(self, path: Path, ledger: Ledger) -> None:
        store = SqliteStore(path, create=False)
        statements: list[str] = []
        event.listen(
            store._engine, "before_cursor_execute", lambda c, cursor, statement, *rest: statements.append(statement)
        )
        with store.writing() as transaction:
            transaction.rows(1)
        assert statements[0] == "BEGIN IMMEDIATE"
        assert statements[1].startswith("SELECT")

    def test_the_main_file_is_complete_and_for_its_owner_alone(self, path: Path, ledger: Ledger) -> None:
        spend(ledger, "0.1")
        assert sorted(entry.name for entry in path.parent.iterdir()) == ["ledger.db", "ledger.db.heads"]
        assert {stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()} == {0o600}

    def test_the_table_is_strict(self, path: Path, ledger: Ledger) -> None:
        with behind_its_back(path) as connection, pytest.raises(sqlite3.IntegrityError):
            connection.execute("INSERT INTO entry VALUES ('two', 'x', 'y', 'z')")


class TestAppendOnly:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE entry SET content = '{}' WHERE entry_index = 1",
            "UPDATE entry SET entry_index = 9 WHERE entry_index = 1",
            "DELETE FROM entry",
            "DELETE FROM entry WHERE entry_index = 4",
            "INSERT OR REPLACE INTO entry SELECT entry_index, previous_digest, digest, '{}' FROM entry LIMIT 1",
            "REPLACE INTO entry SELECT 5, previous_digest, digest, '{}' FROM entry WHERE entry_index = 4",
            "INSERT INTO entry VALUES (7, printf('%064d', 1), printf('%064d', 2), '{}')",
            "INSERT INTO entry VALUES (NULL, printf('%064d', 1), printf('%064d', 2), '{}')",
            "INSERT INTO entry VALUES (5, printf('%064d', 1), printf('%064d', 2), '{}')",
        ],
    )
    def test_sql_can_neither_change_nor_remove_nor_fork(self, path: Path, ledger: Ledger, statement: str) -> None:
        spend(ledger, "0.1")
        with behind_its_back(path) as connection, pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
        assert ledger.verify().index == 4

    def test_dropped_triggers_are_noticed(self, path: Path, ledger: Ledger) -> None:
        with behind_its_back(path) as connection:
            connection.execute("DROP TRIGGER entry_is_never_changed")
        for look in (lambda: Ledger(path), ledger.verify):
            with pytest.raises(LedgerCorrupted, match="append-only are missing"):
                look()

    def test_weakened_triggers_are_noticed(self, path: Path, ledger: Ledger) -> None:
        with behind_its_back(path) as connection:
            connection.execute("DROP TRIGGER entry_is_never_changed")
            connection.execute("CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry BEGIN SELECT 1; END")
        with pytest.raises(LedgerCorrupted, match="append-only are missing or different"):
            Ledger(path)

    def test_an_inspection_beside_comes_before_what_is_found_meanwhile(
        self, path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = SqliteStore(path, create=False, inspect=False)
        with pytest.raises(LedgerError, match="meanwhile"), store.inspecting():
            raise LedgerError("found meanwhile")
        with behind_its_back(path) as connection:
            connection.execute("DROP TRIGGER entry_is_never_changed")

        def no_thread(*_arguments: object) -> None:
            raise RuntimeError("cannot start a thread")

        for _ in range(2):
            with pytest.raises(LedgerCorrupted, match="append-only are missing"), store.inspecting():
                raise LedgerError("found meanwhile")
            monkeypatch.setattr(sqlite_store.ThreadPoolExecutor, "submit", no_thread)

    def test_a_second_writer_that_forks_the_chain_is_refused(self, path: Path, ledger: Ledger) -> None:
        row = ledger.entries()[0].stored()
        store = SqliteStore(path, create=False)
        with pytest.raises(LedgerCorrupted, match="append-only"), store.writing() as transaction:
            transaction.append(row)


class TestTampering:
    def test_an_edited_row_is_noticed_although_the_triggers_are_back(self, path: Path, ledger: Ledger) -> None:
        spend(ledger, "0.4")
        with without_triggers(path) as connection:
            connection.execute("""UPDATE entry SET content = replace(content, '"0.4"', '"0.1"')""")
        with pytest.raises(LedgerCorrupted, match="entry 2 was changed"):
            Ledger(path)
        with pytest.raises(LedgerCorrupted, match="entry 2 was changed"):
            ledger.verify()

    def test_a_removed_row_is_noticed(self, path: Path, ledger: Ledger) -> None:
        spend(ledger, "0.4")
        with without_triggers(path) as connection:
            connection.execute("DELETE FROM entry WHERE entry_index = 2")
        with pytest.raises(LedgerCorrupted, match="entry 3 does not follow"):
            Ledger(path)

    def test_a_cut_end_is_noticed_by_the_witness(self, path: Path, ledger: Ledger) -> None:
        spend(ledger, "0.4")
        with without_triggers(path) as connection:
            connection.execute("DELETE FROM entry WHERE entry_index > 2")
        with pytest.raises(LedgerCorrupted, match="it ends at entry 2, but entry 3 is known"):
            Ledger(path)

    def test_a_cut_end_is_noticed_against_a_known_head(self, path: Path, ledger: Ledger) -> None:
        spend(ledger, "0.4")
        known = ledger.head()
        with without_triggers(path) as connection:
            connection.execute("DELETE FROM entry WHERE entry_index > 2")
        witness_of(path).unlink()
        with Ledger(path) as shorter:
            shorter.verify()
            with pytest.raises(LedgerCorrupted, match="it ends at entry 2, but entry 4 is known"):
                shorter.verify(expected_head=known)

    def test_a_cut_end_is_noticed_by_whoever_has_the_ledger_open(self, path: Path, ledger: Ledger) -> None:
        spend(ledger, "0.4")
        with without_triggers(path) as connection:
            connection.execute("DELETE FROM entry WHERE entry_index > 2")
        for look in (ledger.head, ledger.entries, ledger.verify, lambda: reserve(ledger, "0.1")):
            with pytest.raises(LedgerCorrupted, match=r"entries are missing from the end.*The end was cut off"):
                look()

    def test_a_restored_backup_is_noticed(self, path: Path, ledger: Ledger) -> None:
        backup = path.read_bytes()
        spend(ledger, "0.4")
        known = ledger.head()
        path.write_bytes(backup)
        with pytest.raises(LedgerCorrupted, match=r"2 is known\. An old backup was restored\. Restore the newest copy"):
            Ledger(path)
        witness_of(path).unlink()
        with Ledger(path) as restored, pytest.raises(LedgerCorrupted, match="old backup was restored"):
            restored.verify(expected_head=known)

    def test_a_ledger_written_anew_is_noticed(self, path: Path, ledger: Ledger, tmp_path: Path) -> None:
        spend(ledger, "0.4")
        with Ledger(tmp_path / "other.db") as other:
            for _ in range(6):
                other.note(DATASET, "nothing was ever spent")
        path.write_bytes((tmp_path / "other.db").read_bytes())
        with pytest.raises(LedgerCorrupted, match="everything from there on was rewritten"):
            Ledger(path)
        with pytest.raises(LedgerCorrupted, match="everything from there on was rewritten"):
            ledger.spent(DATASET)

    def test_a_removed_ledger_is_not_started_anew(self, path: Path, ledger: Ledger) -> None:
        path.unlink()
        with pytest.raises(LedgerUnavailable, match="cannot be opened"):
            reserve(ledger, "0.1")
        with pytest.raises(LedgerCorrupted, match="is gone"):
            Ledger(path)
        assert not path.exists()

    def test_entries_that_were_never_legal_are_noticed(self, path: Path, ledger: Ledger) -> None:
        # A forger with this software and the right digests, but without the rules.
        said = Statement(
            kind=EntryKind.RESERVE, dataset=DATASET, release_id="r9", charges=(Charge("x", pure("5")),), unit=UNIT
        )
        store = SqliteStore(path, create=False)
        with store.writing() as transaction:
            transaction.append(entry_after(ledger.head(), said).stored())
        with pytest.raises(LedgerCorrupted, match="entry 2 takes data set 'patients' over its budget"):
            Ledger(path)
        with pytest.raises(LedgerCorrupted, match="entry 2 takes data set 'patients' over its budget"):
            ledger.verify()


class TestPlainWords:
    def test_a_file_that_is_no_database(self, path: Path) -> None:
        path.write_text("age,sex\n41,f\n" * 100, encoding="utf-8")
        before = path.read_bytes()
        with pytest.raises(LedgerCorrupted, match="it is no SQLite file"):
            Ledger(path)
        assert path.read_bytes() == before

    def test_a_database_that_is_no_ledger(self, path: Path) -> None:
        with behind_its_back(path) as connection:
            connection.execute("CREATE TABLE patients (age INTEGER)")
        before = path.read_bytes()
        with pytest.raises(LedgerCorrupted, match="holds something else"):
            Ledger(path)
        assert path.read_bytes() == before

    def test_an_empty_file_becomes_a_ledger(self, path: Path) -> None:
        path.touch()
        with Ledger(path) as ledger:
            assert ledger.verify().index == 0

    def test_a_ledger_of_a_later_version(self, path: Path, ledger: Ledger) -> None:
        with behind_its_back(path) as connection:
            connection.execute(f"PRAGMA user_version = {sqlite_schema.STORE_VERSION + 1}")
        with pytest.raises(LedgerUnavailable, match="later version of dpsynth"):
            Ledger(path)

    def test_a_ledger_without_its_table(self, path: Path, ledger: Ledger) -> None:
        with behind_its_back(path) as connection:
            connection.execute("DROP TABLE entry")
            connection.execute("CREATE TABLE other (x)")
        with pytest.raises(LedgerCorrupted):
            Ledger(path)
        with pytest.raises(LedgerCorrupted, match="table of entries is missing"):
            ledger.head()

    def test_damaged_pages(self, path: Path, ledger: Ledger) -> None:
        for number in range(10):
            spend(ledger, "0.1", release_id=f"r{number}")
        damaged = bytearray(path.read_bytes())
        damaged[8192:12288] = b"\xff" * 4096
        path.write_bytes(damaged)
        with pytest.raises(LedgerCorrupted, match="damaged"):
            Ledger(path)

    def test_a_truncated_file(self, path: Path, ledger: Ledger) -> None:
        for number in range(10):
            spend(ledger, "0.1", release_id=f"r{number}")
        path.write_bytes(path.read_bytes()[:9000])
        with pytest.raises(LedgerCorrupted, match="damaged"):
            Ledger(path)

    def test_a_writer_that_never_finishes(self, path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sqlite_store, "BUSY_SECONDS", 0)
        with Ledger(path) as impatient, behind_its_back(path) as connection:
            connection.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerUnavailable, match=r"in use by another process.*Nothing was granted"):
                reserve(impatient, "0.1")
            assert impatient.spent(DATASET) == ZERO_COST
            connection.execute("ROLLBACK")
            reserve(impatient, "0.1")

    def test_an_error_that_nobody_foresaw_is_still_in_words(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(transaction: SqliteTransaction, row: object) -> None:
            raise sqlite3.InterfaceError("cell value 41")

        monkeypatch.setattr(SqliteTransaction, "append", fail)
        with pytest.raises(LedgerUnavailable, match="Nothing was granted") as refused:
            opened(ledger, "0.1")
        assert "41" not in str(refused.value)
