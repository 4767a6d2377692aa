"""The page about the corpus says what is recorded, and what is recorded is what the corpus demands."""

from __future__ import annotations

import re

from benchmarks.attack_corpus import FRESH_DRAW, GATE_MUST_FAIL, HONEST
from benchmarks.attack_page import PAGE, must_fail, recorded, written_page
from benchmarks.attack_tables import LARGE_POPULATION
from dpsynth.attacks.leaky_twins import LEAKY_TWINS

NAMED_ON_THE_PAGE = {
    ("diabetes", "ten-in-two-thousand", 1_249),
    ("diabetes", "ten-in-two-thousand", 1_600),
    ("adult-all", "ten-in-two-thousand", 10_000),
}
"""Leaks that are not found, by table, release and members."""


def test_the_page_shows_what_is_recorded() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert written_page(text) == text, "run `python -m benchmarks.attack_page`"


def test_leaks_fail_and_honest_releases_do_not() -> None:
    for one in recorded():
        found = one.outcome
        if must_fail(found) and (found.table, found.release, found.rows) not in NAMED_ON_THE_PAGE:
            assert found.said == "FAIL", found
        if not must_fail(found) and found.release != FRESH_DRAW:
            assert found.said != "FAIL", found


def test_the_whole_corpus_is_recorded_on_every_real_table() -> None:
    for table, rows in (("adult", 2_000), ("acs", 2_000), ("diabetes", 2_000), ("adult-all", 10_000)):
        found = {
            (one.outcome.judge, one.outcome.release)
            for one in recorded()
            if one.asked_rows == rows and one.outcome.table == table
        }
        assert {("suite", release) for release in (*LEAKY_TWINS, *HONEST)} <= found
        assert {("gate", release) for release in GATE_MUST_FAIL} <= found


def test_fresh_draws_hardly_ever_fail_and_never_pass() -> None:
    said = [one.outcome.said for one in recorded() if one.outcome.release == FRESH_DRAW]
    assert len(said) >= 200
    assert said.count("FAIL") <= 0.05 * len(said)
    assert "PASS" not in said


def test_an_honest_release_passes_where_it_can_be_shown_and_no_leak_ever_does() -> None:
    large = [one.outcome for one in recorded() if one.outcome.table == LARGE_POPULATION]
    assert [one.said for one in large if one.release == "fresh draw"] == ["PASS"]
    assert {one.said for one in large if must_fail(one)} == {"FAIL"}
    assert not [one.outcome for one in recorded() if must_fail(one.outcome) and one.outcome.said == "PASS"]


def test_every_leak_is_described() -> None:
    text = (PAGE.parent / "leaky_twins.md").read_text(encoding="utf-8")
    assert set(LEAKY_TWINS) <= set(re.findall(r"`([\w-]+)`", text))
