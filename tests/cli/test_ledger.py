"""The ledger's commands: what they show, what they refuse, and that looking never makes a file."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.accounting.events import GdpEvent
from dpsynth.ledger import Ledger
from tests.cli.command_line import Run


@pytest.fixture
def books(run: Run, tmp_path: Path) -> Ledger:
    """Return the ledger that the commands use, with a budget for `clinic`."""
    assert run("ledger", "budget", "clinic", "--epsilon", 2, "--delta", "1e-5").code == 0
    return Ledger(f"sqlite:///{tmp_path / 'home' / 'ledger.db'}")


def reserve(books: Ledger, release_id: str) -> object:
    return books.reserve(
        "clinic",
        release_id=release_id,
        purpose="fit mwem",
        event=GdpEvent(Fraction(1, 100)),
        asked="epsilon 0.6, delta 1e-06",
        unit="one row",
        certifiable=True,
    )


def fill(books: Ledger) -> None:
    """Write one settled, one interrupted, one void and one exported release."""
    cheap = books.open(reserve(books, "cheap"))  # type: ignore[arg-type]
    books.settle(cheap, [("count", GdpEvent(Fraction(1, 400)))])
    books.note("clinic", "exported", release_id="cheap")
    books.open(reserve(books, "crashed"))  # type: ignore[arg-type]
    books.void(reserve(books, "given-up"))  # type: ignore[arg-type]


def test_each_release_is_a_block_with_what_was_asked_and_what_it_costs_now(run: Run, books: Ledger) -> None:
    with books:
        fill(books)
    shown = run("ledger", "show")
    assert shown.code == 0
    blocks = shown.out.split("\n\n")
    cheap, crashed, given_up = blocks[-3:]
    assert "spent    squared mu 0.012500" in shown.out
    for fact in (
        "asked    epsilon 0.6, delta 1e-06",
        "squared mu 0.002500 of squared mu 0.010000",
        "settled, questions asked: 1",
        "exported",
    ):
        assert fact in cheap
    assert "squared mu 0.010000, in full" in crashed
    assert "state    open" in crashed
    assert "costs    nothing" in given_up
    assert max(len(line) for line in shown.out.splitlines()) <= 80


def test_recover_leaves_what_may_still_run_alone(run: Run, books: Ledger) -> None:
    with books:
        fill(books)
    assert "settled 0 interrupted" in run("ledger", "recover").out
    recovered = run("ledger", "recover", "--older-than-minutes", 0)
    assert "settled 1 interrupted" in recovered.out
    assert "crashed" in recovered.out
    shown = run("ledger", "show")
    assert "settled in full after a crash" in shown.out
    lines = json.loads(run("ledger", "show", "--json").out)["data_sets"][0]["releases"]
    assert {line["release"]: line["costs"] for line in lines}["crashed"] == "squared mu 0.010000, in full"


@pytest.mark.parametrize("command", ["show", "verify", "recover"])
def test_looking_at_a_ledger_that_is_not_there_makes_none(run: Run, tmp_path: Path, command: str) -> None:
    outcome = run("ledger", command, "--ledger", tmp_path / "typo.db")
    assert outcome.code == 4
    assert "there is no ledger at" in outcome.err
    assert not list(tmp_path.glob("typo*"))


@pytest.mark.parametrize("name", ["two words", "a/b", "-x y", "Ünal", "a" * 200])
def test_a_budget_needs_a_data_set_id_that_a_schema_can_have(run: Run, tmp_path: Path, name: str) -> None:
    outcome = run("ledger", "budget", "--epsilon", 1, "--delta", "1e-6", "--", name)
    assert outcome.code == 2
    assert "data set id" in outcome.err
    assert not (tmp_path / "home" / "ledger.db").exists()
