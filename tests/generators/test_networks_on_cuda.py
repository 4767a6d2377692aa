"""A network comes out the same on a CUDA device as on the processor, from the same answers, within a stated tolerance.

The answers of one fit are played to another on the other device. What the other asks differs in the last digits of
single precision, so the tape is played to whoever asks nearly the same. Where there is no device, the processor stands
for it; what the comparison would say of a device that computes something else is shown with one that does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="needs the neural extra")
pytestmark = pytest.mark.torch

from dpsynth.generators import column_network  # noqa: E402
from dpsynth.generators.network_training import NetworkTraining  # noqa: E402
from tests.conformance.tape import Player, Recorder, ReplayMismatch, Tape  # noqa: E402
from tests.generators.small_networks import BOUND, CRITICS, SCHEMA, curator, fitted, quickly  # noqa: E402

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=CUDA)]
GENERATORS = {"dpctgan": CRITICS, "dptvae": BOUND}

ASKED = 1e-3
"""Largest difference between what is asked on two devices, where weights and shares are about 1."""

CHANCES = 1e-5
"""Largest difference between the chances of a cell that two devices fit: a few steps in single precision."""


@pytest.fixture(autouse=True, scope="module")
def _quickly() -> Iterator[None]:
    with quickly():
        yield


class NearPlayer(Player):
    """Answers whoever asks the same question, its arrays within `ASKED`."""

    def next(self, request: tuple[object, ...]) -> Any:
        recorded = () if self.finished else self._tape.exchanges[self._place].request
        if _is_near(request, recorded):
            return super().next(recorded)
        return super().next(request)


def _is_near(asked: tuple[Any, ...], recorded: tuple[Any, ...]) -> bool:
    if len(asked) != len(recorded) or not asked[0] == recorded[0] == "noisy_gradient":
        return False
    pairs = zip(*([np.frombuffer(part) for part in request[1:]] for request in (asked, recorded)), strict=True)
    return all(one.shape == other.shape and np.allclose(one, other, rtol=ASKED, atol=ASKED) for one, other in pairs)


@contextmanager
def on(device: str) -> Iterator[list[str]]:
    """Let networks be on `device`, and yield the devices on which they were."""
    seen: list[str] = []
    honest = column_network.ColumnNetwork.shares

    def watched(network: column_network.ColumnNetwork) -> Any:
        shares = honest(network)
        seen.append(shares.device.type)
        return shares

    with (
        patch.object(torch.cuda, "is_available", return_value=device == "cuda"),
        patch.object(column_network.ColumnNetwork, "shares", watched),
    ):
        yield seen


def chances(generator: Any, curator: Any) -> NDArray[np.float64]:
    """Fit, and return the chance of every possible row."""
    made = fitted(generator, curator)
    return np.asarray(made.model.marginal(SCHEMA.domain.names) / made.total)


@cache
def on_the_processor(name: str) -> tuple[Tape, NDArray[np.float64]]:
    """Return the answers of a fit on the processor, and its chances."""
    with on("cpu"):
        recorder = Recorder(curator())  # type: ignore[arg-type]
        return recorder.tape, chances(GENERATORS[name], recorder)


def agrees(name: str, device: str) -> None:
    """Fit on `device` by the answers of the fit on the processor: the same questions and the same model, nearly."""
    tape, expected = on_the_processor(name)
    player = NearPlayer(tape)
    with on(device) as seen:
        found = chances(GENERATORS[name], player)
    assert player.finished
    assert set(seen) == {device}
    np.testing.assert_allclose(found, expected, rtol=0, atol=CHANCES)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", GENERATORS)
def test_a_device_fits_the_same_model(name: str, device: str) -> None:
    agrees(name, device)


@contextmanager
def rounding(digits: int) -> Iterator[None]:
    """Let every step of a network end with weights that are off in this decimal; single precision has seven."""
    step = NetworkTraining.step

    def other(training: NetworkTraining, *given: Any) -> None:
        step(training, *given)
        with torch.no_grad():
            for weight in training.network.weights:
                weight += 10.0**-digits * torch.sign(weight)

    with patch.object(NetworkTraining, "step", other):
        yield


@pytest.mark.parametrize("name", GENERATORS)
def test_other_rounding_is_let_through_and_another_computation_is_not(name: str) -> None:
    with rounding(6):
        agrees(name, "cpu")
    with rounding(4), pytest.raises((ReplayMismatch, AssertionError)):
        agrees(name, "cpu")
