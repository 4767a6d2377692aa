"""The page in the documentation says what is recorded, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.bars import BARS, Bar, bars_of
from benchmarks.provenance import provenance_of
from benchmarks.record import RESULTS, Record, Run
from benchmarks.report import PAGE, PAGES, written_page
from benchmarks.tables.registry import TABLES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_shows_the_recorded_runs(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<!-- end -->" in text
    assert written_page(text, Record()) == text, "run `python -m benchmarks report`"


def test_the_page_shows_every_table() -> None:
    shown = set(re.findall(r"<!-- table ([\w-]+) -->", PAGE.read_text(encoding="utf-8")))
    assert shown == set(TABLES) - {"tiny"}


def test_every_recorded_run_can_be_repeated() -> None:
    for file in RESULTS.glob("*/*.json"):
        for run in json.loads(file.read_text(encoding="utf-8"))["runs"]:
            assert (run["table"], run["system"]) == (file.parent.name, file.stem)
            assert run["version"]
            assert {"when", "commit", "python", "cores", "threads"} <= run["surroundings"].keys()
            assert run["outcome"] != "finished" or run["surroundings"]["versions"]


@pytest.mark.parametrize("bar", BARS, ids=lambda bar: f"{bar.table}-{bar.epsilon}-{bar.figure}")
def test_a_bar_is_about_a_figure_that_is_shown(bar: Bar) -> None:
    assert bar.table in TABLES
    assert bar.epsilon in TABLES[bar.table].epsilons
    assert bar.limit is not None or bar.peers


def test_a_bar_is_met_or_not_by_the_system_that_is_named_first(tmp_path: Path) -> None:
    record = Record(tmp_path)
    where = {"surroundings": {"when": "2026-01-01"}}
    for system, error, seconds in (("aim", 0.03, 10.0), ("dpmm-aim", 0.05, 300.0)):
        figures = {"tvd2": error, "tvd3": 2 * error, "auc": 0.9}
        cost = {"cpu_seconds": seconds, "process_cpu_seconds": seconds, "peak_mb": 600.0}
        record.add(Run("adult-coded", system, "1", "1", "1e-9", 0, "finished", "", figures, cost, **where))
    text = bars_of(record)
    assert "| adult-coded | 1 | aim | tvd2 | at most 0.04 | 0.03 | yes |" in text
    assert "| adult-coded | 1 | aim | peak_mb | at most 500 | 600 | **no** |" in text
    assert "| adult-coded | 1 | aim | cpu_seconds | at most 15 (0.05 of the fastest peer AIM) | 10 | yes |" in text
    assert "| adult-coded | 10 | auto or aim | tvd2 | no peer finished | not run |  |" in text


def test_a_peer_that_was_stopped_still_says_how_fast_none_of_them_was(tmp_path: Path) -> None:
    record = Record(tmp_path)
    where = {"surroundings": {"when": "2026-01-01"}}
    ours = {"cpu_seconds": 10.0, "process_cpu_seconds": 12.0, "peak_mb": 300.0}
    record.add(Run("adult-coded", "aim", "1", "1", "1e-9", 0, "finished", "", {"tvd2": 0.03}, ours, **where))
    for system, outcome, spent in (
        ("dpmm-aim", "did not finish in 1200 CPU s", 1200.0),
        ("smartnoise-aim", "did not finish in 300 CPU s", 300.0),
        ("smartnoise-mst", "did not finish in 1 CPU s", 1.0),
    ):
        record.add(
            Run("adult-coded", system, "1", "1", "1e-9", 0, outcome, "", {}, {"process_cpu_seconds": spent}, **where)
        )
    text = bars_of(record)
    assert "| cpu_seconds | at most 15 (0.05 of 300 s in which no peer AIM finished) | 10 | yes |" in text
    assert "| adult-coded | 10 | auto or aim | tvd2 | no peer finished | not run |  |" in text


def test_the_page_says_where_its_figures_come_from(tmp_path: Path) -> None:
    record = Record(tmp_path)
    assert "Nothing" in provenance_of(record)
    where = {
        "when": "2026-01-01T00:00", "commit": "c0ffee", "python": "3.11", "system": "Linux", "processor": "P",
        "cores": 2, "memory_gb": 24, "threads": "1", "versions": {"numpy": "2"},
    }  # fmt: skip
    record.add(Run("wide", "mst", "1:a", "1", "1e-9", 0, "finished", "", {}, {}, where))
    assert "P, 2 cores, 24 GB, Linux, Python 3.11, OMP_NUM_THREADS 1" in provenance_of(record)
    assert "| mst | dpsynth 1:a; numpy 2 | c0ffee |" in provenance_of(record)
