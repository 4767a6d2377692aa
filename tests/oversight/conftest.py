"""A ledger with two data sets, filled as releases would fill it, by two people over half a year."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.ledger import Ledger, authorship
from tests.oversight.spending import UNIT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Return a function that sets who writes, and when, from then on."""

    def set_both(actor: str, day: str) -> None:
        monkeypatch.setattr("pwd.getpwuid", lambda uid: SimpleNamespace(pw_name=actor))
        monkeypatch.setattr(authorship, "written_time", lambda moment: f"{day}T09:00:00.000000Z")

    return set_both


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{path}") as opened:
        opened.set_budget("patients", PrivacyBudget(2, "1e-5"), UNIT)
        opened.set_budget("staff", PrivacyBudget(1, 0), UNIT)
        yield opened
