"""A cover is charged as a whole, and one that claims too little is found where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DpEvent,
    GaussianCoverDpEvent,
    GaussianDpEvent,
    GdpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
)
from dpsynth.accounting.gaussian_cover import covered
from dpsynth.accounting.pld import PldAccountant
from dpsynth.errors import InvalidInput, LedgerCorrupted, LedgerError
from dpsynth.ledger import EntryKind, Ledger, OpenToken
from dpsynth.ledger.books import checked_books
from dpsynth.ledger.curve import curve_agrees, curve_of
from dpsynth.ledger.running_cost import units_of_event
from dpsynth.ledger.statement import BudgetPolicy, Charge, Statement
from tests.ledger.requests_for_tests import DATASET, UNIT
from tests.ledger.test_books import chained

STEP = PoissonSampledDpEvent(0.01, GaussianDpEvent(1.2))
TRAINING = covered(SelfComposedDpEvent(STEP, 200), Decimal("1e-7"))
SHORTER = covered(SelfComposedDpEvent(STEP, 100), Decimal("1e-7"))
COUNT = GdpEvent(Fraction(1, 100))
FALSE = replace(TRAINING, mu_squared=TRAINING.mu_squared / 2)
BUDGET = PrivacyBudget(3, "1e-5")


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(path) as opened:
        opened.set_budget(DATASET, BUDGET, UNIT, event_delta="5e-6")
        yield opened


def opened(ledger: Ledger, event: DpEvent) -> OpenToken:
    reservation = ledger.reserve(
        DATASET, release_id="r1", purpose="train", event=event, asked="it", unit=UNIT, certifiable=False
    )
    return ledger.open(reservation)


class TestSettling:
    @pytest.mark.parametrize(
        "reserved", [TRAINING, ComposedDpEvent((COUNT, TRAINING)), SelfComposedDpEvent(TRAINING, 2)]
    )
    @pytest.mark.parametrize(
        "settled",
        [
            (SHORTER,),
            (COUNT, SHORTER),
            (SelfComposedDpEvent(SHORTER, 1),),
            (GdpEvent(TRAINING.mu_squared / 2),),
            (ApproximateDpEvent(Decimal("0.1"), Decimal("1e-7")),),
        ],
    )
    def test_one_of_fewer_steps_is_refused(
        self, ledger: Ledger, reserved: DpEvent, settled: tuple[DpEvent, ...]
    ) -> None:
        token, before = opened(ledger, reserved), ledger.spent(DATASET)
        with pytest.raises(LedgerError, match="charged as a whole: it cannot be settled by one of fewer steps"):
            ledger.settle(token, [("train", event) for event in settled])
        assert ledger.spent(DATASET) == before
        assert ledger.entries()[-1].kind is EntryKind.NOTE
        ledger.verify()

    @pytest.mark.parametrize(
        ("reserved", "settled"),
        [
            (TRAINING, [TRAINING]),
            (TRAINING, []),  # no step was taken
            (ComposedDpEvent((COUNT, TRAINING)), [COUNT]),
            (ComposedDpEvent((COUNT, TRAINING)), [TRAINING, GdpEvent(Fraction(1, 200))]),
            (SelfComposedDpEvent(TRAINING, 2), [TRAINING]),
            (ApproximateDpEvent(Decimal(1), Decimal("1e-6")), [ApproximateDpEvent(Decimal("0.5"), Decimal("1e-7"))]),
        ],
    )
    def test_whole_covers_are_settled_or_left_out(
        self, ledger: Ledger, reserved: DpEvent, settled: list[DpEvent]
    ) -> None:
        ledger.settle(opened(ledger, reserved), [("train", event) for event in settled])
        assert ledger.spent(DATASET) == units_of_event(ComposedDpEvent(tuple(settled))).cost
        ledger.verify()

    def test_a_forged_settlement_is_found(self) -> None:
        rows = chained(
            Statement(kind=EntryKind.BUDGET, dataset=DATASET, budget=BUDGET, event_delta=Decimal("5e-6"), unit=UNIT),
            Statement(
                kind=EntryKind.RESERVE, dataset=DATASET, release_id="r", charges=(Charge("train", TRAINING),), unit=UNIT
            ),
            Statement(kind=EntryKind.OPEN, dataset=DATASET, release_id="r", reservation=2),
            Statement(
                kind=EntryKind.SETTLE, dataset=DATASET, release_id="r", reservation=2, charges=(Charge("t", SHORTER),)
            ),
        )
        with pytest.raises(LedgerCorrupted, match="entry 4 is not legal: release 'r' reserved a cover"):
            checked_books(rows)


class TestFalseClaims:
    def test_nobody_can_charge_one(self, ledger: Ledger) -> None:
        with pytest.raises(InvalidInput, match="does not cover the event"):
            opened(ledger, FALSE)
        with pytest.raises(LedgerError, match="does not cover the event"):
            ledger.declare(DATASET, release_id="d", purpose="done", event=FALSE, asked="it", unit=UNIT)
        token = opened(ledger, GdpEvent(Fraction(1, 10)))
        with pytest.raises(LedgerError, match="does not cover the event"):
            ledger.settle(token, [("train", FALSE)])
        ledger.verify()

    @pytest.mark.parametrize("kind", [EntryKind.RESERVE, EntryKind.DECLARE, EntryKind.PLAN])
    def test_a_ledger_that_holds_one_does_not_open_and_the_place_is_named(self, kind: EntryKind) -> None:
        policy = BudgetPolicy.PLAN if kind is EntryKind.PLAN else BudgetPolicy.ADAPTIVE
        rows = chained(
            Statement(kind=EntryKind.BUDGET, dataset=DATASET, budget=BUDGET, policy=policy),
            Statement(
                kind=kind,
                dataset=DATASET,
                release_id="" if kind is EntryKind.PLAN else "r",
                purpose="train",
                charges=(Charge("train", FALSE),),
                certifiable=False,
            ),
        )
        with pytest.raises(LedgerCorrupted, match=r"entry 2 is not legal: .*does not cover the event"):
            checked_books(rows)


class TestCurves:
    """The stated curve of what was covered: the deltas of covers are taken off before mu is converted."""

    def test_it_is_never_below_the_privacy_losses_of_the_same_events(self) -> None:
        events = ComposedDpEvent((SelfComposedDpEvent(TRAINING, 2), COUNT))
        curve = curve_of(units_of_event(events).cost)
        assert curve.keys() == {"1e-5", "1e-6"}  # 2e-7 of delta is spent: nothing is proven at 1e-9
        losses = PldAccountant().compose(events)
        for delta, epsilon in curve.items():
            true = losses.get_epsilon(float(delta))
            assert true <= float(epsilon) <= 1.2 * true

    def test_it_agrees_with_itself_and_with_no_other(self) -> None:
        spent = units_of_event(TRAINING).cost
        curve = curve_of(spent)
        assert curve_agrees(curve, spent)
        without_delta = curve_of(replace(spent, delta=Fraction(0)))
        assert not curve_agrees(without_delta, spent)
        for name in curve:
            for step in (-0.001, 0.001):
                wrong = {**curve, name: f"{float(curve[name]) + step:.4f}"}
                assert not curve_agrees(wrong, spent)
            assert not curve_agrees({other: curve[other] for other in curve if other != name}, spent)

    def test_a_cover_that_fails_with_too_large_a_chance_states_nothing(self) -> None:
        assert curve_of(units_of_event(GaussianCoverDpEvent(COUNT, Decimal("1e-4"), Fraction(1, 50))).cost) == {}
