"""Any history of reservations, openings, settlements, crashes and recoveries: nothing opened is under-counted."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.errors import BudgetExceeded, LedgerError
from dpsynth.ledger import Ledger, OpenToken, Reservation
from tests.ledger.requests_for_tests import DATASET, UNIT, pure, reserve

COSTS = st.sampled_from(["0.05", "0.1", "0.15", "0.3"])


@dataclass
class Run:
    """What a release did, remembered outside the ledger."""

    reserved: Fraction
    really: Fraction = Fraction(0)
    is_open: bool = False
    counts: bool = True


class LedgerHistory(RuleBasedStateMachine):
    """Two holders of one ledger; either may crash, which loses its receipts but not what it did."""

    reservations = Bundle("reservations")
    tokens = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "ledger.db"
        self.holders = [Ledger(self.path), Ledger(self.path)]
        self.runs: dict[int, Run] = {}
        self.declared = Fraction(0)
        self.overspent = False
        self.number = 0

    @initialize()
    def set_budget(self) -> None:
        self.holders[0].set_budget(DATASET, PrivacyBudget(1, 0), UNIT)

    @property
    def granted(self) -> Fraction:
        return sum((run.reserved for run in self.runs.values() if run.counts), Fraction(0))

    @property
    def counted(self) -> Fraction:
        return self.granted + self.declared

    @rule(target=reservations, holder=st.integers(0, 1), epsilon=COSTS)
    def reserve(self, holder: int, epsilon: str) -> object:
        self.number += 1
        try:
            reservation = reserve(self.holders[holder], epsilon, release_id=f"r{self.number}")
        except BudgetExceeded:
            assert self.overspent or self.counted + Fraction(epsilon) > 1
            return multiple()
        assert not self.overspent
        assert self.counted + Fraction(epsilon) <= 1
        self.runs[reservation.index] = Run(Fraction(epsilon))
        return reservation

    @rule(holder=st.integers(0, 1), epsilon=COSTS)
    def declare(self, holder: int, epsilon: str) -> None:
        """Another tool has spent: nobody can refuse that, and nobody gets more by it."""
        self.number += 1
        self.holders[holder].declare(
            DATASET, release_id=f"d{self.number}", purpose="done", event=pure(epsilon), asked="it", unit=UNIT
        )
        self.declared += Fraction(epsilon)
        self.overspent = self.overspent or self.counted > 1
        assert bool(self.holders[1 - holder].overspent(DATASET)) == self.overspent

    @rule(target=tokens, holder=st.integers(0, 1), reservation=reservations)
    def open(self, holder: int, reservation: Reservation) -> object:
        run = self.runs[reservation.index]
        try:
            token = self.holders[holder].open(reservation)
        except LedgerError:
            assert run.is_open or not run.counts
            return multiple()
        assert not run.is_open
        assert run.counts
        run.is_open, run.really = True, run.reserved
        return token

    @rule(holder=st.integers(0, 1), reservation=consumes(reservations))
    def void(self, holder: int, reservation: Reservation) -> None:
        run = self.runs[reservation.index]
        try:
            self.holders[holder].void(reservation)
        except LedgerError:
            assert run.is_open or not run.counts
        else:
            assert not run.is_open
            run.counts = False

    @rule(holder=st.integers(0, 1), token=consumes(tokens), epsilon=COSTS)
    def settle(self, holder: int, token: OpenToken, epsilon: str) -> None:
        run = self.runs[token.reservation.index]
        try:
            self.holders[holder].settle(token, [("count", pure(epsilon))])
        except LedgerError:
            assert Fraction(epsilon) > run.reserved or token.reservation.index in self.recovered
        else:
            assert Fraction(epsilon) <= run.reserved
            run.reserved = run.really = Fraction(epsilon)

    @property
    def recovered(self) -> set[int | None]:
        return {
            entry.reservation
            for entry in self.holders[0].entries(DATASET)
            if entry.kind == "SETTLE" and entry.purpose.startswith("recovered")
        }

    @rule(holder=st.integers(0, 1))
    def crash(self, holder: int) -> None:
        self.holders[holder].close()
        self.holders[holder] = Ledger(self.path, create=False)

    @rule(holder=st.integers(0, 1))
    def recover(self, holder: int) -> None:
        before = self.holders[holder].spent(DATASET)
        self.holders[holder].recover()
        assert self.holders[holder].spent(DATASET) == before

    @invariant()
    def nothing_is_under_counted(self) -> None:
        opened = sum((run.really for run in self.runs.values() if run.is_open), Fraction(0))
        for ledger in self.holders:
            spent = ledger.spent(DATASET).epsilon
            assert spent is not None
            assert opened + self.declared <= spent == self.counted
            assert self.granted <= 1
            assert spent <= 1 or self.overspent

    def teardown(self) -> None:
        head = self.holders[0].head()
        assert self.holders[1].verify(expected_head=head) == head
        for ledger in self.holders:
            ledger.close()
        shutil.rmtree(self.folder)


LedgerHistory.TestCase.settings = settings(max_examples=10, stateful_step_count=20, deadline=None)
TestLedgerHistory = LedgerHistory.TestCase
