"""A process of a distributed training that fails costs the whole training, is named, and keeps nobody waiting."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the neural extra")
if not torch.distributed.is_available():
    pytest.skip("this PyTorch has no torch.distributed", allow_module_level=True)
pytestmark = pytest.mark.torch

from dpsynth.curator.distributed_training import GradientWorkers, work_on_gradients  # noqa: E402
from dpsynth.errors import DpsynthError, InvalidInput  # noqa: E402
from tests.curator.two_processes import GIVEN, START, opened, other_process, small  # noqa: E402

MEETS = "channel = distributed_training._Channel(patience)\n"
ENDS = MEETS + "os._exit(3)"
SILENT = MEETS + "time.sleep(60)"
CANNOT = """
def failing(*given):
    raise ValueError("a row of Zebulon")

distributed_training._answer = failing
try:
    distributed_training.work_on_gradients(patience)
except DpsynthError as fault:
    os._exit(0 if "ValueError" in str(fault) and "Zebulon" not in str(fault) else 4)
"""


@pytest.mark.parametrize(
    ("work", "words"),
    [(ENDS, "ended"), (CANNOT, "could not evaluate"), (SILENT, "did not answer within")],
    ids=["ends", "cannot", "silent"],
)
def test_a_process_that_fails_costs_everything_and_nobody_waits_for_ever(work: str, words: str, tmp_path: Path) -> None:
    with other_process(work, tmp_path) as process:
        with GradientWorkers(timedelta(seconds=5)) as broken:
            curator, ledger = opened(broken)
            start = time.monotonic()
            with (
                pytest.raises(DpsynthError, match=words),
                curator.training(GIVEN, small, START, purpose="train") as session,
            ):
                session.noisy_gradient(START)
            assert time.monotonic() - start < 60
            with (
                pytest.raises(DpsynthError, match="gone"),
                opened(broken)[0].training(GIVEN, small, START, purpose="train") as session,
            ):
                session.noisy_gradient(START)
        assert ledger.spent("clinic").mu_squared == GIVEN.cover().mu_squared
        if work is CANNOT:
            assert process.wait(30) == 0


def test_only_a_group_has_workers() -> None:
    for begin in (GradientWorkers, work_on_gradients):
        with pytest.raises(InvalidInput, match="init_process_group"):
            begin()
