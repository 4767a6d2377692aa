"""`dpsynth audit implementation`: a table for people, counts for machines, exit codes for scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command_line import Run, runner


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    return runner(monkeypatch, capsys, tmp_path)


def test_an_audit_shows_bounds_and_keeps_its_counts(run: Run, tmp_path: Path) -> None:
    counts = tmp_path / "counts.json"
    done = run("audit", "implementation", "--generator", "all_marginals", "--runs", 10, "--out", counts)
    assert done.code == 0
    assert "claimed: mu = 0.533" in done.out
    assert "nothing refutes the claim" in done.out
    assert json.loads(counts.read_text())["generator"] == "all_marginals"
    again = run("audit", "implementation", "--generator", "all_marginals", "--out", counts)
    assert again.code == 2
    assert "exists already" in again.err


def test_generators_that_cannot_be_played_are_named(run: Run) -> None:
    refused = run("audit", "implementation", "--generator", "nobody")
    assert refused.code == 2
    assert "all_marginals" in refused.err
