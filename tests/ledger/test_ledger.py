"""The ledger through its front door: budgets, reservations, settlement, refusals."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.cost import ZERO_COST, cost_of
from dpsynth.accounting.events import ApproximateDpEvent, ExponentialDpEvent, GdpEvent, NonPrivateDpEvent
from dpsynth.accounting.filter import FilterKind
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget, range_of_mu_squared
from dpsynth.accounting.zcdp import rho_from_budget
from dpsynth.errors import (
    BudgetExceeded,
    BudgetNotSet,
    DpsynthError,
    InvalidInput,
    LedgerError,
    LedgerUnavailable,
)
from dpsynth.ledger import EntryKind, Ledger, OpenToken, Reservation
from dpsynth.ledger.statement import Statement
from tests.ledger.requests_for_tests import DATASET, UNIT, opened, pure, reserve, spend


def epsilon_spent(ledger: Ledger, dataset: str = DATASET) -> Fraction | None:
    return ledger.spent(dataset).epsilon


class TestFilter:
    """Which sum a budget bounds is fixed with it; budgets of before bound rho."""

    BUDGET = PrivacyBudget(1, "1e-6")

    def release(self, ledger: Ledger, mu_squared: Fraction) -> None:
        """Reserve, and settle at a choice and at Gaussian answers whose costs round badly."""
        reservation = ledger.reserve(
            "visits",
            release_id="r1",
            purpose="fit",
            event=GdpEvent(mu_squared),
            asked="all",
            unit=UNIT,
            certifiable=True,
        )
        choice = ExponentialDpEvent(range_of_mu_squared(mu_squared / 2))
        answers = [("measure", GdpEvent(Fraction(1, 10**12)))] * 5
        ledger.settle(ledger.open(reservation), [("choose", choice), *answers])

    def test_a_new_budget_bounds_squared_mu(self, path: Path) -> None:
        whole = mu_squared_from_budget(self.BUDGET)
        with Ledger(path) as ledger:
            ledger.set_budget("visits", self.BUDGET)
            assert ledger.remaining("visits", after=GdpEvent(whole)) == "epsilon 0 at delta 1e-06"
            assert ledger.remaining("visits") == "epsilon 1 at delta 1e-06"
            self.release(ledger, whole)
            spent = ledger.spent("visits").mu_squared
            assert spent is not None
            assert whole * Fraction(49, 100) < spent <= whole / 2 + Fraction(5, 10**12)
            assert ledger.entries("visits")[0].content()["budget"] == {
                "epsilon": "1",
                "delta": "0.000001",
                "event_delta": "0",
                "policy": "adaptive",
                "filter": "gaussian",
            }
            ledger.verify()

    def test_a_budget_of_before_bounds_rho_for_ever(self, path: Path) -> None:
        rho = rho_from_budget(self.BUDGET)
        written = Statement(
            kind=EntryKind.BUDGET,
            dataset="visits",
            budget=self.BUDGET,
            filter_kind=FilterKind.ZERO_CONCENTRATED,
        )
        with Ledger(path) as ledger:
            with ledger._journal.writing() as writer:
                writer.append(written)
            ledger.set_budget("visits", self.BUDGET)  # the same again changes nothing
            with pytest.raises(BudgetExceeded) as refused:
                self.release(ledger, mu_squared_from_budget(self.BUDGET))
            largest = refused.value.largest_epsilon
            assert Decimal("0.9") < largest < 1
            self.release(ledger, mu_squared_from_budget(PrivacyBudget(largest, "1e-6")))
            assert (ledger.spent("visits").rho or 0) < rho / 2
        with Ledger(path) as ledger:
            ledger.verify()
            assert "filter" not in (ledger.entries("visits")[0].content()["budget"] or {})  # type: ignore[operator]


class TestBudget:
    def test_a_data_set_without_a_budget_is_refused_with_the_command_that_sets_one(self, ledger: Ledger) -> None:
        with pytest.raises(BudgetNotSet, match="dpsynth ledger budget other --epsilon E --delta D"):
            reserve(ledger, "0.1", dataset="other")
        with pytest.raises(BudgetNotSet):
            ledger.budget("other")
        with pytest.raises(BudgetNotSet):
            ledger.remaining("other")
        assert ledger.head().index == 1

    def test_the_same_budget_again_changes_nothing(self, ledger: Ledger) -> None:
        before = ledger.head()
        ledger.set_budget(DATASET, PrivacyBudget("1.000", 0), UNIT)
        ledger.set_budget(DATASET, PrivacyBudget(1, 0))
        assert ledger.head() == before

    @pytest.mark.parametrize(("epsilon", "delta"), [("2", "0"), ("0.5", "0"), ("1", "1e-6")])
    def test_another_budget_is_refused_because_it_is_fixed(self, ledger: Ledger, epsilon: str, delta: str) -> None:
        before = ledger.head()
        with pytest.raises(LedgerError, match="fixed for ever"):
            ledger.set_budget(DATASET, PrivacyBudget(epsilon, delta), UNIT)
        assert ledger.head() == before
        assert ledger.budget(DATASET) == PrivacyBudget(1, 0)

    def test_what_is_set_aside_for_events_with_a_delta_is_fixed_with_the_budget(self, path: Path) -> None:
        def ask(ledger: Ledger, delta: str) -> None:
            ledger.reserve(
                "visits",
                release_id="r1",
                purpose="fit",
                event=ApproximateDpEvent(Decimal("0.1"), Decimal(delta)),
                asked=f"epsilon 0.1, delta {delta}",
                unit=UNIT,
                certifiable=True,
            )

        with Ledger(path) as ledger:
            with pytest.raises(LedgerError, match="a part of the budget"):
                ledger.set_budget("visits", PrivacyBudget(1, "1e-6"), event_delta="2e-6")
            ledger.set_budget("visits", PrivacyBudget(1, "1e-6"), event_delta="4e-7")
            with pytest.raises(LedgerError, match="fixed for ever"):
                ledger.set_budget("visits", PrivacyBudget(1, "1e-6"))
            ask(ledger, "4e-7")
            with pytest.raises(BudgetExceeded):
                ask(ledger, "1e-12")
        with Ledger(path) as ledger:
            ledger.verify()
            assert ledger.entries()[0].event_delta == Decimal("4e-7")

    def test_another_unit_is_refused(self, ledger: Ledger) -> None:
        with pytest.raises(LedgerError, match="fixed for ever"):
            ledger.set_budget(DATASET, PrivacyBudget(1, 0), "one household")

    def test_a_request_that_protects_another_unit_is_refused(self, ledger: Ledger) -> None:
        with pytest.raises(LedgerError, match="different units cannot be added up"):
            ledger.reserve(
                DATASET,
                release_id="r1",
                purpose="fit",
                event=pure("0.1"),
                asked="epsilon 0.1",
                unit="one household",
                certifiable=True,
            )
        assert ledger.spent(DATASET) == ZERO_COST

    def test_the_first_reservation_fixes_a_unit_that_was_left_open(self, path: Path) -> None:
        with Ledger(path) as ledger:
            ledger.set_budget("visits", PrivacyBudget(1, 0))
            assert ledger.unit("visits") == ""
            reserve(ledger, "0.1", dataset="visits")
            assert ledger.unit("visits") == UNIT
            with pytest.raises(LedgerError, match="fixed for ever"):
                ledger.set_budget("visits", PrivacyBudget(1, 0), "one household")

    def test_data_sets_are_apart(self, ledger: Ledger) -> None:
        ledger.set_budget("visits", PrivacyBudget("0.2", 0), UNIT)
        spend(ledger, "0.9")
        spend(ledger, "0.2", dataset="visits")
        assert ledger.datasets() == (DATASET, "visits")
        assert epsilon_spent(ledger) == Fraction(9, 10)
        assert epsilon_spent(ledger, "visits") == Fraction(1, 5)


class TestExactness:
    def test_three_tenths_fit_and_one_more_billionth_does_not(self, path: Path) -> None:
        with Ledger(path) as ledger:
            ledger.set_budget("visits", PrivacyBudget(0.3, 0))
            for number in range(3):
                spend(ledger, "0.1", release_id=f"r{number}", dataset="visits")
            head = ledger.head()
            with pytest.raises(BudgetExceeded) as refused:
                reserve(ledger, "1e-9", dataset="visits")
            assert refused.value.asked == "epsilon 1e-9, delta 0"
            assert refused.value.largest_epsilon == 0
            assert "Nothing was spent" in str(refused.value)
            assert ledger.head() == head
            assert epsilon_spent(ledger, "visits") == Fraction(3, 10)

    def test_ten_tenths_fit_into_one(self, ledger: Ledger) -> None:
        for number in range(10):
            spend(ledger, "0.1", release_id=f"r{number}")
        with pytest.raises(BudgetExceeded):
            reserve(ledger, "1e-9")

    def test_a_refusal_says_what_fits_and_that_much_does_fit(self, path: Path) -> None:
        def fit(ledger: Ledger, epsilon: Decimal) -> None:
            budget = PrivacyBudget(epsilon, "1e-6")
            ledger.reserve(
                "visits",
                release_id="r1",
                purpose="fit",
                event=GdpEvent(mu_squared_from_budget(budget)),
                asked=str(budget),
                unit=UNIT,
                certifiable=True,
            )

        with Ledger(path) as ledger:
            ledger.set_budget("visits", PrivacyBudget(1, "1e-6"))
            fit(ledger, Decimal("0.6"))
            with pytest.raises(BudgetExceeded) as refused:
                fit(ledger, Decimal("0.9"))
            fits = refused.value.largest_epsilon
            assert refused.value.delta == Decimal("1e-6")
            assert Decimal("0.4") < fits < Decimal("0.9")  # squared mu adds up more gently than epsilon
            assert f"epsilon {fits} at delta" in str(refused.value)
            with pytest.raises(BudgetExceeded):
                fit(ledger, fits + Decimal("0.001"))
            fit(ledger, fits)
            ledger.verify()

    def test_what_costs_infinity_never_fits(self, ledger: Ledger) -> None:
        with pytest.raises(BudgetExceeded):
            ledger.reserve(
                DATASET,
                release_id="r1",
                purpose="look",
                event=NonPrivateDpEvent(),
                asked="everything",
                unit=UNIT,
                certifiable=True,
            )

    def test_asking_whether_there_is_room_writes_nothing(self, ledger: Ledger) -> None:
        before = ledger.head()
        ledger.require_room(DATASET, pure("1"), asked="epsilon 1")
        with pytest.raises(BudgetExceeded, match="asked for epsilon 2"):
            ledger.require_room(DATASET, pure("2"), asked="epsilon 2")
        assert ledger.head() == before


class TestStates:
    def test_a_reservation_counts_in_full_until_settled_at_what_it_cost(self, ledger: Ledger) -> None:
        reservation = reserve(ledger, "0.4")
        assert epsilon_spent(ledger) == Fraction(2, 5)
        token = ledger.open(reservation)
        assert epsilon_spent(ledger) == Fraction(2, 5)
        ledger.settle(token, [("age", pure("0.1")), ("sex", pure("0.05"))])
        assert epsilon_spent(ledger) == Fraction(3, 20)
        assert ledger.spent(DATASET) == cost_of(pure("0.1")) + cost_of(pure("0.05"))

    def test_the_entries_say_who_what_why_and_when(self, ledger: Ledger) -> None:
        spend(ledger, "0.1", release_id="r7")
        budget, reserved, opening, settled = ledger.entries()
        assert [entry.kind for entry in ledger.entries(DATASET)] == [
            EntryKind.BUDGET,
            EntryKind.RESERVE,
            EntryKind.OPEN,
            EntryKind.SETTLE,
        ]
        assert budget.budget == PrivacyBudget(1, 0)
        assert reserved.event == pure("0.1")
        assert reserved.asked == "epsilon 0.1, delta 0"
        assert {entry.release_id for entry in (reserved, opening, settled)} == {"r7"}
        assert {entry.reservation for entry in (opening, settled)} == {reserved.index}
        assert settled.charges[0].purpose == "count"
        assert all(entry.actor and entry.time.endswith("Z") and entry.software for entry in ledger.entries())
        assert len({entry.salt for entry in ledger.entries()}) == 4

    def test_a_release_that_asked_nothing_settles_at_nothing(self, ledger: Ledger) -> None:
        ledger.settle(opened(ledger, "0.4"), [])
        assert ledger.spent(DATASET) == ZERO_COST

    def test_settling_for_more_than_reserved_is_refused_noted_and_counts_in_full(self, ledger: Ledger) -> None:
        token = opened(ledger, "0.4")
        with pytest.raises(LedgerError, match="charged more than it had reserved"):
            ledger.settle(token, [("age", pure("0.4")), ("sex", pure("1e-9"))])
        assert epsilon_spent(ledger) == Fraction(2, 5)
        assert ledger.entries()[-1].kind is EntryKind.NOTE
        ledger.settle(token, [("age", pure("0.4"))])
        ledger.verify()

    def test_settling_for_another_kind_of_cost_is_refused(self, ledger: Ledger) -> None:
        token = opened(ledger, "0.4")
        with pytest.raises(LedgerError, match="charged more than it had reserved"):
            ledger.settle(token, [("age", GdpEvent(Fraction(1, 1000)))])

    def test_a_token_settles_once(self, ledger: Ledger) -> None:
        token = opened(ledger, "0.4")
        ledger.settle(token, [("age", pure("0.4"))])
        with pytest.raises(LedgerError, match="is settled"):
            ledger.settle(token, [])
        assert epsilon_spent(ledger) == Fraction(2, 5)

    def test_a_reservation_opens_once(self, ledger: Ledger) -> None:
        reservation = reserve(ledger, "0.4")
        ledger.open(reservation)
        with pytest.raises(LedgerError, match="is open"):
            ledger.open(reservation)

    def test_a_reservation_may_be_given_back_only_before_it_is_opened(self, ledger: Ledger) -> None:
        unopened = reserve(ledger, "0.4")
        assert ledger.pending() == ledger.pending(DATASET) == (unopened,)
        assert ledger.pending("other") == ()
        ledger.void(unopened)
        assert ledger.spent(DATASET) == ZERO_COST
        assert ledger.pending() == ()
        with pytest.raises(LedgerError, match="is void"):
            ledger.open(unopened)
        reservation = reserve(ledger, "0.4")
        ledger.open(reservation)
        with pytest.raises(LedgerError, match="is open"):
            ledger.void(reservation)
        assert epsilon_spent(ledger) == Fraction(2, 5)

    def test_receipts_of_another_ledger_are_refused(self, ledger: Ledger) -> None:
        with Ledger("sqlite://") as other:
            other.set_budget(DATASET, PrivacyBudget(1, 0), UNIT)
            foreign = reserve(other, "0.1")
            foreign_token = other.open(foreign)
        reserve(ledger, "0.1")
        for attempt in (lambda: ledger.open(foreign), lambda: ledger.settle(foreign_token, [])):
            with pytest.raises(LedgerError, match="not given out by this ledger"):
                attempt()

    def test_a_made_up_token_is_refused(self, ledger: Ledger) -> None:
        token = opened(ledger, "0.1")
        with pytest.raises(LedgerError, match="not given out by this ledger"):
            ledger.settle(OpenToken(token.reservation, token.index, "0" * 64), [])
        with pytest.raises(LedgerError, match="not given out by this ledger"):
            ledger.open(Reservation(DATASET, "r1", 99, "0" * 64))

    def test_recovery_settles_what_was_left_open_at_full_cost(self, path: Path) -> None:
        with Ledger(path) as crashed:
            crashed.set_budget(DATASET, PrivacyBudget(1, 0), UNIT)
            token = opened(crashed, "0.4", release_id="crashed")
            reserve(crashed, "0.1", release_id="never opened")
        with Ledger(path) as ledger:
            assert ledger.recover(older_than=timedelta(days=1)) == ()
            (entry,) = ledger.recover()
            assert (entry.release_id, entry.event) == ("crashed", pure("0.4"))
            assert ledger.recover() == ()
            assert epsilon_spent(ledger) == Fraction(1, 2)
            with pytest.raises(LedgerError, match="is settled"):
                ledger.settle(token, [])
            ledger.verify()

    def test_a_note_costs_nothing(self, ledger: Ledger) -> None:
        ledger.note(DATASET, "exported", release_id="r1")
        assert ledger.entries()[-1].purpose == "exported"
        assert ledger.spent(DATASET) == ZERO_COST

    @pytest.mark.parametrize("words", ["", "   ", "two\nlines", "\ud800", "x" * 501])
    def test_names_are_one_line_of_text(self, ledger: Ledger, words: str) -> None:
        with pytest.raises(InvalidInput, match="one line"):
            reserve(ledger, "0.1", release_id=words)
        with pytest.raises(InvalidInput, match="one line"):
            ledger.set_budget(words, PrivacyBudget(1, 0))

    def test_the_words_of_a_settlement_are_made_to_fit(self, ledger: Ledger) -> None:
        ledger.settle(opened(ledger, "0.1"), [("two\nlines" + "x" * 600, pure("0.1"))])
        assert ledger.entries()[-1].charges[0].purpose.startswith("two?lines")
        ledger.verify()


class TestSharing:
    def test_two_objects_on_one_file_see_each_other(self, path: Path, ledger: Ledger) -> None:
        with Ledger(path) as second:
            spend(ledger, "0.6")
            assert epsilon_spent(second) == Fraction(3, 5)
            with pytest.raises(BudgetExceeded):
                reserve(second, "0.5")
            token = opened(second, "0.4", release_id="r2")
            assert epsilon_spent(ledger) == 1
            second.settle(token, [])
            assert epsilon_spent(ledger) == Fraction(3, 5)
            assert ledger.head() == second.head()

    def test_threads_never_overspend(self, ledger: Ledger) -> None:
        accepted: list[int] = []

        def work() -> None:
            while True:
                try:
                    reserve(ledger, "0.05")
                except BudgetExceeded:
                    return
                accepted.append(1)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(accepted) == 20

    def test_a_fork_shares_a_file_but_not_memory(self, ledger: Ledger) -> None:
        with Ledger("sqlite://") as in_memory:
            assert not in_memory.durable
            assert ledger.durable
            in_memory.set_budget(DATASET, PrivacyBudget(1, 0), UNIT)
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    spend(ledger, "0.25")
                    reserve(in_memory, "0.25")
                except LedgerUnavailable:
                    status = 0
                finally:
                    os._exit(status)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert epsilon_spent(ledger) == Fraction(1, 4)
            assert in_memory.spent(DATASET) == ZERO_COST

    def test_an_interrupt_inside_a_write_leaves_nothing_behind(self, ledger: Ledger) -> None:
        before = ledger.head()
        with pytest.raises(KeyboardInterrupt), ledger._journal.writing() as writer:  # noqa: PT012
            writer.append(Statement(kind=EntryKind.NOTE, dataset=DATASET, purpose="x"))
            raise KeyboardInterrupt
        assert ledger.head() == before
        spend(ledger, "0.1")
        ledger.verify()

    def test_a_closed_ledger_says_so(self, ledger: Ledger) -> None:
        ledger.close()
        with pytest.raises(LedgerUnavailable, match="closed"):
            ledger.head()


def test_a_ledger_in_memory_starts_empty() -> None:
    with Ledger("sqlite://") as ledger:
        assert ledger.head() == (0, "0" * 64)
        assert ledger.datasets() == ()
        assert ledger.entries() == ()
        assert ledger.verify() == ledger.head()


def test_every_refusal_of_the_ledger_is_exit_code_four() -> None:
    assert {error.exit_code for error in (BudgetNotSet, BudgetExceeded, LedgerError, LedgerUnavailable)} == {4}
    assert issubclass(LedgerError, DpsynthError)


def test_importing_the_ledger_loads_no_database() -> None:
    program = "import sys, dpsynth.ledger; sys.exit('sqlalchemy' in sys.modules or 'sqlite3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


class TestExpiry:
    def test_a_token_that_has_expired_settles_in_full(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        token = ledger.open(reserve(ledger, "0.4"), lifetime=timedelta(hours=1))
        assert not token.is_expired
        assert ledger.entries()[-1].expires == token.expires > ledger.entries()[-1].time
        monkeypatch.setattr("dpsynth.ledger.tokens.current_time", lambda: "9999-01-01T00:00:00.000000Z")
        assert token.is_expired
        ledger.settle(token, [("age", pure("0.1"))])
        assert epsilon_spent(ledger) == Fraction(2, 5)
        assert "expired" in ledger.entries()[-1].purpose
        ledger.verify()

    def test_a_clock_that_goes_back_lowers_nothing(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        token = opened(ledger, "0.4")
        monkeypatch.setattr("dpsynth.ledger.tokens.current_time", lambda: "1970-01-01T00:00:00.000000Z")
        with pytest.raises(LedgerError, match="more than it had reserved"):
            ledger.settle(token, [("age", pure("0.5"))])
        assert epsilon_spent(ledger) == Fraction(2, 5)

    def test_a_token_lives_for_some_time(self, ledger: Ledger) -> None:
        with pytest.raises(InvalidInput, match="above 0"):
            ledger.open(reserve(ledger, "0.4"), lifetime=timedelta(0))


class TestWhy:
    def test_a_reservation_says_on_whose_authority_and_with_what(self, ledger: Ledger) -> None:
        reservation = ledger.reserve(
            DATASET,
            release_id="r1",
            purpose="fit",
            event=pure("0.1"),
            asked="epsilon 0.1",
            unit=UNIT,
            certifiable=True,
            ticket="DATA-17",
            legal_basis="Art. 6 (1) e GDPR",
            configuration="ab" * 32,
        )
        ledger.settle(ledger.open(reservation), [], fingerprint="cd" * 32)
        ledger.note(DATASET, "exported", release_id="r1", artefact="ef" * 32)
        _, reserved, _, settled, noted = ledger.entries()
        assert (reserved.ticket, reserved.legal_basis, reserved.configuration) == (
            "DATA-17",
            "Art. 6 (1) e GDPR",
            "ab" * 32,
        )
        assert (settled.fingerprint, noted.artefact) == ("cd" * 32, "ef" * 32)
        assert len({entry.software_sha256 for entry in ledger.entries()}) == 1
        assert len(reserved.software_sha256) == 64

    @pytest.mark.parametrize("words", ["two\nlines", "x" * 501])
    def test_tickets_are_one_line(self, ledger: Ledger, words: str) -> None:
        for field in ("ticket", "legal_basis"):
            with pytest.raises(InvalidInput, match="one line"):
                ledger.reserve(
                    DATASET,
                    release_id="r1",
                    purpose="fit",
                    event=pure("0.1"),
                    asked="epsilon 0.1",
                    unit=UNIT,
                    certifiable=True,
                    **{field: words},  # type: ignore[arg-type]
                )
