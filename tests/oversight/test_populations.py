"""Views of budgets that several data sets charge, of locked plans, and of why a release was made."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth import audit_ledger
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import GaussianDpEvent, GdpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
from dpsynth.ledger import Ledger
from dpsynth.oversight import accounts, export_json_lines, timeline, what_if
from dpsynth.oversight.spreadsheet import csv_lines
from tests.oversight.spending import UNIT, reserve, spend

TRAINING = SelfComposedDpEvent(PoissonSampledDpEvent(0.01, GaussianDpEvent(1.0)), 200)
SMALL, LARGE = GdpEvent(Fraction(1, 50)), GdpEvent(Fraction(1, 10))


@pytest.fixture
def clinic(path: Path) -> Iterator[Ledger]:
    with Ledger(path) as ledger:
        ledger.link("admissions", ["hospital"])
        ledger.link("visits", ["hospital", "registry"])
        ledger.set_budget("hospital", PrivacyBudget(2, "1e-5"), UNIT)
        ledger.set_budget("registry", PrivacyBudget("0.5", "1e-5"), UNIT)
        spend(ledger, "admissions", "first", "1/10")
        spend(ledger, "visits", "second", "1/200")
        yield ledger


@pytest.fixture
def planned(path: Path) -> Iterator[Ledger]:
    with Ledger(path) as ledger:
        ledger.set_budget("survey", PrivacyBudget(3, "1e-5"), UNIT, policy="plan")
        ledger.lock_plan("survey", [("train", TRAINING), ("count", SMALL), ("count again", SMALL), ("table", LARGE)])
        yield ledger


def test_an_account_is_that_of_a_population_and_names_the_data_sets_that_charge_it(clinic: Ledger) -> None:
    hospital, registry = accounts(clinic)
    assert (hospital.data_set, hospital.data_sets) == ("hospital", ("admissions", "visits"))
    assert (registry.data_set, registry.data_sets) == ("registry", ("visits",))
    assert [line.data_set for line in hospital.releases] == ["admissions", "visits"]
    assert [account.data_set for account in accounts(clinic, "visits")] == ["hospital", "registry"]
    assert [account.data_set for account in accounts(clinic, "registry")] == ["registry"]
    assert accounts(clinic, "nobody") == ()
    assert "charged by admissions, visits" in (clinic._repr_html_() or "")


def test_a_timeline_has_a_line_for_every_population_that_pays(clinic: Ledger) -> None:
    rows = timeline(clinic).rows
    assert {(row.population, row.data_set) for row in rows} == {
        ("hospital", "admissions"), ("hospital", "visits"), ("registry", "visits"),
    }  # fmt: skip


def test_what_if_asks_every_population(clinic: Ledger) -> None:
    asked = ("0.4", "1e-5")
    assert what_if(clinic, "admissions", [asked]).fits
    found = what_if(clinic, "visits", [("0.2", "1e-5"), asked])
    assert [outlook.fits for outlook in found.requests] == [True, False]
    assert found.budget == "epsilon 0.5, delta 1e-05"


def test_a_plan_pays_for_its_list_only(planned: Ledger) -> None:
    found = what_if(planned, "survey", [SMALL, LARGE, SMALL, SMALL, GdpEvent(Fraction(1, 10**9))])
    assert [outlook.fits for outlook in found.requests] == [True, True, True, False, False]
    assert (found.left_now, found.left_after, found.left_epsilon) == (
        "4 of 4 planned requests", "1 of 4 planned requests", "0",
    )  # fmt: skip
    planned.settle(planned.open(reserve(planned, "survey", "r1", TRAINING)), [("train", TRAINING)])
    planned.void(reserve(planned, "survey", "r2", SMALL))
    (survey,) = accounts(planned)
    assert (survey.policy, survey.currency, survey.spent_share, survey.left) == (
        "plan", "planned requests", 0.25, "3 of 4 planned requests",
    )  # fmt: skip
    assert float(survey.plan_epsilon or "inf") < 3
    assert [line.share for line in survey.releases] == [0.25, 0.0]
    assert what_if(planned, "survey", [TRAINING]).fits is False
    assert "policy plan" in (planned._repr_html_() or "")


@pytest.mark.parametrize("which", ["clinic", "planned"])
def test_an_audit_knows_populations_and_plans(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    ledger = request.getfixturevalue(which)
    if which == "planned":
        ledger.settle(ledger.open(reserve(ledger, "survey", "r1", TRAINING)), [("train", TRAINING)])
    export_json_lines(ledger, tmp_path / "l.jsonl")
    audit = audit_ledger(tmp_path / "l.jsonl", expected_head=ledger.head())
    assert audit.problems == ()
    assert {cost.data_set for cost in audit.costs} == ({"hospital", "registry"} if which == "clinic" else {"survey"})


def test_why_a_release_was_made_is_shown_and_exported(clinic: Ledger) -> None:
    clinic.reserve(
        "admissions", release_id="third", purpose="fit", event=SMALL, asked="a request", unit=UNIT, certifiable=True,
        ticket="DPO-2026-17", legal_basis="public interest, Art. 9(2)(j)", configuration="ab" * 32,
    )  # fmt: skip
    line = accounts(clinic, "hospital")[0].releases[-1]
    assert (line.ticket, line.legal_basis, line.configuration) == (
        "DPO-2026-17", "public interest, Art. 9(2)(j)", "ab" * 32,
    )  # fmt: skip
    assert "DPO-2026-17" in (clinic._repr_html_() or "")
    assert "DPO-2026-17" in list(csv_lines(clinic.entries()))[-1]
