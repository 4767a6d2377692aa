"""A key that is kept elsewhere vouches for a head; without one the ledger says how little it can show."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from dpsynth.errors import LedgerCorrupted
from dpsynth.ledger import EntryKind, Ledger, SigningKey, load_or_create_key
from dpsynth.ledger.books import checked_books
from dpsynth.ledger.chain import Head
from dpsynth.ledger.signed_heads import head_message
from dpsynth.ledger.statement import Signature
from tests.ledger.requests_for_tests import spend
from tests.ledger.test_books import BUDGET, NOTE, chained


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return load_or_create_key(tmp_path_factory.mktemp("keys") / "key.pem")


def test_a_signed_head_is_checked_by_verify(ledger: Ledger, key: SigningKey, path: Path) -> None:
    assert "casual edits only" in ledger.assurance()
    assert ledger.signed_heads() == ()
    with pytest.raises(LedgerCorrupted, match="no entry is signed by the key"):
        ledger.verify(public_key=key.public_pem)
    spend(ledger, "0.1")
    signed = ledger.head()
    assert ledger.sign_head(key) == signed
    assert ledger.entries()[-1].kind is EntryKind.SIGN
    assert ledger.verify(public_key=key.public_pem) == ledger.head()
    spend(ledger, "0.1")
    assert [one.head for one in ledger.signed_heads()] == [signed]
    assert f"signed up to entry {signed.index}" in ledger.assurance()
    assert "3 later entries" in ledger.assurance()
    ledger.close()
    with Ledger(path) as again:
        again.verify(public_key=key.public_pem)


def test_signing_charges_nobody_and_names_no_data_set(ledger: Ledger, key: SigningKey) -> None:
    ledger.sign_head(key)
    assert ledger.datasets() == ledger.populations() == ("patients",)
    assert ledger.spent("patients").epsilon == 0


def test_a_signature_under_another_head_is_not_legal(key: SigningKey, ledger: Ledger) -> None:
    ledger.sign_head(key)
    (sign,) = (entry for entry in ledger.entries() if entry.kind is EntryKind.SIGN)
    with pytest.raises(LedgerCorrupted, match="not one under the entry before it"):
        checked_books(chained(BUDGET, sign))
    head = checked_books(chained(BUDGET, NOTE)).head
    true = dataclasses.replace(sign, signatures=(Signature(key.public_hex, key.sign(head_message(head)).hex()),))
    with pytest.raises(LedgerCorrupted, match="not one under the entry before it"):
        checked_books(chained(BUDGET, NOTE, NOTE, true))
    for broken in ((), (*true.signatures, *true.signatures)):
        with pytest.raises(LedgerCorrupted, match="one signature and nothing else"):
            checked_books(chained(BUDGET, dataclasses.replace(sign, signatures=broken)))


def test_what_is_signed_is_spelled_in_one_way() -> None:
    message = head_message(Head(3, "ab" * 32))
    assert message == b'{"digest":"' + b"ab" * 32 + b'","index":3,"type":"dpsynth ledger head 1"}'
