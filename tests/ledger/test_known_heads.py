"""A ledger that lacks an entry which a certificate names is not opened."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.errors import LedgerCorrupted
from dpsynth.ledger import KnownHead, KnownHeads, Ledger
from tests.ledger.requests_for_tests import DATASET, UNIT, spend, witness_of


@pytest.fixture
def restored(path: Path, tmp_path: Path) -> tuple[Path, KnownHead]:
    """A ledger that was put back to an old copy together with its witness, and the head of a later certificate."""
    with Ledger(path) as ledger:
        ledger.set_budget(DATASET, PrivacyBudget(1, 0), UNIT)
        spend(ledger, "0.1")
    copies = [(place, tmp_path / f"copy-{place.name}") for place in (path, witness_of(path))]
    for place, copy in copies:
        shutil.copy(place, copy)
    with Ledger(path) as ledger:
        spend(ledger, "0.4", release_id="r2")
        known = KnownHead(*ledger.head(), "the certificate of release r2", ledger.entries()[0].digest)
    for place, copy in copies:
        shutil.copy(copy, place)
    return path, known


def test_a_ledger_behind_a_certificate_refuses_to_open(restored: tuple[Path, KnownHead]) -> None:
    path, known = restored
    with Ledger(path) as unknowing:
        assert unknowing.head().index == 4
    with pytest.raises(LedgerCorrupted, match=r"the certificate of release r2 names entry 7 .* ends at entry 4"):
        Ledger(path, known_heads=[known])
    with pytest.raises(LedgerCorrupted, match="a certificate names entry 7"):
        Ledger(path, known_heads=[(known.place, known.digest)])


def test_a_ledger_that_was_rewritten_refuses_to_open(restored: tuple[Path, KnownHead]) -> None:
    path, known = restored
    with Ledger(path) as ledger:
        spend(ledger, "0.01", release_id="other")
        assert ledger.head().index == known.place
    with pytest.raises(LedgerCorrupted, match="names entry 7 with another digest"):
        Ledger(path, known_heads=[known])


def test_heads_of_other_ledgers_are_passed_over(restored: tuple[Path, KnownHead]) -> None:
    path, known = restored
    foreign = known._replace(ledger="0" * 64)
    with Ledger(path, known_heads=[foreign]) as ledger:
        ledger.verify()
        head = ledger.head()
    with Ledger(path, known_heads=[head, (1, ledger_digest(path))]):
        pass


def ledger_digest(path: Path) -> str:
    with Ledger(path) as ledger:
        return ledger.entries()[0].digest


def test_known_heads_are_kept_once_each_and_survive_a_torn_line(tmp_path: Path) -> None:
    place = tmp_path / "home" / "known-heads"
    heads = KnownHeads(place)
    assert heads.heads() == ()
    one, two = KnownHead(3, "a" * 64, "one", "b" * 64), KnownHead(9, "c" * 64, "the certificate of é", "b" * 64)
    heads.record(one)
    heads.record(one)
    with place.open("ab") as file:
        file.write(b"\n" + b"b" * 64 + b" 12 torn")
    heads.record(two)
    assert heads.heads() == (one, two)
    assert place.stat().st_mode & 0o777 == 0o600
