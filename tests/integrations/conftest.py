"""A ledger on disk with one data set of epsilon 1, as other tools meet it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.ledger import Ledger

DATASET, UNIT = "patients", "one row"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{path}") as opened:
        opened.set_budget(DATASET, PrivacyBudget(1, 0), UNIT)
        yield opened
