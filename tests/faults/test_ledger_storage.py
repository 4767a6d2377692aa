"""What disks and people do to the file of a ledger: full, read-only, without its log."""

from __future__ import annotations

import os
import resource
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.errors import LedgerCorrupted, LedgerUnavailable
from dpsynth.ledger import Ledger
from tests.faults.children import Say, die, start
from tests.ledger.requests_for_tests import DATASET, UNIT, opened, pure, reserve, spend, witness_of

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    with Ledger(path) as ledger:
        ledger.set_budget(DATASET, PrivacyBudget(100, 0), UNIT)
        spend(ledger, "0.1")
    return path


@pytest.fixture
def shared(path: Path) -> Iterator[Path]:
    """A copy of the ledger in a folder that any user may enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        copy = folder / "ledger.db"
        copy.write_bytes(path.read_bytes())
        copy.chmod(0o444)
        yield copy


@pytest.mark.parametrize("pages", [16, 40])
def test_a_full_disk_is_one_plain_sentence_and_loses_no_charge(path: Path, pages: int) -> None:
    def work(say: Say) -> None:
        with Ledger(path, create=False) as ledger:
            # No file may grow beyond this: the nearest thing to a full disk that needs no privileges.
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096 * pages, 4096 * pages))
            for number in range(10_000):
                try:
                    token = opened(ledger, "0.001", release_id=f"r{number}")
                    say("touched")
                    ledger.settle(token, [("count", pure("0.001"))])
                except LedgerUnavailable as refused:
                    say(f"refused {refused}")
                    return

    lines, status = start(work).finish()
    assert (status, lines[-1].split()[0]) == (0, "refused"), lines[-3:]
    assert "the disk is full" in lines[-1]
    assert "Nothing was granted" in lines[-1]
    with Ledger(path, create=False) as ledger:
        ledger.verify()
        spent = ledger.spent(DATASET).epsilon
        assert spent is not None
        assert spent >= Fraction(1, 10) + Fraction(lines.count("touched"), 1000)
        spend(ledger, "0.1")


def as_an_ordinary_user() -> None:
    if os.geteuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def test_a_read_only_ledger_grants_nothing(shared: Path) -> None:
    def work(say: Say) -> None:
        as_an_ordinary_user()
        try:
            Ledger(shared)
        except LedgerUnavailable as refused:
            say(str(refused))

    lines, status = start(work).finish()
    assert status == 0
    assert "read-only for this user" in lines[0]
    assert "copy it" in lines[0]


def test_a_ledger_that_becomes_read_only_grants_nothing(shared: Path) -> None:
    shared.chmod(0o666)
    shared.parent.chmod(0o777)

    def work(say: Say) -> None:
        as_an_ordinary_user()
        with Ledger(shared) as ledger:
            reserve(ledger, "0.1")
            say("granted")
            os.read(proceed, 1)
            try:
                reserve(ledger, "0.1")
            except LedgerUnavailable as refused:
                say(str(refused))

    proceed, go = os.pipe()
    child = start(work)
    granted = os.read(child.pipe, 8)
    shared.chmod(0o444)
    shared.parent.chmod(0o555)
    os.write(go, b"x")
    lines, status = child.finish()
    os.close(proceed)
    os.close(go)
    shared.parent.chmod(0o777)
    assert (granted, status, len(lines)) == (b"granted\n", 0, 1), lines
    assert "Nothing was granted" in lines[0]


def killed_while_somebody_reads(path: Path) -> None:
    """Open a reservation whose entries are in the log only, because a reader holds the main file back; then die."""

    def work(say: Say) -> None:
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entry").fetchone()
        with Ledger(path, create=False) as ledger:
            opened(ledger, "0.5", release_id="in the log only")
            say("touched")
            die()

    lines, status = start(work).finish()
    assert (lines, status) == (["touched"], -9)


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def test_entries_that_are_in_the_log_only_are_counted_after_a_kill(path: Path) -> None:
    killed_while_somebody_reads(path)
    assert log_of(path).stat().st_size > 0
    with Ledger(path) as ledger:
        assert ledger.spent(DATASET).epsilon == Fraction(6, 10)


def test_a_removed_log_is_noticed(path: Path) -> None:
    killed_while_somebody_reads(path)
    log_of(path).unlink()
    with pytest.raises(LedgerCorrupted, match="A -wal file was deleted while it was needed"):
        Ledger(path)


def test_a_copy_of_the_main_file_alone_is_noticed_beside_its_witness(path: Path, tmp_path: Path) -> None:
    killed_while_somebody_reads(path)
    (tmp_path / "copy").mkdir()
    copy = tmp_path / "copy" / "ledger.db"
    copy.write_bytes(path.read_bytes())
    witness_of(copy).write_bytes(witness_of(path).read_bytes())
    with pytest.raises(LedgerCorrupted, match="entries are missing from the end"):
        Ledger(copy)


def test_a_log_removed_under_an_open_ledger_loses_nothing_or_is_noticed(path: Path) -> None:
    with Ledger(path) as ledger, closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entry").fetchone()
        token = opened(ledger, "0.5", release_id="in the log only")
        known = ledger.head()
        log_of(path).unlink()
        reader.execute("ROLLBACK")
        for look in (ledger.verify, lambda: ledger.settle(token, [])):
            # Unreadable, damaged or missing: SQLite's shared index still speaks about the log that is gone.
            with pytest.raises((LedgerCorrupted, LedgerUnavailable)):
                look()
    # The reader may have carried the lost log into the main file when it closed; then nothing is lost.
    try:
        with Ledger(path) as ledger:
            ledger.verify(expected_head=known)
    except LedgerCorrupted as noticed:
        assert "entries are missing from the end" in str(noticed)  # noqa: PT017


def test_a_killed_writer_leaves_the_main_file_complete_when_nobody_reads(path: Path) -> None:
    def work(say: Say) -> None:
        with Ledger(path, create=False) as ledger:
            opened(ledger, "0.5", release_id="r2")
            die()

    assert start(work).finish() == ([], -9)
    log_of(path).unlink(missing_ok=True)
    with Ledger(path) as ledger:
        assert ledger.spent(DATASET).epsilon == Fraction(6, 10)
