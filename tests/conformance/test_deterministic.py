"""Replays are made on the processor in deterministic mode, in both processes; what is not deterministic is refused."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conformance.deterministic import deterministic
from tests.conformance.fresh_process import called_afresh

pytestmark = pytest.mark.torch


def mode() -> tuple[bool, bool, bool]:
    """Return whether algorithms are deterministic, whether others are only warned of, and whether CUDA is seen."""
    import torch

    enabled = torch.are_deterministic_algorithms_enabled()
    return enabled, torch.is_deterministic_algorithms_warn_only_enabled(), torch.cuda.is_available()


def written_twice() -> NDArray[np.float64]:
    """Write two numbers into one place: which of them stays is not said."""
    import torch

    written: NDArray[np.float64] = torch.zeros(2).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0])).numpy()
    return written


def in_vain() -> None:
    with deterministic():
        raise KeyError(mode())


def test_a_replay_is_deterministic_and_sees_no_device_in_both_processes() -> None:
    pytest.importorskip("torch", reason="needs the neural extra")
    assert mode() == called_afresh(mode) == (True, False, False)
    for call in (written_twice, lambda: called_afresh(written_twice)):
        with pytest.raises(RuntimeError, match="deterministic"):
            call()


def test_what_was_before_is_restored_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="needs the neural extra")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for before in ((False, False), (True, True), (True, False)):
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        with pytest.raises(KeyError, match=r"True, False, False"):
            in_vain()
        assert mode() == (*before, True)


def test_without_pytorch_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with deterministic():
        pass
