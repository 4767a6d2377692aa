"""Running the command line inside the test process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dpsynth.cli.app import main


@dataclass(frozen=True)
class Outcome:
    """What a command left on the screen, and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path) -> Run:
    """Return a function that runs one command with a ledger and keys of its own under `home`."""
    monkeypatch.setenv("DPSYNTH_LEDGER", f"sqlite:///{home / 'ledger.db'}")
    monkeypatch.setenv("DPSYNTH_HOME", str(home / "keys"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["dpsynth", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run
