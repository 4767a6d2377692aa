"""The ledger's commands: what they show, what they refuse, and that looking never makes a file."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import DpEvent, GdpEvent
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.errors import BudgetExceeded
from dpsynth.ledger import Ledger
from tests.cli.command_line import Run

SMALL = GdpEvent(Fraction(1, 100))


@pytest.fixture
def books(run: Run, tmp_path: Path) -> Ledger:
    """Return the ledger that the commands use, with a budget for `clinic`."""
    assert run("ledger", "budget", "clinic", "--epsilon", 2, "--delta", "1e-5").code == 0
    return Ledger(f"sqlite:///{tmp_path / 'home' / 'ledger.db'}")


def reserve(books: Ledger, release_id: str, event: DpEvent = SMALL) -> object:
    return books.reserve(
        "clinic",
        release_id=release_id,
        purpose="fit mwem",
        event=event,
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


def test_refused_requests_are_shown(run: Run, books: Ledger) -> None:
    with books:
        assert "refused" not in run("ledger", "show").out
        for _ in range(2):
            with pytest.raises(BudgetExceeded):
                reserve(books, "too much", GdpEvent(Fraction(100)))
    assert "refused  2 requests, the last on 20" in run("ledger", "show").out


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


def test_init_makes_an_empty_ledger_and_says_what_comes_next(run: Run, tmp_path: Path) -> None:
    made = run("ledger", "init")
    assert made.code == 0
    assert "0 entries" in made.out
    assert "dpsynth ledger budget" in made.out
    assert (tmp_path / "home" / "ledger.db").exists()
    again = json.loads(run("ledger", "init", "--json").out)
    assert (again["entries"], again["data_sets"]) == (0, [])


def test_show_prints_the_last_releases_and_says_how_many_it_left_out(run: Run, books: Ledger) -> None:
    with books:
        fill(books)
    shown = run("ledger", "show", "--last", 1)
    assert "2 earlier releases" in shown.out
    assert "given-up" in shown.out
    assert "crashed" not in shown.out
    assert len(json.loads(run("ledger", "show", "--json", "--last", 1).out)["data_sets"][0]["releases"]) == 3


def test_what_if_and_timeline_answer_in_words_and_in_json(run: Run, books: Ledger, tmp_path: Path) -> None:
    with books:
        fill(books)
        head = books.head()
    asked = ("--release", "aim:epsilon=0.5,delta=1e-9", "--release", "mst:epsilon=1.99,delta=1e-5")
    shown = run("ledger", "what-if", "clinic", *asked)
    assert shown.code == 0, shown.err
    assert "would be refused: mst" in shown.out
    found = json.loads(run("ledger", "what-if", "clinic", *asked, "--json").out)
    assert found["refused"] == ["mst"]
    assert [one["fits"] for one in found["requests"]] == [True, False]
    listed = tmp_path / "asked.yaml"
    listed.write_text("- {name: aim, epsilon: 0.5, delta: 1e-9}\n", encoding="utf-8")
    assert run("ledger", "what-if", "clinic", "--file", listed).code == 0
    assert run("ledger", "what-if", "clinic").code == 2
    assert run("ledger", "what-if", "nobody", *asked).code == 4
    assert "so far" in run("ledger", "timeline").out
    (total,) = json.loads(run("ledger", "timeline", "clinic", "--period", "year", "--json").out)["totals"]
    assert total["data_set"] == "clinic"
    assert run("ledger", "timeline", "nobody").code == 4
    assert json.loads(run("ledger", "verify", "--json").out)["digest"] == head.digest


def test_budget_and_recover_speak_json(run: Run, books: Ledger) -> None:
    with books:
        fill(books)
    same = json.loads(run("ledger", "budget", "clinic", "--epsilon", 2, "--delta", "1e-5", "--json").out)
    assert (same["data_set"], same["budget_epsilon"], same["budget_delta"]) == ("clinic", "2", "0.00001")
    settled = json.loads(run("ledger", "recover", "--older-than-minutes", 0, "--json").out)
    assert settled == {"settled": 1, "releases": [{"release": "crashed", "data_set": "clinic"}]}


def test_export_and_audit(run: Run, books: Ledger, tmp_path: Path) -> None:
    event = GdpEvent(mu_squared_from_budget(PrivacyBudget("0.6", "1e-6")))
    with books:
        for release_id in ("first", "second"):
            books.settle(books.open(reserve(books, release_id, event)), [("all", event)])  # type: ignore[arg-type]
        head = books.head()
    out = tmp_path / "ledger.jsonl"
    exported = run("ledger", "export", out, "--sign", "--json")
    assert json.loads(exported.out)["entries"] == head.index
    audited = run("ledger", "audit", out, "--head", f"{head.index}:{head.digest}")
    assert audited.code == 0, audited.out
    assert "every check holds" in audited.out
    lines = out.read_text("utf-8").splitlines()
    out.write_text("\n".join(lines[:5] + lines[6:]) + "\n", encoding="utf-8")
    refused = run("ledger", "audit", out, "--json")
    assert refused.code == 3
    assert "entry 5 is missing" in json.loads(refused.out)["problems"][0]
    assert "problem" in refused.err
    assert run("ledger", "export", tmp_path / "l.csv", "--format", "csv").code == 0
    entry = run("ledger", "export", tmp_path / "l.yaml", "--format", "registry", "--dataset", "clinic", "--json")
    assert json.loads(entry.out)["blanks"] > 5
    for wrong in (("--format", "registry"), ("--dataset", "clinic"), ("--format", "csv", "--sign")):
        assert run("ledger", "export", tmp_path / "x", *wrong).code == 2
    for wrong in ("1", "x:y", f"1:{'a' * 63}"):
        assert run("ledger", "audit", out, "--head", wrong).code == 2
    assert run("ledger", "export", out).code == 2


def test_a_long_ledger_that_did_not_change_is_shown_from_a_note_and_says_so(
    run: Run, books: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dpsynth.oversight.last_view.LONG", 1)
    with books:
        fill(books)
    first = run("ledger", "show")
    again = run("ledger", "show")
    assert "Unchanged since every entry was decided about" not in first.out
    assert again.out.startswith(first.out.rstrip("\n"))
    assert "dpsynth ledger verify" in again.out
    assert run("ledger", "show", "clinic").out == again.out
    assert run("ledger", "show", "nobody").code == 4
    assert "Unchanged" not in run("ledger", "show", "--last", 5).out
    assert run("ledger", "show", "--json").out == run("ledger", "show", "--json").out
