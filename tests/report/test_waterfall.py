from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import ComposedDpEvent, GaussianDpEvent, NoOpDpEvent
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.certification.budget_shares import BudgetShares, budget_shares
from dpsynth.certification.certificate import Certificate
from dpsynth.certification.document import CertificateDocument, ChargeSection
from dpsynth.ledger import Ledger
from dpsynth.report.waterfall import waterfall_of, waterfall_picture
from tests.certification.made_releases import CLAIM, EVENTS, honest_release, page, settled_ledger, survey_schema


def document(shares: BudgetShares | None = None) -> CertificateDocument:
    return honest_release(rows=400, shares=shares).certificate.document


def test_bars_follow_one_another_and_end_at_the_whole() -> None:
    for shares in (None, BudgetShares(0.3, 0.2, 0.5)):
        fall = waterfall_of(document(shares))
        assert fall is not None
        ends = [0.0, *(step.end for step in fall.steps)]
        assert [step.start for step in fall.steps] == pytest.approx(ends[:-1])
        assert ends[-1] == pytest.approx(1)
        assert sum(step.questions for step in fall.steps) == len(EVENTS)


def test_lengths_are_squared_mu_of_the_claim() -> None:
    fall = waterfall_of(document())
    assert fall is not None
    gaussian = 2 / 14.0**2 + 1 / 17.0**2
    assert fall.steps[0].length == pytest.approx(gaussian / float(mu_squared_from_budget(CLAIM)), rel=1e-6)
    assert fall.steps[-1].label == "claimed and not used"


def test_with_shares_the_whole_budget_is_drawn() -> None:
    fall = waterfall_of(document(BudgetShares(0.3, 0.2, 0.5)))
    assert fall is not None
    assert "budget of" in fall.whole
    assert [step.role for step in fall.steps] == ["before", "charge", "charge", "left"]
    assert sum(step.length for step in fall.steps if step.role == "charge") == pytest.approx(0.2)


def test_a_charge_without_finite_cost_has_no_waterfall() -> None:
    charge = ChargeSection(purpose="anything", event={"event": "NonPrivate"})
    claim = document().claim.model_copy(update={"charges": (charge,)})
    changed = document().model_copy(update={"claim": claim})
    assert waterfall_of(changed) is None


def test_the_picture_is_one_element_that_says_what_it_shows() -> None:
    fall = waterfall_of(document(BudgetShares(0.3, 0.2, 0.5)))
    assert fall is not None
    picture = waterfall_picture(fall)
    assert picture == waterfall_picture(fall)
    element = ElementTree.fromstring(picture)
    assert "left for later releases: 50.0 %" in str(element.get("aria-label"))
    assert "30.0 %" in picture


def test_names_of_data_sets_are_escaped_in_the_picture() -> None:
    shown = document(BudgetShares(0.3, 0.2, 0.5))
    scope = shown.scope.model_copy(update={"dataset": '<b>"x"</b>'})
    html = page(Certificate(shown.model_copy(update={"scope": scope})))
    assert "<b>" not in html


def test_shares_of_a_ledger_add_up() -> None:
    ledger = settled_ledger()
    settled_ledger(release_id="release-2", ledger=ledger)
    event = ComposedDpEvent(tuple(event for _, event in EVENTS))
    shares = budget_shares(ledger, survey_schema().dataset, event)
    assert shares is not None
    assert shares.before == pytest.approx(shares.this)
    assert shares.before + shares.this + shares.left == pytest.approx(1)
    assert budget_shares(ledger, survey_schema().dataset, NoOpDpEvent()) is None


def test_a_pure_budget_has_no_shares() -> None:
    ledger = Ledger("sqlite://")
    ledger.set_budget("survey", PrivacyBudget(3, 0), unit="one row")
    assert budget_shares(ledger, "survey", GaussianDpEvent(14.0)) is None


def test_certificates_with_shares_are_read_back() -> None:
    made = honest_release(rows=400, shares=BudgetShares(0.3, 0.2, 0.5)).certificate
    assert Certificate.from_json(made.to_json()) == made
    assert replace(made).document.ledger.shares is not None
