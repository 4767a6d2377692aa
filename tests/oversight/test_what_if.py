"""What releases would cost together: against the ledger itself, and without a trace."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import ApproximateDpEvent, DpEvent, GaussianDpEvent, GdpEvent, LaplaceDpEvent
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.errors import BudgetExceeded, BudgetNotSet, InvalidInput
from dpsynth.ledger import Ledger
from dpsynth.oversight import what_if
from dpsynth.oversight.requests import read_request, requests_in
from tests.oversight.spending import reserve, spend


def files(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir() if file.is_file()}


def test_it_says_what_the_ledger_would_then_do(ledger: Ledger) -> None:
    spend(ledger, "patients", "before", "1/10")
    asked = [("0.8", "1e-6"), ("1.5", "1e-6"), ("0.4", "1e-6"), ("1.2", "1e-6")]
    found = what_if(ledger, "patients", asked)
    granted = []
    for place, (epsilon, delta) in enumerate(asked):
        try:
            reserve(ledger, "patients", f"r{place}", GdpEvent(mu_squared_from_budget(PrivacyBudget(epsilon, delta))))
            granted.append(True)
        except BudgetExceeded:
            granted.append(False)
    assert [outlook.fits for outlook in found.requests] == granted
    assert True in granted
    assert False in granted
    assert found.left_after == ledger.remaining("patients")
    assert found.refused == tuple(f"release {place + 1}" for place, fits in enumerate(granted) if not fits)


def test_three_releases_cost_less_together_than_their_sum_and_a_plan_never_more(ledger: Ledger) -> None:
    found = what_if(ledger, "patients", ["aim:epsilon=0.5,delta=1e-9", "mst:epsilon=0.5,delta=1e-9", "x:mu=0.1"])
    alone = [Decimal(outlook.epsilon or "inf") for outlook in found.requests]
    together = Decimal(found.together_adaptive or "inf")
    assert max(alone) < together < sum(alone)
    assert Decimal(found.together_plan or "inf") <= together
    assert Decimal(found.together_certificates or "inf") == sum(alone)
    assert found.with_spent == found.together_adaptive


@pytest.mark.parametrize("event", [LaplaceDpEvent(20.0), ApproximateDpEvent(Decimal("0.05"), Decimal(0))])
def test_a_plan_of_many_pure_releases_is_cheaper_than_the_filter(ledger: Ledger, event: DpEvent) -> None:
    found = what_if(ledger, "patients", [event] * 60)
    assert Decimal(found.together_plan or "inf") < Decimal(found.together_adaptive or "inf")


def test_the_golden_plan_of_gaussians() -> None:
    """Gaussians 4 x sigma 5, 1 x 3, 10 x 20 compose to one Gaussian: epsilon 2.47411 at delta 1e-6 (notes, FFT)."""
    with Ledger("sqlite://") as ledger:
        ledger.set_budget("d", PrivacyBudget(5, "1e-6"))
        found = what_if(ledger, "d", [*[GaussianDpEvent(5.0)] * 4, GaussianDpEvent(3.0), *[GaussianDpEvent(20.0)] * 10])
    assert found.together_adaptive == found.together_plan == "2.4742"


def test_exact_decimals_fit_and_a_little_more_does_not(ledger: Ledger) -> None:
    assert what_if(ledger, "staff", ["tenth:epsilon=0.1,count=10"]).fits
    found = what_if(ledger, "staff", [{"name": "tenth", "epsilon": 0.1, "count": 10}, ("1e-9", 0)])
    assert [outlook.fits for outlook in found.requests] == [True, False]
    assert found.left_epsilon == "0"


def test_it_writes_nothing(ledger: Ledger, path: Path) -> None:
    spend(ledger, "patients", "before", "1/10")
    before, head = files(path.parent), ledger.head()
    what_if(ledger, "patients", [("1", "1e-6")])
    assert (files(path.parent), ledger.head()) == (before, head)


def test_an_event_without_a_finite_cost_is_refused_and_shown(ledger: Ledger) -> None:
    found = what_if(ledger, "staff", ["a:rho=0.1"])
    assert (found.requests[0].fits, found.requests[0].epsilon, found.together_adaptive) == (False, None, None)


def test_a_data_set_without_a_budget_is_named(ledger: Ledger) -> None:
    with pytest.raises(BudgetNotSet, match="guests"):
        what_if(ledger, "guests", [("1", "1e-6")])


@pytest.mark.parametrize(
    "text",
    ["", "aim", "aim:", ":epsilon=1", "aim:epsilon", "aim:epsilon=", "aim:epsilon=1,bogus=2", "aim:delta=1e-6",
     "aim:epsilon=nan,delta=1e-6", "aim:epsilon=-1", "aim:epsilon=1,count=0", "aim:epsilon=1,count=x", "aim:rho=1,mu=1",
     "aim:mu=1e-400", "aim:count=3", "a\nb:epsilon=1"],
)  # fmt: skip
def test_wrong_requests_are_refused_in_words(ledger: Ledger, text: str) -> None:
    with pytest.raises(InvalidInput):
        what_if(ledger, "patients", [text])


@pytest.mark.parametrize("given", [(1,), (1, 2, 3), (True, 0), {"epsilon": [1]}, {"event": {"event": "Bogus"}}, {}])
def test_wrong_objects_are_refused_in_words(ledger: Ledger, given: object) -> None:
    with pytest.raises(InvalidInput):
        what_if(ledger, "patients", [given])  # type: ignore[list-item]


def test_no_request_is_no_question(ledger: Ledger) -> None:
    with pytest.raises(InvalidInput, match="1 to"):
        what_if(ledger, "patients", [])


def test_requests_in_files(tmp_path: Path) -> None:
    written = "- {name: aim, epsilon: 0.5, delta: 1e-9}\n- {rho: 0.01, count: 2}\n- {event: {event: NoOp}}\n"
    (tmp_path / "a.yaml").write_text(written, encoding="utf-8")
    found = requests_in(tmp_path / "a.yaml")
    assert [request.name for request in found] == ["aim", "release 2", "release 3"]
    assert found[0].event == read_request(("0.5", "1e-9")).event
    events = [{"event": "Gdp", "mu_squared": "1/100"}, {"event": "NoOp"}]
    (tmp_path / "b.json").write_text(json.dumps({"releases": [{"event": events}]}), encoding="utf-8")
    assert requests_in(tmp_path / "b.json")[0].asked == "2 events"
    for content in ("", "3", "[1]", "{releases: 3}", "{", "a: &a [*a]", "\x00"):
        (tmp_path / "c.yaml").write_text(content, encoding="utf-8")
        with pytest.raises(InvalidInput):
            requests_in(tmp_path / "c.yaml")
    with pytest.raises(InvalidInput):
        requests_in(tmp_path / "missing.yaml")


def test_a_request_at_epsilon_and_delta_reserves_what_the_curator_would() -> None:
    assert read_request(PrivacyBudget(1, "1e-6")).event == GdpEvent(mu_squared_from_budget(PrivacyBudget(1, "1e-6")))
    assert read_request("pure:epsilon=0.5").event == ApproximateDpEvent(Decimal("0.5"), Decimal(0))
    assert read_request("a:mu=0.5").event == GdpEvent(Fraction(1, 4))


def test_names_are_escaped_where_they_are_shown(ledger: Ledger) -> None:
    found = what_if(ledger, "patients", ["<i>x</i>:epsilon=1,delta=1e-6"])
    assert "<i>" not in found._repr_html_()
    assert json.loads(json.dumps(found.to_json()))["refused"] == []
