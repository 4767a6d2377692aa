"""The fingerprint tells the same rows from others for who holds the key, and nothing to anybody else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator import Curator
from dpsynth.curator.fingerprint import FingerprintKey, load_or_create_fingerprint_key
from dpsynth.errors import BundleError
from dpsynth.ledger import EntryKind, Ledger
from dpsynth.schema.schema import Schema

SCHEMA = Schema.from_text(
    """
name: visits
dpsynth: {unit: {kind: row}, public_rows: 100}
fields:
  - {name: sex, type: string, categories: [f, m]}
  - {name: smoker, type: boolean, trueValues: ["yes"], falseValues: ["no"]}
"""
)
ROWS = pd.DataFrame({"sex": ["f", "m", "f"], "smoker": ["yes", "no", "no"]})


def fingerprints(path: Path, *tables: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return what the ledger keeps of one release of each table, and what the key makes of that."""
    kept, opened, key = [], [], load_or_create_fingerprint_key()
    with Ledger(path) as ledger:
        ledger.set_budget("visits", PrivacyBudget(3, "1e-6"))
        for table in tables:
            curator = Curator.open(table, SCHEMA, ledger=ledger, ticket="T-1", legal_basis="a law")
            with curator.within(PrivacyBudget("0.1", "1e-7"), purpose="fit"):
                pass
        entries = ledger.entries()
    for entry in entries:
        if entry.kind is EntryKind.RESERVE:
            assert (entry.ticket, entry.legal_basis, entry.configuration) == ("T-1", "a law", SCHEMA.digest)
        if entry.kind is EntryKind.SETTLE and entry.reservation is not None:
            kept.append(entry.fingerprint)
            opened.append(key.unmasked(entry.fingerprint, entries[entry.reservation - 1].digest))
    return kept, opened


def test_equal_rows_look_alike_with_the_key_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPSYNTH_HOME", str(tmp_path / "home"))
    kept, opened = fingerprints(tmp_path / "ledger.db", ROWS, ROWS, ROWS[:2], ROWS[::-1].reset_index(drop=True))
    assert len(set(kept)) == 4  # the same rows twice, and nobody can see it
    assert opened[0] == opened[1]
    assert len(set(opened)) == 3
    assert all(len(text) == 64 for text in kept)
    secret = (tmp_path / "home" / "fingerprint-key").read_bytes()
    assert secret not in (tmp_path / "ledger.db").read_bytes()
    assert secret.hex().encode() not in (tmp_path / "ledger.db").read_bytes()


def test_another_key_sees_no_equal_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPSYNTH_HOME", str(tmp_path / "home"))
    codes, key, other = np.zeros((3, 2), dtype=np.int32), load_or_create_fingerprint_key(), FingerprintKey(b"1" * 32)
    assert key.of_rows("s", codes, None) != other.of_rows("s", codes, None)
    assert key.of_rows("s", codes, None) != key.of_rows("t", codes, None)
    assert key.of_rows("s", codes, None) != key.of_rows("s", codes.reshape(2, 3), None)
    assert key.of_rows("s", codes, None) != key.of_rows("s", codes, np.arange(3))
    plain = key.of_rows("s", codes, None)
    assert key.unmasked(key.masked(plain, "a" * 64), "a" * 64) == plain.hex()
    assert other.unmasked(key.masked(plain, "a" * 64), "a" * 64) != other.unmasked(
        key.masked(plain, "b" * 64), "b" * 64
    )


def test_the_key_is_kept_like_a_secret(tmp_path: Path) -> None:
    place = tmp_path / "home" / "key"
    key = load_or_create_fingerprint_key(place)
    assert repr(key) == "<FingerprintKey>"
    assert place.stat().st_mode & 0o777 == 0o600
    assert load_or_create_fingerprint_key(place) == key
    place.chmod(0o644)
    with pytest.raises(BundleError, match="chmod 600"):
        load_or_create_fingerprint_key(place)
    place.chmod(0o600)
    place.write_bytes(b"short")
    with pytest.raises(BundleError, match="32 bytes"):
        load_or_create_fingerprint_key(place)


def test_without_a_key_nothing_is_reserved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    monkeypatch.setenv("DPSYNTH_HOME", str(tmp_path / "home"))
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.set_budget("visits", PrivacyBudget(3, "1e-6"))
        curator = Curator.open(ROWS, SCHEMA, ledger=ledger)
        with pytest.raises(BundleError, match="fingerprint key"), curator.within(PrivacyBudget(1, "1e-7"), purpose="p"):
            pass
        assert ledger.head().index == 1


def test_an_expired_token_reads_no_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dpsynth.errors import TableError

    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.set_budget("visits", PrivacyBudget(3, "1e-6"))
        curator = Curator.open(ROWS, SCHEMA, ledger=ledger)
        monkeypatch.setattr("dpsynth.ledger.tokens.current_time", lambda: "9999-01-01T00:00:00.000000Z")
        with pytest.raises(TableError, match="has expired"), curator.within(PrivacyBudget(1, "1e-7"), purpose="p"):
            pass
        assert ledger.entries()[-1].kind is EntryKind.SETTLE
        assert not ledger.entries()[-1].fingerprint
