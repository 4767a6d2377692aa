"""Accounts say in numbers what the ledger says, and shares add up to what is spent."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from dpsynth.accounting.events import ApproximateDpEvent, GdpEvent
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.ledger import Ledger
from dpsynth.oversight import accounts
from tests.oversight.spending import reserve, spend


def test_an_account_holds_budget_spending_and_every_release(ledger: Ledger) -> None:
    spend(ledger, "patients", "first", "1/100")
    token = ledger.open(reserve(ledger, "patients", "second", GdpEvent(Fraction(3, 100))))
    ledger.settle(token, [("a", GdpEvent(Fraction(1, 100))), ("b", GdpEvent(Fraction(1, 100)))])
    ledger.void(reserve(ledger, "patients", "third", GdpEvent(Fraction(1, 100))))
    ledger.open(reserve(ledger, "patients", "fourth", GdpEvent(Fraction(1, 100))))
    ledger.note("patients", "exported", release_id="first")
    patients, staff = accounts(ledger)
    assert (patients.budget_epsilon, patients.budget_delta, patients.currency) == ("2", "0.00001", "squared mu")
    assert [line.state for line in patients.releases] == [
        "settled", "settled", "given back before a row was read", "open",
    ]  # fmt: skip
    assert [line.questions for line in patients.releases] == [1, 2, None, None]
    assert [line.cost["mu_squared"] for line in patients.releases] == pytest.approx([0.01, 0.02, 0, 0.01])
    assert sum(line.share or 0 for line in patients.releases) == pytest.approx(patients.spent_share)
    assert patients.spent_share == pytest.approx(0.04 / float(mu_squared_from_budget(ledger.budget("patients"))))
    assert [note.note for note in patients.notes] == ["exported"]
    assert (staff.data_set, staff.spent_share, staff.spent_epsilon, staff.left_epsilon) == ("staff", 0.0, "0", "1")


def test_pure_spending_is_counted_in_pure_epsilon_where_that_is_less(ledger: Ledger) -> None:
    event = ApproximateDpEvent("0.5", 0)  # type: ignore[arg-type]
    ledger.settle(ledger.open(reserve(ledger, "staff", "r", event)), [("count", event)])
    (staff,) = accounts(ledger, "staff")
    assert (staff.currency, staff.spent_epsilon, staff.left_epsilon) == ("pure epsilon", "0.5", "0.5")
    assert staff.spent_share == pytest.approx(0.5)


def test_a_data_set_without_a_budget_has_no_share(ledger: Ledger) -> None:
    ledger.note("guests", "thinking about it")
    (guests,) = accounts(ledger, "guests")
    assert (guests.budget, guests.left, guests.spent_share, guests.budget_epsilon) == ("not set", "nothing", None, None)


def test_an_account_is_json(ledger: Ledger) -> None:
    spend(ledger, "patients", "first", "1/100")
    (patients,) = accounts(ledger, "patients")
    assert json.loads(json.dumps(patients.to_json()))["releases"][0]["release"] == "first"


def test_only_the_last_releases_are_listed_with_their_own_remarks(ledger: Ledger) -> None:
    for name in ("first", "second", "third"):
        spend(ledger, "patients", name, "1/1000")
        ledger.note("patients", f"exported {name}", release_id=name)
    for text in ("one", "two"):
        ledger.note("patients", text)
    (patients,) = accounts(ledger, "patients", last=1)
    assert (patients.release_count, [line.release for line in patients.releases]) == (3, ["third"])
    assert [note.note for note in patients.notes] == ["exported third", "two"]
    assert len(accounts(ledger, "patients")[0].notes) == 5
