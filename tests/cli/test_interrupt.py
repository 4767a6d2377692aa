"""Ctrl-C in the middle of a release: one message, the usual exit code, and a ledger that tells what it cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dpsynth.progress import phase, reporting_to
from tests.cli.command_line import Run
from tests.current_register import policy_that_asks_for_no_audit

CHILD = """
import os, signal, sys
import dpsynth.generators.mwem as mwem
from dpsynth.cli import main

def interrupted(*arguments, **named):
    os.kill(os.getpid(), signal.SIGINT)
    while True:
        pass

signal.signal(signal.SIGINT, signal.default_int_handler)
mwem.estimate = interrupted
sys.argv = ["dpsynth", *sys.argv[1:]]
main()
"""


def test_an_interrupt_during_the_fit_says_that_the_charge_stays(
    run: Run, tmp_path: Path, schema_file: Path, data_file: Path
) -> None:
    run("ledger", "budget", "clinic", "--epsilon", 2, "--delta", "1e-5")
    command = ["release", data_file, "--schema", schema_file, "--epsilon", 1, "--delta", "1e-6", "--generator", "mwem"]
    command += ["--policy", policy_that_asks_for_no_audit(tmp_path)]
    child = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, [*command, "--out", tmp_path / "release"])],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert child.returncode == 130, child.stderr
    assert "interrupted. What the ledger had opened stays charged: dpsynth ledger show" in child.stderr
    assert "Traceback" not in child.stderr
    assert not (tmp_path / "release").exists()
    line = json.loads(run("ledger", "show", "--json").out)["data_sets"][0]["releases"][0]
    assert line["state"] == "settled"
    assert line["questions"] > 0
    assert line["costs"].startswith("squared mu 0.0")


class Watcher:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def start(self, phase: str, total: int) -> None:
        self.told.append(f"start {phase}")

    def advance(self, phase: str, steps: int) -> None:
        self.told.append(f"advance {phase}")

    def finish(self, phase: str) -> None:
        self.told.append(f"finish {phase}")


def test_only_a_phase_that_succeeded_is_finished() -> None:
    def interrupted() -> None:
        with phase("bad", 2) as advance:
            advance(1)
            raise KeyboardInterrupt

    watcher = Watcher()
    with reporting_to(watcher):
        with phase("good", 1) as advance:
            advance(1)
        with pytest.raises(KeyboardInterrupt):
            interrupted()
    assert watcher.told == ["start good", "advance good", "finish good", "start bad", "advance bad"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("release", "--help"), 0, "Release folder to make"),
        (("--version",), 0, "dpsynth"),
        (("release", "--nope"), 2, "No such option"),
        (("ledger", "budget"), 2, "Missing argument"),
        (("nothing",), 2, "No such command"),
    ],
)
def test_help_and_usage_errors_are_as_before(run: Run, arguments: tuple[str, ...], code: int, words: str) -> None:
    outcome = run(*arguments)
    assert outcome.code == code
    assert words in outcome.out + outcome.err
    assert "interrupted" not in outcome.err
