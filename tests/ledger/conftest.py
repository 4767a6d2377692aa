"""One ledger per test, on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.ledger import Ledger
from tests.ledger.places import kept, place, postgres_place, postgres_server
from tests.ledger.requests_for_tests import DATASET, UNIT

__all__ = ["kept", "ledger", "path", "place", "postgres_place", "postgres_server"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{path}") as opened:
        opened.set_budget(DATASET, PrivacyBudget(1, 0), UNIT)
        yield opened
