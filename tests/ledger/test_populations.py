"""Several data sets about the same people charge one budget; a data set about several groups charges each of theirs."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.errors import BudgetExceeded, BudgetNotSet, LedgerError
from dpsynth.ledger import EntryKind, Ledger, verify_extract
from tests.ledger.requests_for_tests import UNIT, opened, pure, reserve, spend


@pytest.fixture
def clinic(path: Path) -> Ledger:
    """Two data sets of one hospital's people, one of which also speaks about those of a registry."""
    ledger = Ledger(path)
    ledger.link("admissions", ["hospital"])
    ledger.link("visits", ["registry", "hospital"])
    ledger.set_budget("hospital", PrivacyBudget(1, 0), UNIT)
    ledger.set_budget("registry", PrivacyBudget("0.5", 0), UNIT)
    return ledger


def epsilons(ledger: Ledger) -> tuple[Fraction | None, Fraction | None]:
    return ledger.spent("hospital").epsilon, ledger.spent("registry").epsilon


def test_a_data_set_that_was_never_linked_is_its_own_population(ledger: Ledger) -> None:
    assert ledger.populations("patients") == ("patients",)
    assert ledger.populations() == ledger.datasets() == ("patients",)


def test_every_population_is_charged_by_one_entry(clinic: Ledger) -> None:
    before = clinic.head().index
    reservation = reserve(clinic, "0.3", dataset="visits")
    assert clinic.head().index == before + 1
    assert epsilons(clinic) == (Fraction(3, 10), Fraction(3, 10))
    clinic.settle(clinic.open(reservation), [("count", pure("0.1"))])
    assert epsilons(clinic) == (Fraction(1, 10), Fraction(1, 10))
    spend(clinic, "0.5", dataset="admissions")
    assert epsilons(clinic) == (Fraction(6, 10), Fraction(1, 10))
    clinic.void(reserve(clinic, "0.4", dataset="visits"))
    assert epsilons(clinic) == (Fraction(6, 10), Fraction(1, 10))
    assert clinic.verify().index == clinic.head().index
    assert clinic.datasets() == ("admissions", "visits")
    assert clinic.populations("visits") == ("hospital", "registry")


def test_the_refusal_names_the_population_that_is_short_and_charges_nobody(clinic: Ledger) -> None:
    before = clinic.head()
    with pytest.raises(BudgetExceeded, match=r"of population 'registry' epsilon 0\.5") as refused:
        reserve(clinic, "0.6", dataset="visits")
    assert (refused.value.dataset, refused.value.population) == ("visits", "registry")
    spend(clinic, "0.8", dataset="admissions")
    with pytest.raises(BudgetExceeded, match=r"of population 'hospital' epsilon 0\.2") as refused:
        reserve(clinic, "0.3", dataset="visits")
    assert refused.value.population == "hospital"
    with pytest.raises(BudgetExceeded, match="population 'hospital'"):
        clinic.require_room("visits", pure("0.3"), asked="epsilon 0.3")
    assert epsilons(clinic) == (Fraction(4, 5), Fraction(0))
    assert clinic.head().index == before.index + 3


def test_what_a_data_set_has_left_is_what_its_tightest_population_has(clinic: Ledger) -> None:
    assert clinic.budget("visits") == PrivacyBudget("0.5", 0)
    assert clinic.remaining("visits") == "epsilon 0.5 (pure)"
    spend(clinic, "0.9", dataset="admissions")
    assert clinic.budget("visits") == PrivacyBudget(1, 0)
    assert clinic.remaining("visits") == "epsilon 0.1 (pure)"
    assert clinic.spent("visits").epsilon == Fraction(9, 10)


def test_every_population_needs_a_budget(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.link("visits", ["registry", "hospital"])
        ledger.set_budget("hospital", PrivacyBudget(1, 0))
        with pytest.raises(BudgetNotSet, match="registry"):
            reserve(ledger, "0.1", dataset="visits")
        with pytest.raises(LedgerError, match="belongs to 'hospital' and 'registry'"):
            ledger.set_budget("visits", PrivacyBudget(1, 0))


def test_all_data_sets_of_a_population_protect_the_same_unit(clinic: Ledger) -> None:
    before = clinic.head()
    with pytest.raises(LedgerError, match="population 'hospital' protects 'one row'"):
        clinic.reserve(
            "admissions",
            release_id="r",
            purpose="fit",
            event=pure("0.1"),
            asked="epsilon 0.1",
            unit="one household",
            certifiable=True,
        )
    assert clinic.head() == before


def test_the_populations_of_a_data_set_are_said_once_and_first(clinic: Ledger) -> None:
    before = clinic.head()
    clinic.link("visits", ["hospital", "registry"])  # the same again changes nothing
    assert clinic.head() == before
    for populations in (["hospital"], ["hospital", "registry", "another"]):
        with pytest.raises(LedgerError, match="fixed before all else"):
            clinic.link("visits", populations)
    with pytest.raises(LedgerError, match="fixed before all else"):
        clinic.link("hospital", ["country"])
    with pytest.raises(LedgerError, match="belongs to 'hospital' and 'registry'"):
        clinic.link("notes", ["visits"])
    with pytest.raises(LedgerError, match="needs a name of its own"):
        clinic.link("notes", ["notes", "hospital"])
    for nothing in ([], ["a", "a"]):
        with pytest.raises(LedgerError, match="each once"):
            clinic.link("notes", nothing)
    assert clinic.head() == before


def test_a_data_set_that_has_spent_can_take_others_in(ledger: Ledger) -> None:
    spend(ledger, "0.4")
    ledger.link("visits", ["patients"])
    spend(ledger, "0.5", dataset="visits")
    assert ledger.spent("patients").epsilon == Fraction(9, 10)
    assert [entry.dataset for entry in ledger.entries(population="patients") if entry.kind is EntryKind.SETTLE] == [
        "patients",
        "visits",
    ]
    with pytest.raises(LedgerError, match="fixed before all else"):
        ledger.link("patients", ["country"])


def test_receipts_and_recovery_count_a_reservation_once(clinic: Ledger, path: Path) -> None:
    pending = reserve(clinic, "0.1", dataset="visits", release_id="pending")
    opened(clinic, "0.2", dataset="visits", release_id="crashed")
    clinic.close()
    with Ledger(path) as ledger:
        assert ledger.pending() == ledger.pending("visits") == (pending,)
        (entry,) = ledger.recover()
        assert entry.release_id == "crashed"
        assert epsilons(ledger) == (Fraction(3, 10), Fraction(3, 10))
        ledger.verify()


def test_an_extract_holds_the_terms_of_all_populations_and_no_others(clinic: Ledger) -> None:
    clinic.set_budget("elsewhere", PrivacyBudget(9, 0))
    spend(clinic, "0.2", dataset="admissions", release_id="other")
    spend(clinic, "0.3", dataset="visits", release_id="mine")
    lines = clinic.extract("mine")
    assert verify_extract(lines, expected_head=clinic.head()) == []
    shown = [line["content"] for line in lines if "content" in line]
    said = [(content["kind"], content["dataset"]) for content in shown]  # type: ignore[index,call-overload]
    assert said == [
        ("LINK", "visits"),
        ("BUDGET", "hospital"),
        ("BUDGET", "registry"),
        ("RESERVE", "visits"),
        ("OPEN", "visits"),
        ("SETTLE", "visits"),
    ]
