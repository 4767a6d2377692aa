"""Steps are claimed once each, whoever resumes a training and however often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
from dpsynth.accounting.gaussian_cover import covered
from dpsynth.errors import InvalidInput, LedgerCorrupted, LedgerError
from dpsynth.ledger import EntryKind, Ledger, Reservation, verify_extract
from dpsynth.ledger.books import checked_books
from dpsynth.ledger.chain import canonical_json
from dpsynth.ledger.claimed_steps import steps_of
from dpsynth.ledger.statement import Charge, Statement
from dpsynth.ledger.statement_reading import statement_from_content
from tests.ledger.requests_for_tests import DATASET, UNIT, pure
from tests.ledger.test_books import chained

STEPS = 50
TRAINING = covered(SelfComposedDpEvent(PoissonSampledDpEvent(0.01, GaussianDpEvent(1.2)), STEPS), Decimal("1e-7"))
SHORTER = covered(SelfComposedDpEvent(PoissonSampledDpEvent(0.01, GaussianDpEvent(1.2)), 20), Decimal("1e-7"))
BUDGET = PrivacyBudget(3, "1e-5")
ROWS = "ab" * 32


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(path) as opened:
        opened.set_budget(DATASET, BUDGET, UNIT, event_delta="5e-6")
        yield opened


def reserve(ledger: Ledger, steps: int = STEPS) -> Reservation:
    return ledger.reserve(
        DATASET,
        release_id="r1",
        purpose="train",
        event=TRAINING,
        asked="it",
        unit=UNIT,
        certifiable=True,
        steps=steps,
    )


def test_the_number_of_steps_is_that_of_the_training() -> None:
    assert steps_of(TRAINING) == STEPS
    assert steps_of(pure("1")) == 0


class TestClaiming:
    def test_numbers_only_grow_and_end_with_the_training(self, ledger: Ledger) -> None:
        token = ledger.open(reserve(ledger))
        ledger.claim_steps(token, 20, fingerprint=ROWS)
        for again in (20, 1, 0, -1):
            with pytest.raises(LedgerError, match="20 of 50 steps of release 'r1' are used"):
                ledger.claim_steps(token, again, fingerprint=ROWS)
        with pytest.raises(LedgerError, match="those up to 51 cannot"):
            ledger.claim_steps(token, STEPS + 1, fingerprint=ROWS)
        ledger.claim_steps(token, STEPS, fingerprint=ROWS)
        with pytest.raises(LedgerError, match="50 of 50"):
            ledger.claim_steps(token, STEPS, fingerprint=ROWS)
        assert [entry.steps for entry in ledger.entries() if entry.kind is EntryKind.STEPS] == [20, STEPS]
        ledger.settle(token, [("train", TRAINING)], fingerprint=ROWS)
        ledger.verify()

    def test_a_claim_costs_nothing_more(self, ledger: Ledger) -> None:
        token = ledger.open(reserve(ledger))
        before = ledger.spent(DATASET)
        ledger.claim_steps(token, 20)
        assert ledger.spent(DATASET) == before
        assert ledger.entries()[-1].curve is None

    def test_a_training_that_did_not_say_so_claims_nothing_and_is_not_resumed(self, ledger: Ledger) -> None:
        reservation = reserve(ledger, steps=0)
        token = ledger.open(reservation)
        with pytest.raises(LedgerError, match="is open, so STEPS is not possible"):
            ledger.claim_steps(token, 1)
        with pytest.raises(LedgerError, match="is open, so OPEN is not possible"):
            ledger.open(reservation)

    @pytest.mark.parametrize("steps", [1, STEPS - 1, STEPS + 1, -STEPS])
    def test_as_many_are_reserved_as_the_training_has(self, ledger: Ledger, steps: int) -> None:
        with pytest.raises(LedgerError, match="of as many as it has"):
            reserve(ledger, steps)

    def test_nothing_but_a_training_has_steps(self, ledger: Ledger) -> None:
        with pytest.raises(LedgerError, match="claimed of a training"):
            ledger.reserve(
                DATASET, release_id="r", purpose="p", event=pure("0.1"), asked="a", unit=UNIT, certifiable=True, steps=1
            )

    def test_the_rows_are_the_same_ones(self, ledger: Ledger) -> None:
        reservation = reserve(ledger)
        ledger.claim_steps(ledger.open(reservation), 20, fingerprint=ROWS)
        again = ledger.open(reservation)
        assert (again.steps, again.fingerprint) == (20, ROWS)
        for other in ("cd" * 32, ""):
            with pytest.raises(LedgerError, match="begun on other rows"):
                ledger.claim_steps(again, 40, fingerprint=other)
        ledger.claim_steps(again, 40, fingerprint=ROWS)


class TestResuming:
    def test_who_opens_again_takes_over(self, ledger: Ledger, path: Path) -> None:
        reservation = reserve(ledger)
        first = ledger.open(reservation)
        ledger.claim_steps(first, 20)
        with Ledger(path, create=False) as elsewhere:
            second = elsewhere.open(reservation)
            assert second.steps == 20
            with pytest.raises(LedgerError, match="was resumed by another process"):
                ledger.claim_steps(first, 40)
            with pytest.raises(LedgerError, match="was resumed by another process"):
                ledger.settle(first, [("train", TRAINING)])
            elsewhere.claim_steps(second, 40)
            elsewhere.settle(second, [("train", TRAINING)])
            elsewhere.verify()

    def test_before_the_first_claim_nothing_is_lost(self, ledger: Ledger) -> None:
        reservation = reserve(ledger)
        ledger.open(reservation)
        assert ledger.open(reservation).steps == 0

    @pytest.mark.parametrize("recovered", [True, False])
    def test_after_a_settlement_it_goes_on_and_is_not_settled_twice(self, ledger: Ledger, recovered: bool) -> None:
        reservation = reserve(ledger)
        first = ledger.open(reservation)
        ledger.claim_steps(first, 20)
        if recovered:
            ledger.recover()
        else:
            ledger.settle(first, [("train", TRAINING)])
        cost = ledger.spent(DATASET)
        second = ledger.open(reservation)
        ledger.claim_steps(second, STEPS)
        ledger.settle(second, [("train", TRAINING)])
        assert ledger.spent(DATASET) == cost
        assert sum(entry.kind is EntryKind.SETTLE for entry in ledger.entries()) == 1
        assert ledger.recover() == ()
        ledger.verify()
        assert verify_extract(ledger.extract("r1"), expected_head=ledger.head()) == []

    @pytest.mark.parametrize("events", [(), (SHORTER,), (TRAINING, TRAINING)])
    def test_it_is_settled_whole_and_never_left_out(self, ledger: Ledger, events: tuple[object, ...]) -> None:
        token = ledger.open(reserve(ledger))
        with pytest.raises(LedgerError, match="charged"):
            ledger.settle(token, [("train", event) for event in events])  # type: ignore[misc]
        assert ledger.spent(DATASET).mu_squared == TRAINING.mu_squared

    def test_what_was_given_back_stays_given_back(self, ledger: Ledger) -> None:
        reservation = reserve(ledger)
        ledger.void(reservation)
        with pytest.raises(LedgerError, match="is void, so OPEN is not possible"):
            ledger.open(reservation)

    def test_what_was_opened_is_never_given_back(self, ledger: Ledger) -> None:
        reservation = reserve(ledger)
        ledger.open(reservation)
        ledger.open(reservation)
        with pytest.raises(LedgerError, match="VOID is not possible"):
            ledger.void(reservation)

    @given(
        st.lists(
            st.tuples(st.sampled_from(["resume", "claim", "stale", "recover"]), st.integers(1, STEPS + 3)), max_size=12
        )
    )
    @settings(max_examples=30, deadline=None)
    def test_blocks_never_overlap_whatever_happens(self, happenings: list[tuple[str, int]]) -> None:
        """Everybody who was ever given a token answers all that it could claim; together they answer at most all."""
        with Ledger("sqlite://") as ledger:
            ledger.set_budget(DATASET, BUDGET, UNIT, event_delta="5e-6")
            reservation = reserve(ledger)
            tokens = [ledger.open(reservation)]
            answered, used = 0, 0
            for what, number in happenings:
                if what == "resume":
                    tokens.append(ledger.open(reservation))
                    assert tokens[-1].steps == used
                elif what == "recover":
                    ledger.recover()
                else:
                    token = tokens[-1] if what == "claim" else tokens[0]
                    try:
                        ledger.claim_steps(token, number)
                    except LedgerError:
                        continue
                    answered, used = answered + number - used, number
            assert answered == used <= STEPS
            assert ledger.spent(DATASET).mu_squared == TRAINING.mu_squared
            ledger.verify()


def said(kind: EntryKind, **changed: object) -> Statement:
    stated = Statement(kind=kind, dataset=DATASET, release_id="r1", reservation=2, unit=UNIT)
    return replace(stated, **changed)  # type: ignore[arg-type]


SET = Statement(kind=EntryKind.BUDGET, dataset=DATASET, budget=BUDGET, event_delta=Decimal("5e-6"), unit=UNIT)
RESERVED = said(EntryKind.RESERVE, charges=(Charge("train", TRAINING),), steps=STEPS, reservation=None)
OPEN, SETTLED = said(EntryKind.OPEN), said(EntryKind.SETTLE, charges=(Charge("train", TRAINING),))


def claim(steps: int, rows: str = "") -> Statement:
    return said(EntryKind.STEPS, steps=steps, fingerprint=rows)


class TestForgeries:
    def test_what_the_ledger_writes_is_legal(self) -> None:
        books = checked_books(chained(SET, RESERVED, OPEN, claim(5), OPEN, claim(9), SETTLED, OPEN, claim(STEPS)))
        assert books.records()[0].steps == STEPS

    @pytest.mark.parametrize(
        ("history", "reason"),
        [
            ((RESERVED, claim(5)), "is reserved, so STEPS is not possible"),
            ((RESERVED, said(EntryKind.VOID), claim(5)), "is void, so STEPS is not possible"),
            ((RESERVED, OPEN, claim(5), claim(5)), "5 of 50 steps"),
            ((RESERVED, OPEN, claim(5), claim(4)), "5 of 50 steps"),
            ((RESERVED, OPEN, claim(STEPS + 1)), "0 of 50 steps"),
            ((RESERVED, OPEN, claim(5, ROWS), claim(9)), "on other rows"),
            ((RESERVED, OPEN, claim(5), claim(9, ROWS)), "on other rows"),
            ((replace(RESERVED, steps=STEPS + 1), OPEN), "of as many as it has"),
            ((replace(RESERVED, steps=0), OPEN, claim(5)), "is open, so STEPS is not possible"),
            ((replace(RESERVED, steps=0), OPEN, OPEN), "is open, so OPEN is not possible"),
            ((RESERVED, OPEN, SETTLED, SETTLED), "is settled, so SETTLE is not possible"),
            ((RESERVED, OPEN, replace(SETTLED, charges=())), "charged as a whole"),
            ((RESERVED, OPEN, replace(claim(5), charges=SETTLED.charges)), "STEPS holds no charge"),
            ((RESERVED, OPEN, replace(claim(5), release_id="r2")), "does not hold"),
            ((RESERVED, OPEN, replace(claim(5), reservation=7)), "does not hold"),
        ],
    )
    def test_what_it_would_not_write_is_found(self, history: tuple[Statement, ...], reason: str) -> None:
        with pytest.raises(LedgerCorrupted, match=reason):
            checked_books(chained(SET, *history))

    @pytest.mark.parametrize("value", [True, "5", 5.0, None, [5]])
    def test_steps_are_a_whole_number(self, value: object) -> None:
        with pytest.raises(ValueError, match="steps is a whole number"):
            statement_from_content({**claim(5).content(), "steps": value})

    def test_it_survives_the_way_through_json(self) -> None:
        for made in (RESERVED, claim(5, ROWS)):
            assert statement_from_content(made.content()) == made
            assert '"steps":' in canonical_json(made.content())

    def test_only_reservations_and_claims_have_steps(self) -> None:
        with pytest.raises(InvalidInput, match="SETTLE has no steps"):
            replace(SETTLED, steps=5).content()
        with pytest.raises(InvalidInput, match="format 1"):
            replace(RESERVED, format=1).content()
        with pytest.raises(InvalidInput, match="no STEPS"):
            replace(claim(0), format=1).content()
