"""kill -9 in the middle of a release: the ledger still opens, verifies, and counts at least what was opened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.ledger import Ledger
from tests.cli.conftest import HEADER, SCHEMA, records

CLAIM = PrivacyBudget("0.1", "1e-6")

# The child says on its standard output when the first row is about to be read, and goes on.
CHILD = """
import sys
from pathlib import Path
import dpsynth.curator.ingest as ingest
from dpsynth.curator.sources.csv_file import CsvFile
batches = CsvFile.batches
def telling(self):
    print("touched", flush=True)
    yield from batches(self)
CsvFile.batches = telling
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.certification.certificate import Override
from dpsynth.ledger import Ledger
from dpsynth.release import release
data, schema, ledger, out = sys.argv[1:]
print("ready", flush=True)
with Ledger(ledger) as books:
    release(Path(data), schema, PrivacyBudget("0.1", "1e-6"), out=out, ledger=books, generator="independent",
            override=Override(by="test", reason="test"))
print("done", flush=True)
"""


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clinic")
    (folder / "schema.yaml").write_text(SCHEMA, encoding="utf-8")
    (folder / "data.csv").write_text("\n".join([HEADER, *records(3000)]) + "\n", encoding="utf-8")
    return folder


@pytest.mark.slow
def test_a_killed_release_stays_charged(clinic: Path) -> None:
    runs = int(os.environ.get("DPSYNTH_KILLED_RELEASES", "6"))
    ledger = clinic / "ledger.db"
    with Ledger(ledger) as books:
        books.set_budget("clinic", PrivacyBudget(20, "1e-6"))
    rng = np.random.default_rng(0)
    touched = finished = 0
    environment = {**os.environ, "DPSYNTH_HOME": str(clinic / "keys")}
    for number in range(runs):
        child = subprocess.Popen(
            [
                *(sys.executable, "-c", CHILD, str(clinic / "data.csv"), str(clinic / "schema.yaml")),
                *(str(ledger), str(clinic / f"release{number}")),
            ],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        said = ""
        if number % 2:
            # Every second child is killed soon after the first row was read, however slow the machine is.
            said = child.stdout.readline()
            time.sleep(float(rng.uniform(0, 1)))
        else:
            time.sleep(float(rng.uniform(0, 2)))
        child.send_signal(signal.SIGKILL)
        said += child.communicate()[0]
        touched += "touched" in said
        finished += "done" in said
        with Ledger(ledger) as books:
            books.verify()
            books.recover()
            spent = books.spent("clinic")
            assert spent.mu_squared is not None
            # A release that ended by itself settled at what it asked, which rounding keeps just below its allowance.
            assert spent.mu_squared >= touched * mu_squared_from_budget(CLAIM) * 99 / 100
        assert (clinic / f"release{number}").exists() or "done" not in said
    assert touched > 0
