"""A ledger that was written before format 2 is read, counted and continued for ever.

`ledger_format_1.jsonl` and `ledger_extract_format_1.jsonl` were written by the last version that knew format 1 only.
The sums below were added up by hand from the events in them.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import ApproximateDpEvent
from dpsynth.accounting.gaussian_dp import mu_squared_of_range
from dpsynth.ledger import Head, Ledger, verify_extract
from dpsynth.ledger.books import Books, checked_books
from dpsynth.ledger.chain import StoredEntry, canonical_json
from dpsynth.ledger.entry import read_entry, require_canonical

HERE = Path(__file__).parent
ROWS = [StoredEntry(**json.loads(line)) for line in (HERE / "ledger_format_1.jsonl").read_text("utf-8").splitlines()]
HEAD = Head(15, "1687f67f598780455cda072315e209cf1472d3893b8cdce5ced0239d1dd291dd")


def test_every_entry_is_what_its_digest_says_and_is_written_back_to_the_letter() -> None:
    for row in ROWS:
        entry = read_entry(row)
        require_canonical(row, entry)
        assert entry.format == 1
        assert entry.stored() == row
        assert canonical_json(entry.content()) == row.content


def test_the_sums_are_what_they_were() -> None:
    books = Books(audit=True)
    books.post_rows(ROWS)
    assert books.head == checked_books(ROWS).head == HEAD
    patients, visits = books.account("patients").spent, books.account("visits").spent
    choice = mu_squared_of_range(Fraction(1, 20))
    assert choice is not None
    # r-1 settled a Gaussian of multiplier 14, a choice and a squared mu of 1/200; r-2 was given back; r-3 was recovered
    # at 1/50 with a delta of 1e-7; r-6 stands reserved at 3/100. What is rounded is rounded up to 1e-12.
    gaussian = Fraction(-(-(10**12) // 196), 10**12)
    assert patients.mu_squared == gaussian + choice + Fraction(1, 200) + Fraction(1, 50) + Fraction(3, 100)
    assert patients.delta == Fraction(1, 10**7)
    # r-4 settled twice 0.1 and a choice of 0.05.
    assert visits.epsilon == Fraction(1, 4)
    assert books.account("visits").unit == "all rows that share a value of 'id', at most 3 of them"


def test_an_extract_of_before_verifies() -> None:
    lines = [json.loads(line) for line in (HERE / "ledger_extract_format_1.jsonl").read_text("utf-8").splitlines()]
    assert verify_extract(lines, expected_head=HEAD) == []
    lines[2]["content"]["actor"] = "somebody else"
    assert verify_extract(lines)


def test_the_ledger_goes_on_in_format_2(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        with ledger._store.writing() as transaction:
            for row in ROWS:
                transaction.append(row)
        assert ledger.verify(expected_head=HEAD) == HEAD
        ledger.set_budget("patients", PrivacyBudget("3", "1e-6"), event_delta="2e-7")  # the same again changes nothing
        (reservation,) = ledger.pending()
        ledger.settle(ledger.open(reservation), [("count", ApproximateDpEvent("0.001", 0))])
        assert [entry.format for entry in ledger.entries()] == [1] * 15 + [2] * 2
        assert ledger.verify().index == 17
        assert ledger.entries()[-1].curve is not None


@pytest.mark.parametrize("key", ["ticket", "curve", "software_sha256"])
def test_format_1_does_not_grow(key: str) -> None:
    content = json.loads(ROWS[2].content)
    assert key not in content
    assert read_entry(ROWS[2]).content().keys() == content.keys()
