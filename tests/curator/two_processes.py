"""A group of two processes for the tests of distributed training: this one, and one more at some work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator import Curator
from dpsynth.curator.distributed_training import GradientWorkers
from dpsynth.ledger import Ledger
from dpsynth.randomness import SeededNoise
from dpsynth.schema.schema import Schema
from tests.curator.training_room import plan

PATIENCE = timedelta(seconds=60)
SCHEMA = Schema.from_text("""
name: clinic
fields:
  - {name: stage, type: string, categories: [none, early, late]}
dpsynth: {unit: {kind: row}, public_rows: 400}
""")
WIDTH = sum(SCHEMA.domain.sizes)
START = [np.ones((4, WIDTH)), np.ones(4)]


def small(parameters: Any, row: Any, auxiliary: Any) -> Any:
    return torch.tanh(parameters[0] @ row) @ parameters[1]


def opened(workers: GradientWorkers | None) -> tuple[Curator, Ledger]:
    ledger = Ledger("sqlite://")
    ledger.set_budget("clinic", PrivacyBudget(2, "1e-5"), unit=SCHEMA.unit.describe(), event_delta="2e-6")
    table = pd.DataFrame({"stage": np.random.default_rng(0).choice(["none", "early", "late"], 400)})
    return Curator.open(table, SCHEMA, ledger=ledger, noise=SeededNoise(2), workers=workers), ledger


GIVEN = plan(noise_multiplier=2.0, sampling_probability=0.1, steps=3, clipping_norm=1.0, public_units=400)


def trained(workers: GradientWorkers | None) -> list[NDArray[np.float64]]:
    """Return the answers of a whole training through the door, and see that it was charged once."""
    curator, ledger = opened(workers)
    with curator.training(GIVEN, small, START, purpose="train") as session:
        found = [part for _ in range(3) for part in session.noisy_gradient(START).parts]
    assert [charge.event for charge in ledger.entries("clinic")[-1].charges] == [GIVEN.cover()]
    return found


BEGINNING = """
import datetime, os, sys, time
import torch
from dpsynth.curator import distributed_training
from dpsynth.errors import DpsynthError
torch.set_num_threads(1)
patience = datetime.timedelta(seconds=60)
torch.distributed.init_process_group(
    "gloo", init_method="file://" + sys.argv[1], rank=1, world_size=2, timeout=patience
)
"""
AT_WORK = "distributed_training.work_on_gradients(patience)"


@contextmanager
def other_process(work: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Form a group with another process, which goes on with the program `work`."""
    store = folder / "store"
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    process = subprocess.Popen([sys.executable, "-c", BEGINNING + work, str(store)])
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=2, timeout=PATIENCE)
    try:
        yield process
    finally:
        torch.distributed.destroy_process_group()
        process.kill()
        process.wait()
