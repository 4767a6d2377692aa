"""Refused requests are counted beside the chain, cheaply, and change nothing else. On every store."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.errors import BudgetExceeded
from dpsynth.ledger import Ledger, authorship, refusals
from dpsynth.ledger.refusals import EARLIER, RefusalCounts
from dpsynth.oversight.account import accounts
from tests.ledger.places import Place, witness_at
from tests.ledger.requests_for_tests import DATASET, UNIT, pure, reserve


@pytest.fixture
def ledger(kept: Ledger) -> Ledger:
    kept.set_budget(DATASET, PrivacyBudget(1, 0), UNIT)
    return kept


def refuse(ledger: Ledger, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(BudgetExceeded):
            reserve(ledger, "2")


def beside(place: Place) -> Path:
    return witness_at(place).with_suffix(".refused")


def test_refusals_are_counted_by_day_and_nothing_is_written_to_the_chain(ledger: Ledger, place: Place) -> None:
    head = ledger.head()
    assert ledger.refused(DATASET) == {}
    refuse(ledger, 3)
    today = authorship.current_time()[:10]
    with Ledger(place.url, create=False) as other:
        refuse(other)
        assert other.refused(DATASET) == ledger.refused(DATASET) == {today: 4}
        assert other.verify() == head
    (account,) = accounts(ledger)
    assert account.refused == {today: 4}


def test_looking_and_asking_whether_there_is_room_is_no_refused_request(ledger: Ledger, place: Place) -> None:
    with pytest.raises(BudgetExceeded):
        ledger.require_room(DATASET, pure("2"), asked="it")
    reserve(ledger, "0.5")
    assert ledger.refused(DATASET) == {}
    assert not beside(place).exists()


def test_the_population_that_was_short_is_counted(place: Place) -> None:
    with Ledger(place.url, create=False) as ledger:
        ledger.link(DATASET, ["hospital", "registry"])
        ledger.set_budget("hospital", PrivacyBudget(5, 0), UNIT)
        ledger.set_budget("registry", PrivacyBudget(1, 0), UNIT)
        refuse(ledger)
        assert (len(ledger.refused("hospital")), len(ledger.refused("registry"))) == (0, 1)


def test_a_flood_stays_small(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = RefusalCounts(path.with_name("ledger.db.heads"))
    for day in range(1000):
        monkeypatch.setattr(refusals, "current_time", lambda day=day: f"{2000 + day // 300}-{day % 300:05d}T00")
        counts.count(DATASET)
    days = counts.of(DATASET)
    assert len(days) == refusals.MOST_DAYS + 1
    assert days[EARLIER] == 1000 - refusals.MOST_DAYS
    (file,) = path.parent.iterdir()
    assert file.name == "ledger.db.refused"
    assert file.stat().st_size < 10_000


@pytest.mark.parametrize("content", ["", "[]", "[" * 10**5, '{"patients": 1}', '{"patients": {"x": "y", "z": -1}}'])
def test_a_broken_file_is_begun_anew(ledger: Ledger, place: Place, content: str) -> None:
    beside(place).write_text(content, encoding="utf-8")
    refuse(ledger)
    assert list(ledger.refused(DATASET).values()) == [1]


def test_one_that_cannot_be_written_is_passed_over(ledger: Ledger, place: Place) -> None:
    beside(place).mkdir()
    refuse(ledger)
    assert ledger.refused(DATASET) == {}


def test_a_ledger_in_memory_counts_in_memory() -> None:
    with Ledger("sqlite://") as ledger:
        ledger.set_budget(DATASET, PrivacyBudget(1, 0), UNIT)
        refuse(ledger, 2)
        assert list(ledger.refused(DATASET).values()) == [2]
