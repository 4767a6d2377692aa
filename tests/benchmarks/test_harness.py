"""The harness on a tiny table: what it records, what it skips, what it says about runs that end early."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import comparison
from benchmarks.comparison import Asked, compare
from benchmarks.process import Limits, run_to_the_end
from benchmarks.record import Record, Run
from benchmarks.report import table_of, written_page
from benchmarks.resampling_runner import exact_within_groups
from benchmarks.tables.generated import tiny

LIMITS = Limits(cpu_seconds=100, seconds=250, megabytes=4_000)


def asked(*systems: str, folder: Path) -> Asked:
    return Asked(["tiny"], systems, ["1"], 1, folder, LIMITS)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Record:
    folder = tmp_path_factory.mktemp("results")
    record = Record(folder)
    compare(asked("independent", "resampled", folder=folder), record)
    return record


def test_own_systems_and_the_reference_are_judged_alike(recorded: Record) -> None:
    runs = {run.system: run for run in recorded.runs("tiny")}
    assert set(runs) == {"independent", "resampled"}
    for run in runs.values():
        assert run.finished
        assert set(run.figures) == {"tvd1", "tvd2", "tvd3"}
        assert 0 < run.cost["cpu_seconds"] < run.cost["process_cpu_seconds"]
        assert run.cost["peak_mb"] > 10
        assert run.surroundings["versions"]["numpy"]
    # A table without dependences is far from one that is only resampled.
    assert runs["independent"].figures["tvd2"] > 2 * runs["resampled"].figures["tvd2"]


def test_columns_that_are_exact_within_groups_know_nothing_more() -> None:
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, 600)
    tied = (group + rng.integers(0, 2, 600)) % 4
    training = np.column_stack([tied, group, tied]).astype(np.int32)
    made = exact_within_groups(training, 1, rng)
    for column in (0, 2):
        for value in range(3):
            real, drawn = (np.bincount(rows[rows[:, 1] == value, column], minlength=4) for rows in (training, made))
            np.testing.assert_array_equal(real, drawn)
    assert 0.3 < (made[:, 0] == made[:, 2]).mean() < 0.7  # all of them are equal in the training rows


def test_a_recorded_run_is_not_run_again(recorded: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_again(*_: object) -> Run:
        raise AssertionError("this run is recorded")

    monkeypatch.setattr(comparison, "one_run", run_again)
    compare(asked("independent", "resampled", folder=recorded.folder), recorded)
    with pytest.raises(AssertionError, match="recorded"):
        compare(asked("mst", folder=recorded.folder), recorded)


def test_a_run_of_another_version_replaces_the_old_one(tmp_path: Path) -> None:
    record = Record(tmp_path)
    old = Run("tiny", "aim", "1:a", "1", "1e-9", 0, outcome="finished")
    record.add(old)
    record.add(Run("tiny", "aim", "1:a", "1", "1e-9", 1, outcome="finished"))
    new = Run("tiny", "aim", "1:b", "1", "1e-9", 0, outcome="did not finish in 3 CPU s")
    assert record.has(old)
    assert not record.has(new)
    record.add(new)
    assert [(run.version, run.seed) for run in record.runs("tiny")] == [("1:b", 0), ("1:a", 1)]


def test_the_table_shows_means_failures_and_ratios(recorded: Record, tmp_path: Path) -> None:
    record = Record(tmp_path)
    where = {"surroundings": {"when": "2026-01-01"}}
    figures = {"tvd1": 0.01, "tvd2": 0.02, "tvd3": 0.04}
    for seed, seconds in enumerate((1.0, 3.0)):
        cost = {"cpu_seconds": seconds, "process_cpu_seconds": 5.0, "peak_mb": 100.0}
        record.add(Run("tiny", "mst", "1:a", "1", "1e-9", seed, "finished", "", figures, cost, **where))
    cost = {"cpu_seconds": 50.0, "process_cpu_seconds": 60.0, "peak_mb": 4000.0}
    record.add(Run("tiny", "smartnoise-mst", "9", "1", "1e-9", 0, "finished", "", figures, cost, **where))
    record.add(
        Run(
            "tiny",
            "dpmm-mst",
            "8",
            "1",
            "1e-9",
            0,
            "did not finish in 9 CPU s",
            "",
            {},
            {"process_cpu_seconds": 9.0},
            **where,
        )
    )
    lines = table_of("tiny", record).splitlines()
    assert lines[2] == "| 1 | **mst** | 2 | 0.0100 | 0.0200 | 0.0400 | 2.0 | 5.0 | 100 |  |"
    assert next(line for line in lines if "dpmm" in line).endswith(
        "| did not finish in 9 CPU s |  |  |  | 9 |  | > 4.5 x |"
    )
    assert next(line for line in lines if "smartnoise" in line).endswith("| 50.0 | 60.0 | 4000 | 25 x |")
    page = "before\n<!-- table tiny -->\nold\n<!-- end -->\nafter\n"
    assert (
        written_page(page, record)
        == f"before\n<!-- table tiny -->\n\n{table_of('tiny', record)}\n<!-- end -->\nafter\n"
    )


@pytest.mark.parametrize(
    ("code", "limits", "outcome"),
    [
        ("raise ValueError('no /some/where/file.csv')", LIMITS, "failed: ValueError: no ..."),
        ("import time; time.sleep(60)", Limits(100, 1, 4_000), "did not finish in 1 s"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", LIMITS, "ended from outside"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", LIMITS, "ended from outside"),
        ("x = bytearray(300_000_000); import time; time.sleep(60)", Limits(100, 50, 200), "stopped at 200 MB"),
        (
            "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 2))\nwhile True: pass",
            Limits(1, 50, 4_000),
            "did not finish in 1 CPU s",
        ),
    ],
)
def test_a_run_that_ends_early_says_why(code: str, limits: Limits, outcome: str, tmp_path: Path) -> None:
    ending = run_to_the_end([sys.executable, "-c", code], folder=tmp_path, limits=limits, settings={})
    assert ending.outcome == outcome
    assert ending.seconds < 55


def test_a_run_that_somebody_ended_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(run: Run, *_: object) -> Run:
        return replace(run, outcome="ended from outside")

    monkeypatch.setattr(comparison, "one_run", ended)
    record = Record(tmp_path)
    compare(asked("independent", folder=tmp_path), record)
    assert record.runs("tiny") == []


def test_the_recorded_runs_name_no_machine(recorded: Record) -> None:
    for file in recorded.folder.rglob("*.json"):
        (run,) = json.loads(file.read_text(encoding="utf-8"))["runs"]
        assert set(run["surroundings"]) == {
            "when", "commit", "python", "system", "processor", "cores", "memory_gb", "threads", "versions"
        }  # fmt: skip


def test_the_generated_table_is_the_same_every_time() -> None:
    assert (tiny().codes == tiny().codes).all()
    assert tiny().schema.digest == tiny().schema.digest
