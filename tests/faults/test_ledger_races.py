"""Processes that ask at the same moment: together they never get more than the budget, and never less than fits.

DPSYNTH_RACES sets how often the race is run on each store; a race takes a few seconds.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.errors import BudgetExceeded
from dpsynth.ledger import Ledger
from tests.faults.children import Say, start
from tests.ledger.places import Place
from tests.ledger.requests_for_tests import DATASET, UNIT, reserve

RACES = int(os.environ.get("DPSYNTH_RACES", "2"))
RACERS = 8


@pytest.mark.parametrize("repetition", range(RACES))
def test_racing_processes_never_overspend(place: Place, repetition: int) -> None:
    """Eight processes ask for 0.01 of 1.00 as fast as they can: exactly 100 are accepted."""
    with Ledger(place.url, create=False) as ledger:
        ledger.set_budget(DATASET, PrivacyBudget(1, 0), UNIT)
    gate_reader, gate_writer = os.pipe()

    def work(say: Say) -> None:
        with Ledger(place.url, create=False) as ledger:
            os.close(gate_writer)
            os.read(gate_reader, 1)  # ends when the parent opens the gate for all at once
            while True:
                try:
                    reserve(ledger, "0.01", release_id=f"racer-{os.getpid()}")
                except BudgetExceeded:
                    return
                say("accepted")

    children = [start(work) for _ in range(RACERS)]
    os.close(gate_reader)
    os.close(gate_writer)
    results = [child.finish() for child in children]
    assert [status for _, status in results] == [0] * RACERS, results
    assert sum(len(lines) for lines, _ in results) == 100
    with Ledger(place.url, create=False) as ledger:
        ledger.verify()
        assert ledger.spent(DATASET).epsilon == 1
        assert ledger.head().index == 101


def test_racing_processes_make_one_ledger(tmp_path: Path) -> None:
    path = tmp_path / "new.db"

    def work(say: Say) -> None:
        with Ledger(path) as ledger:
            ledger.set_budget(DATASET, PrivacyBudget(1, 0), UNIT)
            reserve(ledger, "0.1", release_id=f"racer-{os.getpid()}")

    children = [start(work) for _ in range(6)]
    assert [child.finish() for child in children] == [([], 0)] * 6
    with Ledger(path) as ledger:
        assert ledger.verify().index == 7
