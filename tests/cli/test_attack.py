"""`dpsynth attack`: the screen gives readings and no number, the report has an owner, an interrupt leaves nothing."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dpsynth.certification.audit import HTML_FILE, STAMP
from tests.cli.command_line import Outcome, Run
from tests.cli.conftest import HEADER, records
from tests.short_suite import shorten

ROWS = 1_200
MARKER = "Zebulon-Quartzmeier"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = records(3 * ROWS, seed=4)
    parts = {"train": lines[:ROWS], "control": lines[ROWS : 2 * ROWS], "fresh": lines[2 * ROWS :]}
    parts["copy"] = parts["train"]
    for name, part in parts.items():
        (tmp_path / f"{name}.csv").write_text("\n".join([HEADER, *part]) + "\n", encoding="utf-8")
    return tmp_path


def attack(run: Run, folder: Path, schema_file: Path, synthetic: str, *options: object) -> Outcome:
    given = ("--train", folder / "train.csv", "--control", folder / "control.csv", "--schema", schema_file)
    return run("attack", folder / synthetic, *given, "--seed", 1, *options)


def test_a_copy_fails_and_the_screen_holds_no_number(run: Run, folder: Path, schema_file: Path) -> None:
    outcome = attack(run, folder, schema_file, "copy.csv")
    assert outcome.code == 3
    assert "error:" not in outcome.err
    assert STAMP.upper() in outcome.out
    assert "FAIL" in outcome.out
    assert "exact-match" in outcome.out
    shown = outcome.out.replace(str(folder), "").replace("95 %", "")
    assert re.findall(r"\d", shown) == []
    assert stat.S_IMODE((folder / "copy-audit").stat().st_mode) == 0o700
    assert (folder / "copy-audit" / HTML_FILE).exists()


def test_machines_read_verdict_readings_and_the_folder(run: Run, folder: Path, schema_file: Path) -> None:
    outcome = attack(run, folder, schema_file, "fresh.csv", "--json", "--out", folder / "audit")
    said = json.loads(outcome.out)
    assert outcome.err == ""
    assert said["stamp"] == STAMP
    assert said["verdict"] in {"PASS", "INCONCLUSIVE"}
    assert outcome.code == (0 if said["verdict"] == "PASS" else 3)
    assert set(said["attacks"].values()) <= {"PASS", "INCONCLUSIVE", "FAIL"}
    assert said["report"] == str(folder / "audit")


FAULTS = {
    "missing training table": (("--train", "none.csv"), "there is no such file"),
    "missing control table": (("--control", "none.csv"), "there is no such file"),
    "missing schema": (("--schema", "none.yaml"), "none.yaml"),
    "missing reference": (("--reference", "none.csv"), "there is no such file"),
    "folder exists": (("--out", "."), "exists already"),
    "unknown quasi-identifier": (("--quasi-identifiers", 'age,"zip, code"'), "do not exist: zip, code;"),
    "unknown secret": (("--secrets", 'age,"zip, code"'), "do not exist: zip, code;"),
    "no quasi-identifier": (("--quasi-identifiers", ""), "at least one column"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_what_is_missing_is_said_in_one_message(run: Run, folder: Path, schema_file: Path, kind: str) -> None:
    options, words = FAULTS[kind]
    outcome = attack(run, folder, schema_file, "fresh.csv", *options)
    assert outcome.code == 2
    assert outcome.err.count("error:") == 1
    assert words in outcome.err
    assert not (folder / "fresh-audit").exists()


def test_one_file_twice_is_refused(run: Run, folder: Path, schema_file: Path) -> None:
    outcome = attack(run, folder, schema_file, "fresh.csv", "--control", folder / "train.csv")
    assert outcome.code == 2
    assert "one and the same table" in outcome.err


def test_no_cell_reaches_the_screen(run: Run, folder: Path, schema_file: Path) -> None:
    for name in ("train", "control", "fresh"):
        file = folder / f"{name}.csv"
        poisoned = f"{MARKER},none,{MARKER},30,1,2,{MARKER},true,a\n" * 50
        file.write_text(file.read_text(encoding="utf-8") + poisoned, encoding="utf-8")
    outcome = attack(run, folder, schema_file, "fresh.csv")
    assert outcome.code in {0, 3}
    written = "".join(path.read_text(encoding="utf-8") for path in (folder / "fresh-audit").iterdir())
    assert MARKER not in outcome.out + outcome.err + written


CHILD = """
import os, signal, sys
import dpsynth.certification.audit as audit
from dpsynth.cli import main

def interrupted(*arguments, **named):
    os.kill(os.getpid(), signal.SIGINT)
    while True:
        pass

signal.signal(signal.SIGINT, signal.default_int_handler)
audit.attack_release = interrupted
sys.argv = ["dpsynth", *sys.argv[1:]]
main()
"""


def test_an_interrupt_leaves_no_report(folder: Path, schema_file: Path) -> None:
    arguments = ("attack", folder / "fresh.csv", "--train", folder / "train.csv", "--control", folder / "control.csv")
    child = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, arguments), "--schema", str(schema_file)],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert child.returncode == 130, child.stderr
    assert "interrupted" in child.stderr
    assert "Traceback" not in child.stderr
    assert not (folder / "fresh-audit").exists()


@pytest.mark.parametrize("groups", ["old age >= 3", ": smoker == true", "old:", "old: height > 2"])
def test_groups_that_name_nobody_are_refused(run: Run, folder: Path, schema_file: Path, groups: str) -> None:
    outcome = attack(run, folder, schema_file, "fresh.csv", "--groups", groups)
    assert outcome.code == 2
    assert "old" in outcome.err or "name of its own" in outcome.err
    assert not (folder / "fresh-audit").exists()
