"""A note of what was last shown: the same as before, for the very same ledger, and for no other."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.accounting.events import GdpEvent
from dpsynth.errors import BudgetExceeded, LedgerCorrupted
from dpsynth.ledger import KnownHead, Ledger
from dpsynth.oversight import accounts
from dpsynth.oversight import last_view as notes
from dpsynth.oversight.last_view import LAST, last_view, remember_view
from tests.oversight.spending import reserve, spend


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep notes in a folder of the test, and let every ledger be long enough for one."""
    monkeypatch.setenv("DPSYNTH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(notes, "LONG", 1)
    return tmp_path / "home" / "views"


@pytest.fixture
def seen(ledger: Ledger, path: Path) -> Path:
    """Return the path of a ledger with a few releases whose note was written."""
    for number in range(3):
        spend(ledger, "patients", f"release {number}", "1/100")
    ledger.note("patients", "exported", release_id="release 1")
    remember_view(ledger)
    return path


def test_the_same_is_shown_as_after_an_opening(seen: Path, ledger: Ledger) -> None:
    view = last_view(seen)
    assert view is not None
    assert view.accounts == accounts(ledger, last=LAST)
    assert view.head == ledger.head()


def test_refused_requests_are_counted_anew(seen: Path, ledger: Ledger) -> None:
    with pytest.raises(BudgetExceeded):
        reserve(ledger, "patients", "too much", GdpEvent(Fraction(100)))
    view = last_view(seen)
    assert view is not None
    assert sum(view.accounts[0].refused.values()) == 1


def test_a_ledger_that_went_on_is_decided_about_anew(seen: Path, ledger: Ledger) -> None:
    spend(ledger, "patients", "later", "1/100")
    assert last_view(seen) is None
    remember_view(ledger)
    view = last_view(seen)
    assert view is not None
    assert view.accounts == accounts(ledger, last=LAST)


def edit_a_row(path: Path) -> None:
    alter(path, "UPDATE entry SET content = replace(content, 'fit mwem', 'fit aim ') WHERE entry_index = 3")


def edit_a_row_and_its_digest(path: Path) -> None:
    alter(path, "UPDATE entry SET digest = printf('%064d', 7) WHERE entry_index = 3")


def cut_the_end(path: Path) -> None:
    alter(path, "DELETE FROM entry WHERE entry_index = (SELECT max(entry_index) FROM entry)")


def remove_one_within(path: Path) -> None:
    alter(path, "DELETE FROM entry WHERE entry_index = 4")


def alter(path: Path, statement: str) -> None:
    """Run SQL with the triggers dropped, and put them back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(statement)
        for _, sql in triggers:
            connection.execute(sql)


@pytest.mark.parametrize("change", [edit_a_row, edit_a_row_and_its_digest, cut_the_end, remove_one_within])
def test_a_changed_ledger_has_no_note_and_does_not_open(seen: Path, change: Callable[[Path], None]) -> None:
    change(seen)
    assert last_view(seen) is None
    with pytest.raises(LedgerCorrupted):
        Ledger(seen)


def test_dropped_triggers_are_noticed(seen: Path) -> None:
    with closing(sqlite3.connect(seen)) as connection:
        connection.execute("DROP TRIGGER entry_is_never_changed")
    with pytest.raises(LedgerCorrupted, match="triggers"):
        last_view(seen)


def test_a_restored_backup_with_its_old_note_is_noticed(seen: Path, ledger: Ledger, home: Path, tmp_path: Path) -> None:
    backup = shutil.copy(seen, tmp_path / "backup.db")
    (note,) = home.iterdir()
    old = note.read_bytes()
    spend(ledger, "patients", "after the backup", "1/100")
    ledger.close()
    shutil.copy(backup, seen)
    note.write_bytes(old)
    assert last_view(seen) is None
    with pytest.raises(LedgerCorrupted, match="entries are missing"):
        Ledger(seen)


def test_a_lost_witness_sends_the_view_to_a_whole_opening(seen: Path, ledger: Ledger) -> None:
    assert ledger.witness_path is not None
    ledger.witness_path.unlink()
    assert last_view(seen) is None


def test_heads_that_certificates_name_have_to_be_there(seen: Path, ledger: Ledger) -> None:
    first, third = ledger.entries()[0], ledger.entries()[2]
    known = KnownHead(third.index, third.digest, "a certificate", first.digest)
    assert last_view(seen, known_heads=[known]) is not None
    assert last_view(seen, known_heads=[replace_head(known, digest="f" * 64)]) is None
    assert last_view(seen, known_heads=[replace_head(known, place=10**6)]) is None
    assert last_view(seen, known_heads=[replace_head(known, digest="f" * 64, ledger="e" * 64)]) is not None


def replace_head(known: KnownHead, **changes: object) -> KnownHead:
    return known._replace(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b'{"software": 1}', b"\xff"])
def test_a_damaged_note_is_passed_over(seen: Path, home: Path, damage: bytes) -> None:
    (note,) = home.iterdir()
    note.write_bytes(damage)
    assert last_view(seen) is None


def test_a_note_of_another_version_of_the_software_is_passed_over(seen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "software_digest", lambda: "0" * 64)
    assert last_view(seen) is None


def test_a_note_is_the_users_own_and_grants_nothing(seen: Path, ledger: Ledger, home: Path) -> None:
    (note,) = home.iterdir()
    assert note.stat().st_mode & 0o777 == 0o600
    view = last_view(seen)
    assert view is not None
    forged = replace(view.accounts[0], spent="nothing", left="everything")
    text = note.read_text(encoding="utf-8").replace(view.accounts[0].spent, forged.spent)
    note.write_text(text, encoding="utf-8")
    with Ledger(seen) as opened:
        assert opened.spent("patients") == ledger.spent("patients")
        assert accounts(opened)[0].spent == view.accounts[0].spent


def test_short_ledgers_and_those_in_memory_leave_no_note(
    ledger: Ledger, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "LONG", 10)
    remember_view(ledger)
    with Ledger("sqlite://") as memory:
        remember_view(memory)
    assert not home.exists()


def test_a_home_that_cannot_be_written_is_passed_over(ledger: Ledger, home: Path) -> None:
    home.parent.mkdir(parents=True)
    home.write_text("in the way", encoding="utf-8")
    remember_view(ledger)
    assert last_view(ledger.witness_path.with_name("ledger.db") if ledger.witness_path else "") is None
