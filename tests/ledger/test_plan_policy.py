"""A budget of the policy `plan` pays for its list and for nothing else, whatever somebody does who sees the answers."""

from __future__ import annotations

import contextlib
import random
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.cost import ZERO_COST, cost_of
from dpsynth.accounting.events import (
    ComposedDpEvent,
    DpEvent,
    GaussianDpEvent,
    GdpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
)
from dpsynth.errors import BudgetExceeded, InvalidBudget, InvalidInput, LedgerCorrupted, LedgerError
from dpsynth.ledger import BudgetPolicy, EntryKind, Ledger, OpenToken, Reservation
from tests.ledger.requests_for_tests import UNIT, pure

TRAINING = SelfComposedDpEvent(PoissonSampledDpEvent(0.01, GaussianDpEvent(1.0)), 200)
SMALL, LARGE = GdpEvent(Fraction(1, 50)), GdpEvent(Fraction(1, 10))
PLAN: list[tuple[str, DpEvent]] = [("train", TRAINING), ("count", SMALL), ("count again", SMALL), ("table", LARGE)]
BUDGET = PrivacyBudget(3, "1e-5")


def ask(ledger: Ledger, event: DpEvent, release_id: str = "r1") -> Reservation:
    return ledger.reserve(
        "survey", release_id=release_id, purpose="fit", event=event, asked="a part", unit=UNIT, certifiable=True
    )


@pytest.fixture
def planned(path: Path) -> Ledger:
    ledger = Ledger(path)
    ledger.set_budget("survey", BUDGET, UNIT, policy="plan")
    plan = ledger.lock_plan("survey", PLAN)
    assert plan.total_epsilon < 3
    return ledger


