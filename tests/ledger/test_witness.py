"""The second memory of the chain."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from dpsynth.errors import LedgerUnavailable
from dpsynth.ledger import Head, Ledger
from dpsynth.ledger.witness import HeadWitness, witness_beside
from tests.ledger.requests_for_tests import spend

FIRST, SECOND = Head(1, "a" * 64), Head(2, "b" * 64)


def test_heads_are_remembered(tmp_path: Path) -> None:
    witness = HeadWitness(tmp_path / "heads")
    assert witness.heads() == frozenset()
    witness.record(FIRST)
    witness.record(SECOND)
    assert witness.heads() == {FIRST, SECOND}
    assert stat.S_IMODE((tmp_path / "heads").stat().st_mode) == 0o600


@pytest.mark.parametrize("torn", range(1, 67))
def test_a_line_torn_anywhere_is_passed_over_and_spoils_no_other(tmp_path: Path, torn: int) -> None:
    path = tmp_path / "heads"
    witness = HeadWitness(path)
    witness.record(FIRST)
    path.write_bytes(path.read_bytes()[:torn])
    witness.record(SECOND)
    assert witness.heads() <= {FIRST, SECOND}
    assert SECOND in witness.heads()


def test_junk_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "heads"
    path.write_bytes(b"\xff\xfe\n0 " + b"a" * 64 + b"\n-1 x\n12\n" + b"3 " + b"A" * 64)
    assert HeadWitness(path).heads() == frozenset()


def test_a_witness_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="witness"):
        HeadWitness(tmp_path).heads()


def test_a_witness_that_cannot_be_written_loses_no_charge(path: Path, ledger: Ledger) -> None:
    witness_beside(path).unlink()
    witness_beside(path).mkdir()
    spend(ledger, "0.1")
    witness_beside(path).rmdir()
    assert ledger.verify().index == 4


def test_every_entry_of_a_ledger_is_witnessed(path: Path, ledger: Ledger) -> None:
    spend(ledger, "0.1")
    assert HeadWitness(witness_beside(path)).heads() == {entry.head for entry in ledger.entries()}
