"""A spend that has happened is written down; one that does not fit counts all the same, and closes the data set."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    DpEvent,
    GdpEvent,
    LaplaceDpEvent,
    NonPrivateDpEvent,
    ZCDpEvent,
)
from dpsynth.accounting.filter import FilterKind
from dpsynth.errors import BudgetExceeded, BudgetNotSet, InvalidInput, LedgerError
from dpsynth.integrations import DeclaredSpend, declare_spend, smartnoise_event
from dpsynth.ledger import EntryKind, Ledger
from dpsynth.ledger.statement import Statement
from tests.integrations.conftest import DATASET, UNIT

SMALLEST = [
    ApproximateDpEvent(Decimal("1e-12"), Decimal(0)),
    ApproximateDpEvent(Decimal(0), Decimal("1e-24")),
    GdpEvent(Fraction(1, 10**12)),
    ZCDpEvent(Fraction(1, 10**12)),
    LaplaceDpEvent(1e9),
]


def declare(ledger: Ledger, **changed: object) -> DeclaredSpend:
    said: dict[str, object] = {"tool": "opendp", "purpose": "a histogram", "epsilon": 0.5}
    return declare_spend(ledger, DATASET, **{**said, **changed})  # type: ignore[arg-type]


def kinds(ledger: Ledger) -> list[str]:
    return [entry.kind.value for entry in ledger.entries(DATASET)][1:]


class TestWhatFits:
    def test_it_is_charged_and_marked_as_declared(self, ledger: Ledger) -> None:
        made = declare(ledger)
        assert made == DeclaredSpend(made.release_id, ApproximateDpEvent(Decimal("0.5"), Decimal(0)), overspent=False)
        assert made.release_id.startswith("declared-opendp-")
        assert kinds(ledger) == ["DECLARE"]
        assert ledger.spent(DATASET).epsilon == Fraction(1, 2)
        declared = ledger.entries(DATASET)[1]
        assert declared.purpose == "declared, not enforced before the work: opendp: a histogram"
        assert not declared.certifiable
        assert declared.unit == UNIT
        ledger.verify()

    def test_three_tenths_fit_exactly(self, ledger: Ledger) -> None:
        for _ in range(10):
            assert not declare(ledger, epsilon=0.1).overspent
        assert declare(ledger, epsilon=1e-9).overspent

    def test_an_event_of_another_tool_is_charged_as_it_is(self, ledger: Ledger) -> None:
        declare(ledger, epsilon=None, event=smartnoise_event([(0.1, 0)] * 5))
        assert ledger.spent(DATASET).epsilon == Fraction(1, 2)

    def test_a_ticket_is_written_once(self, ledger: Ledger) -> None:
        declare(ledger, ticket="DP-12")
        with pytest.raises(LedgerError, match="'DP-12' of opendp was declared before"):
            declare(ledger, ticket="DP-12")
        declare(ledger, ticket="DP-12", tool="tumult")
        assert ledger.spent(DATASET).epsilon == 1


class TestWhatIsRefused:
    def test_another_unit(self, ledger: Ledger) -> None:
        with pytest.raises(LedgerError, match="one household"):
            declare(ledger, unit="one household")
        assert kinds(ledger) == []

    def test_an_unknown_unit(self, ledger: Ledger) -> None:
        ledger.set_budget("others", PrivacyBudget(1, 0))
        with pytest.raises(LedgerError, match="does not say yet whom"):
            declare_spend(ledger, "others", tool="opendp", purpose="a histogram", epsilon=1)

    def test_a_data_set_without_budget(self, ledger: Ledger) -> None:
        with pytest.raises(BudgetNotSet):
            declare_spend(ledger, "others", tool="opendp", purpose="a histogram", epsilon=1)

    @pytest.mark.parametrize(
        "changed",
        [
            {"tool": ""},
            {"purpose": "two\nlines"},
            {"ticket": "x" * 200},
            {"epsilon": None},
            {"rho": 0.5},
            {"event": ZCDpEvent(Fraction(1))},
            {"epsilon": None, "delta": 0.1, "event": ZCDpEvent(Fraction(1))},
            {"epsilon": -1},
        ],
    )
    def test_what_means_nothing(self, changed: dict[str, object], ledger: Ledger) -> None:
        with pytest.raises(InvalidInput):
            declare(ledger, **changed)
        assert kinds(ledger) == []


def budget_with_filter(ledger: Ledger, kind: FilterKind) -> None:
    said = Statement(
        kind=EntryKind.BUDGET,
        dataset="others",
        budget=PrivacyBudget(1, "1e-6"),
        event_delta=Decimal("5e-7"),
        filter_kind=kind,
        unit=UNIT,
    )
    with ledger._journal.writing() as writer:
        writer.append(said)


@pytest.mark.parametrize("kind", FilterKind)
@pytest.mark.parametrize(
    "before",
    [
        (),
        (ApproximateDpEvent(Decimal("0.25"), Decimal(0)),),
        (ApproximateDpEvent(Decimal("0.01"), Decimal("2e-7")),) * 2,
        (ZCDpEvent(Fraction(1, 1000)),),
        (GdpEvent(Fraction(1, 1000)),),
        (ApproximateDpEvent(Decimal(1), Decimal(0)),),
        (ApproximateDpEvent(Decimal(1), Decimal("5e-7")),),
    ],
)
def test_after_an_overspend_nothing_is_granted(before: tuple[DpEvent, ...], kind: FilterKind, ledger: Ledger) -> None:
    budget_with_filter(ledger, kind)
    for earlier in before:
        try:
            ledger.require_room("others", earlier, asked="x")
        except BudgetExceeded:
            continue
        declare_spend(ledger, "others", tool="opendp", purpose="earlier", event=earlier)
    too_much = NonPrivateDpEvent() if before else ZCDpEvent(Fraction(9))
    made = declare_spend(ledger, "others", tool="opendp", purpose="a histogram", event=too_much, ticket="7")
    assert made.overspent
    for smallest in SMALLEST:
        with pytest.raises(BudgetExceeded):
            ledger.require_room("others", smallest, asked="the least")
    declared = ledger.entries("others")[-1]
    assert (declared.kind, declared.event) == (EntryKind.DECLARE, too_much)
    assert declared.release_id == made.release_id == "declared-opendp-7"
    assert ledger.overspent("others").startswith(f"by entry {declared.index}, another tool spent more")
    ledger.verify()


def test_an_overspend_counts_at_its_true_size(ledger: Ledger, path: Path) -> None:
    assert declare(ledger, epsilon=0.75).overspent is False
    assert ledger.overspent(DATASET) == ""
    assert declare(ledger, epsilon=0.75).overspent
    assert ledger.spent(DATASET).epsilon == Fraction(3, 2)
    assert ledger.remaining(DATASET) == "nothing"
    with pytest.raises(BudgetExceeded, match=r"nothing is left\. By entry 3, another tool spent more of data set"):
        ledger.require_room(DATASET, SMALLEST[0], asked="the least")
    assert declare(ledger, epsilon=0.75).overspent
    assert ledger.spent(DATASET).epsilon == Fraction(9, 4)
    assert kinds(ledger) == ["DECLARE"] * 3
    with Ledger(path, create=False) as again:
        again.verify()
        assert "by entry 3" in again.overspent(DATASET)


def test_what_is_settled_for_less_afterwards_reopens_nothing(ledger: Ledger) -> None:
    reserved = ledger.reserve(
        DATASET,
        release_id="before",
        purpose="fit",
        event=ApproximateDpEvent(Decimal("0.75"), Decimal(0)),
        asked="epsilon 0.75",
        unit=UNIT,
        certifiable=True,
    )
    assert declare(ledger, epsilon=0.5).overspent
    ledger.settle(ledger.open(reserved), [])
    assert ledger.spent(DATASET).epsilon == Fraction(1, 2)
    with pytest.raises(BudgetExceeded):
        ledger.require_room(DATASET, SMALLEST[0], asked="the least")
    ledger.verify()


class TestPopulations:
    def test_every_population_is_charged_or_closed(self, path: Path) -> None:
        with Ledger(path) as ledger:
            ledger.link("visits", ["hospital", "registry"])
            ledger.set_budget("hospital", PrivacyBudget(1, 0), UNIT)
            ledger.set_budget("registry", PrivacyBudget(5, 0), UNIT)
            made = declare_spend(ledger, "visits", tool="opendp", purpose="a histogram", epsilon=2, ticket="7")
            assert made.overspent
            assert (ledger.spent("hospital").epsilon, ledger.spent("registry").epsilon) == (2, 2)
            assert "'hospital'" in ledger.overspent("visits")
            assert ledger.overspent("registry") == ""
            with pytest.raises(LedgerError, match="declared before"):
                declare_spend(ledger, "visits", tool="opendp", purpose="a histogram", epsilon=2, ticket="7")
            ledger.verify()

    def test_ticket_and_legal_basis_are_kept(self, ledger: Ledger) -> None:
        declare(ledger, ticket="DP-12", legal_basis="consent")
        assert (ledger.entries(DATASET)[1].ticket, ledger.entries(DATASET)[1].legal_basis) == ("DP-12", "consent")


class TestPlans:
    def test_a_plan_that_was_overspent_pays_for_nothing_more(self, ledger: Ledger) -> None:
        ledger.set_budget("others", PrivacyBudget(1, "1e-6"), UNIT, policy="plan")
        planned = [
            ("one", GdpEvent(Fraction(1, 50))),
            ("two", GdpEvent(Fraction(1, 50))),
            ("three", LaplaceDpEvent(10.0)),
        ]
        ledger.lock_plan("others", planned)
        assert not declare_spend(ledger, "others", tool="a tool", purpose="as planned", event=planned[0][1]).overspent
        assert declare_spend(ledger, "others", tool="a tool", purpose="not planned", epsilon="0.01").overspent
        for _, event in planned:
            with pytest.raises(BudgetExceeded):
                ledger.require_room("others", event, asked="what was planned")
        ledger.verify()

    def test_an_overspend_before_the_plan_counts_and_lets_none_be_locked(self, ledger: Ledger) -> None:
        ledger.set_budget("others", PrivacyBudget(1, "1e-6"), UNIT, policy="plan")
        assert declare_spend(ledger, "others", tool="a tool", purpose="too early", epsilon="0.01").overspent
        assert ledger.spent("others").epsilon == Fraction(1, 100)
        with pytest.raises(LedgerError, match="another tool spent more of data set 'others' than was left"):
            ledger.lock_plan("others", [("one", GdpEvent(Fraction(1, 50)))])
        ledger.verify()