def test_a_plan_is_locked_before_the_first_request_and_does_not_change(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.set_budget("survey", BUDGET, policy=BudgetPolicy.PLAN)
        with pytest.raises(BudgetExceeded, match="no plan is locked yet"):
            ask(ledger, SMALL)
        with pytest.raises(InvalidBudget, match="the plan costs epsilon"):
            ledger.lock_plan("survey", [("everything", GdpEvent(Fraction(100)))])
        with pytest.raises(InvalidInput):
            ledger.lock_plan("survey", [])
        ledger.lock_plan("survey", PLAN)
        with pytest.raises(LedgerError, match="locked already"):
            ledger.lock_plan("survey", PLAN[:1])
        for change in ({"policy": "adaptive"}, {"policy": "plan", "event_delta": "1e-6"}):
            with pytest.raises(LedgerError, match="fixed for ever"):
                ledger.set_budget("survey", BUDGET, **change)  # type: ignore[arg-type]
        ledger.set_budget("survey", BUDGET, policy="plan")


def test_an_adaptive_budget_has_no_plan(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="policy 'plan'"):
        ledger.lock_plan("patients", [("count", pure("0.1"))])
    assert ledger.plan("patients") is None
    with pytest.raises(InvalidInput, match="adaptive or plan"):
        ledger.set_budget("other", BUDGET, policy="generous")


def test_each_listed_request_is_granted_once_in_any_order(planned: Ledger) -> None:
    assert planned.policy("survey") is BudgetPolicy.PLAN
    assert planned.remaining("survey") == "4 of 4 planned requests"
    assert planned.remaining("survey", after=LARGE) == "3 of 4 planned requests"
    planned.require_event_delta("survey")  # a plan needs none: its events have the deltas that they have
    for event in (LARGE, SMALL, TRAINING, SMALL):
        planned.settle(planned.open(ask(planned, event)), [("all of it", event)])
    assert planned.remaining("survey") == "0 of 4 planned requests"
    for event in (LARGE, SMALL, TRAINING):
        with pytest.raises(BudgetExceeded, match="made already"):
            ask(planned, event)
    assert planned.verify() == planned.head()


def test_what_is_not_on_the_list_is_refused_however_small(planned: Ledger) -> None:
    tiny = GdpEvent(Fraction(1, 10**12))
    for other in (tiny, GdpEvent(Fraction(1, 49)), ComposedDpEvent((SMALL, tiny)), ComposedDpEvent((SMALL,))):
        with pytest.raises(BudgetExceeded, match="does not hold this request"):
            ask(planned, other)
        with pytest.raises(BudgetExceeded, match="does not hold this request"):
            planned.require_room("survey", other, asked="other")


def test_settling_for_less_gives_nothing_back(planned: Ledger) -> None:
    planned.settle(planned.open(ask(planned, LARGE)), [("a little", SMALL)])
    assert planned.spent("survey") == cost_of(LARGE)
    with pytest.raises(BudgetExceeded, match="made already"):
        ask(planned, LARGE)
    planned.settle(planned.open(ask(planned, SMALL)), [])
    assert planned.spent("survey") == cost_of(LARGE) + cost_of(SMALL)
    planned.verify()


def test_settling_for_more_or_for_another_kind_is_refused_and_noted(planned: Ledger) -> None:
    token = planned.open(ask(planned, SMALL))
    for more in (LARGE, TRAINING):
        with pytest.raises(LedgerError, match="charged more than it had reserved"):
            planned.settle(token, [("more", more)])
    assert planned.entries()[-1].kind is EntryKind.NOTE
    assert planned.spent("survey") == cost_of(SMALL)


def test_what_was_never_opened_goes_back_on_the_list(planned: Ledger) -> None:
    reservation = ask(planned, LARGE)
    planned.void(reservation)
    assert planned.spent("survey") == ZERO_COST
    planned.open(ask(planned, LARGE))
    assert len(planned.recover()) == 1
    with pytest.raises(BudgetExceeded):
        ask(planned, LARGE)


@pytest.mark.parametrize("seed", range(5))
def test_an_adversary_who_sees_everything_gets_no_more_than_the_list(planned: Ledger, seed: int) -> None:
    """She reserves, opens, settles for less, voids, recovers and asks for other amounts as she likes."""
    rng = random.Random(seed)
    reserved: list[Reservation] = []
    tokens: list[tuple[OpenToken, DpEvent]] = []
    wanted: dict[int, DpEvent] = {}
    read: list[DpEvent] = []
    for step in range(60):
        move = rng.choice(["reserve", "reserve", "open", "settle", "void", "recover", "lock", "budget"])
        with contextlib.suppress(LedgerError, InvalidInput):
            if move == "reserve":
                event = rng.choice([TRAINING, SMALL, LARGE, GdpEvent(Fraction(rng.randrange(1, 9), 100))])
                reservation = ask(planned, event, f"r{step}")
                reserved.append(reservation)
                wanted[reservation.index] = event
            elif move == "open" and reserved:
                reservation = rng.choice(reserved)
                tokens.append((planned.open(reservation), wanted[reservation.index]))
                read.append(wanted[reservation.index])
            elif move == "settle" and tokens:
                token, event = rng.choice(tokens)
                planned.settle(token, rng.choice([[], [("all", event)], [("other", LARGE)]]))
            elif move == "void" and reserved:
                planned.void(rng.choice(reserved))
            elif move == "recover":
                planned.recover()
            elif move == "lock":
                planned.lock_plan("survey", [("again", LARGE)])
            elif move == "budget":
                planned.set_budget("survey", PrivacyBudget(9, "1e-5"), policy=rng.choice(["plan", "adaptive"]))
    left = [event for _, event in PLAN]
    for event in read:
        left.remove(event)  # whatever was read was on the list, and each as often as it stands there
    planned.verify()


def test_a_forged_plan_that_breaks_the_budget_does_not_verify(path: Path) -> None:
    from dpsynth.ledger.books import checked_books
    from dpsynth.ledger.statement import Charge, Statement
    from tests.ledger.test_books import chained

    rows = chained(
        Statement(kind=EntryKind.BUDGET, dataset="survey", budget=BUDGET, policy=BudgetPolicy.PLAN),
        Statement(kind=EntryKind.PLAN, dataset="survey", charges=(Charge("all", GdpEvent(Fraction(100))),)),
    )
    with pytest.raises(LedgerCorrupted, match="entry 2 is not legal: the plan costs"):
        checked_books(rows)
