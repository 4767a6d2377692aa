"""The power goes: what was not synced is gone, and no charge that anybody acted upon is among it.

The model is the hardest one that a disk may keep: nothing of a file survives but its content at its last sync. Entries
of a folder are taken to survive. The same runs at `synchronous = NORMAL`, and on a disk that lies about its syncs, lose
charges, so the test can see a loss where there is one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.errors import LedgerCorrupted
from dpsynth.ledger import Ledger
from tests.ledger.requests_for_tests import DATASET, UNIT, witness_of

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]


@dataclass(frozen=True)
class Outage:
    """What one run left on the disk."""

    ledger: Path
    touched: int

    def spent(self) -> Fraction:
        """Return what the ledger counts that is found afterwards, after all its checks."""
        with Ledger(self.ledger, create=False) as ledger:
            ledger.verify()
            return ledger.spent(DATASET).epsilon or Fraction(0)

    def lost(self) -> bool:
        """Whether less is counted than was touched, once the witness is gone too."""
        witness_of(self.ledger).unlink(missing_ok=True)
        return self.spent() < Fraction(self.touched, 100)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs gcc and Linux, to make a disk that keeps only what was synced")
    made = tmp_path_factory.mktemp("library") / "power_cut.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(HERE / "power_cut.c"), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the compiler here cannot make a library: {done.stderr.splitlines()[-1:]}")
    return made


def outages(library: Path, folder: Path, mode: str, held: str) -> list[Outage]:
    """Return every outage of a run: before its first sync, its second, and so on to its end."""
    (folder / "base").mkdir()
    with Ledger(folder / "base" / "ledger.db") as ledger:
        ledger.set_budget(DATASET, PrivacyBudget(1, 0), UNIT)
    arguments = [str(HERE / "power_runs.py"), str(library), str(folder), mode, held]
    surroundings = {**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(PROJECT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, env=surroundings, timeout=250
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = [json.loads(line) for line in done.stdout.splitlines()]
    found = [Outage(Path(run["disk"]) / "ledger.db", run["touched"]) for run in said]
    assert {outage.touched for outage in found} == {0, 1, 2}
    assert len(found) > 6
    return found


@pytest.mark.parametrize("held", ["free", "held"])
def test_no_charge_is_lost_with_the_power(library: Path, tmp_path: Path, held: str) -> None:
    found = outages(library, tmp_path, "full", held)
    print(f"at FULL, main file {held}: {len(found)} outages")
    for outage in found:
        assert outage.spent() >= Fraction(outage.touched, 100), outage
        assert not outage.lost(), outage


def test_a_commit_that_does_not_wait_for_the_disk_loses_charges_and_the_witness_tells(
    library: Path, tmp_path: Path
) -> None:
    found = outages(library, tmp_path, "normal", "held")
    noticed = 0
    for outage in found:
        try:
            outage.spent()
        except LedgerCorrupted as fault:
            assert "entries are missing from the end" in str(fault)  # noqa: PT017
            noticed += 1
    lost = sum(outage.lost() for outage in found)
    print(f"at NORMAL {lost} of {len(found)} outages lose a charge, and the witness tells of {noticed}")
    assert noticed > 0
    assert lost > 0


def test_a_disk_that_lies_about_its_syncs_is_seen_to_lose_charges(library: Path, tmp_path: Path) -> None:
    found = outages(library, tmp_path, "lying", "free")
    lost = sum(outage.lost() for outage in found)
    print(f"on a disk that lies, {lost} of {len(found)} outages lose a charge")
    assert lost > 0
