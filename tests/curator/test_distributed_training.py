"""Training on two processes over the loopback: the mechanism is that of one process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the neural extra")
if not torch.distributed.is_available():
    pytest.skip("this PyTorch has no torch.distributed", allow_module_level=True)
pytestmark = pytest.mark.torch

from numpy.typing import NDArray  # noqa: E402
from scipy import stats  # noqa: E402
from torch.nn import functional  # noqa: E402

from dpsynth.curator._sealed import Private, unseal  # noqa: E402
from dpsynth.curator.clipping import LATTICE  # noqa: E402
from dpsynth.curator.distributed_training import GradientWorkers  # noqa: E402
from dpsynth.curator.gradients import Training, UnitBatches, clipped_sum  # noqa: E402
from dpsynth.curator.recorded_loss import RecordedLoss, record_loss  # noqa: E402
from dpsynth.curator.recording_text import read, written  # noqa: E402
from dpsynth.errors import InvalidInput  # noqa: E402
from dpsynth.randomness import SeededNoise, SystemNoise  # noqa: E402
from tests.curator.training_room import DOMAIN, LEVELS, allowance, plan, rows, training  # noqa: E402
from tests.curator.two_processes import AT_WORK, PATIENCE, other_process, trained  # noqa: E402

PARAMETERS = [np.linspace(-1, 1, 5 * LEVELS).reshape(5, LEVELS), np.zeros(5), np.linspace(-1, 1, 5)]
OFFSET = torch.tensor(0.25, dtype=torch.float64)
ROWS = np.random.default_rng(0).integers(0, LEVELS, 300).tolist()


def loss(parameters: Any, row: Any, auxiliary: Any) -> Any:
    hidden = functional.leaky_relu(functional.linear(row, parameters[0], parameters[1]), 0.2)
    return functional.softplus(OFFSET - hidden @ parameters[2]) * auxiliary[0]


def recorded() -> RecordedLoss:
    return record_loss(loss, PARAMETERS, [np.ones(())], LEVELS)


# ---------------------------------------------------------------------------------------------- a recording as text


def test_a_recording_survives_being_written_and_read() -> None:
    one = recorded()
    other = read(written(one))
    assert (other.factored, other.shapes, other.auxiliary_shapes) == (one.factored, one.shapes, one.auxiliary_shapes)
    for mine, theirs in zip(
        one.of_rows(PARAMETERS, np.eye(LEVELS), [np.ones(())]),
        other.of_rows(PARAMETERS, np.eye(LEVELS), [np.ones(())]),
        strict=True,
    ):
        np.testing.assert_array_equal(mine.left, theirs.left)
        np.testing.assert_array_equal(mine.right, theirs.right)


@pytest.mark.parametrize(
    "planted", ["aten.rand_like.default", "aten.add_.Tensor", "prims.add.default", "aten.no_such_thing.default"]
)
def test_a_recording_that_holds_other_operations_is_not_read(planted: str) -> None:
    told = json.loads(written(recorded()))
    (node,) = [node for node in told["nodes"] if node[1] == "aten.softplus.default"]
    node[1] = planted
    with pytest.raises(InvalidInput, match="may not use"):
        read(json.dumps(told))


# ------------------------------------------------------------------------------------------------------ two processes


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GradientWorkers]:
    with other_process(AT_WORK, tmp_path_factory.mktemp("group")) as process:
        with GradientWorkers(PATIENCE) as made:
            yield made
        assert process.wait(60) == 0


def answers(made: Any, *, owners: list[int] | None = None, **changed: Any) -> list[NDArray[np.float64]]:
    given = plan(sampling_probability=0.4, clipping_norm=0.5, rows_at_once=16, **changed)
    session = Training(
        Private(rows(ROWS, owners)),
        DOMAIN,
        recorded(),
        allowance(given),
        noise=SeededNoise(8),
        rows_per_unit=1 if owners is None else 3,
        advance=lambda steps: None,
        make_sum=made,
    )
    found = [session.noisy_gradient([part * scale for part in PARAMETERS], [np.ones(())]) for scale in (1, 2, 3)]
    return [part for answer in found for part in answer.parts]


@pytest.mark.parametrize("owners", [None, (np.arange(300) // 3).tolist()], ids=["rows", "persons"])
def test_with_equal_coins_and_noise_two_processes_answer_what_one_does(
    workers: GradientWorkers, owners: list[int] | None
) -> None:
    """Bit by bit: batches, sums and noise are those of the mechanism that was charged."""
    for alone, shared in zip(answers(clipped_sum, owners=owners), answers(workers, owners=owners), strict=True):
        np.testing.assert_array_equal(alone, shared)


def test_both_do_their_share(workers: GradientWorkers) -> None:
    """The sum is made of what the first process computes itself and of what it is sent."""
    batches, units = UnitBatches(rows(ROWS), DOMAIN), np.arange(300)
    given: dict[str, Any] = {"clipping_norm": 0.5, "units_at_once": 7, "one_row_each": True}
    arguments = (batches, recorded(), PARAMETERS, [np.ones(())])
    whole = unseal(clipped_sum(*arguments, units=units, **given))
    mine = unseal(clipped_sum(*arguments, units=units[:150], **given))
    np.testing.assert_array_equal(unseal(workers(*arguments, units=units, **given)), whole)
    assert np.abs(whole - mine).max() > LATTICE
    for few in (units[:0], units[:1]):
        np.testing.assert_array_equal(
            unseal(workers(*arguments, units=few, **given)), unseal(clipped_sum(*arguments, units=few, **given))
        )


# False alarms: each of the next two decisions fails for correct software with probability 5e-9.
SIGNIFICANCE, ANSWERS, MULTIPLIER = 5e-9, 150, 1.3


def is_declared_noise(residuals: NDArray[np.float64]) -> bool:
    total = float((residuals**2).sum()) / MULTIPLIER**2
    tails = stats.chi2.sf(total, residuals.size), stats.chi2.cdf(total, residuals.size)
    return bool(2 * min(tails) > SIGNIFICANCE)


def test_noise_is_added_once_and_batches_are_binomial_over_everybody(workers: GradientWorkers) -> None:
    sizes, exact = [], []

    def counting(*given: Any, units: NDArray[np.intp], **named: Any) -> Any:
        sizes.append(len(units))
        exact.append(unseal(workers(*given, units=units, **named)))
        return Private(exact[-1])

    given = plan(noise_multiplier=MULTIPLIER, sampling_probability=0.3, steps=ANSWERS, clipping_norm=0.5)
    session = training(rows(ROWS), np.zeros((LEVELS, 1)), given, noise=SystemNoise())
    session._gradients, session._sum = recorded(), counting
    found = [session.noisy_gradient(PARAMETERS, [np.ones(())]).parts for _ in range(ANSWERS)]
    noisy = np.stack([np.concatenate([part.ravel() for part in parts]) for parts in found])
    residuals = noisy * given.expected_batch_size / given.clipping_norm - np.stack(exact) / LATTICE
    assert is_declared_noise(residuals)
    # Power on both sides: noise of every process, and noise shared out wrongly.
    assert not is_declared_noise(residuals * np.sqrt(2))
    assert not is_declared_noise(residuals / np.sqrt(2))
    mean, deviation = 300 * 0.3, np.sqrt(300 * 0.3 * 0.7)
    assert abs(np.mean(sizes) - mean) < 6 * deviation / np.sqrt(ANSWERS)
    total = float(((np.array(sizes) - mean) ** 2).sum()) / deviation**2
    assert 2 * min(stats.chi2.sf(total, ANSWERS), stats.chi2.cdf(total, ANSWERS)) > SIGNIFICANCE


# --------------------------------------------------------------------------------------------------- through the door


def test_a_curator_with_workers_charges_once_and_answers_as_without(workers: GradientWorkers) -> None:
    for alone, shared in zip(trained(None), trained(workers), strict=True):
        np.testing.assert_array_equal(alone, shared)
