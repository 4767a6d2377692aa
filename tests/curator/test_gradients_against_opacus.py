"""Opacus computes the same sums of clipped gradients, and its accountants no smaller epsilon."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the neural extra")
pytest.importorskip("opacus", reason="needs the neural extra")
pytestmark = pytest.mark.torch

from numpy.typing import NDArray  # noqa: E402
from opacus.accountants import RDPAccountant as OpacusRdp  # noqa: E402
from opacus.grad_sample import GradSampleModule  # noqa: E402
from opacus.optimizers import DPOptimizer  # noqa: E402
from torch.func import functional_call  # noqa: E402

from dpsynth.accounting.budget import PrivacyBudget  # noqa: E402
from dpsynth.accounting.gaussian_dp import epsilon_from_mu_squared  # noqa: E402
from dpsynth.accounting.pld import PldAccountant  # noqa: E402
from dpsynth.curator.clipping import LATTICE, OuterProducts, clipped, total, whole  # noqa: E402
from dpsynth.curator.recorded_loss import record_loss, refuse_cross_example  # noqa: E402
from tests.curator.training_room import plan  # noqa: E402

ROWS, WIDTH = 64, 9


def network() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(WIDTH, 16),
        torch.nn.LeakyReLU(0.2),
        torch.nn.Linear(16, 8),
        torch.nn.Tanh(),
        torch.nn.Linear(8, 1),
    ).double()


def ours(made: Any, rows: NDArray[np.float64], norm: float, *, written_out: bool) -> NDArray[np.float64]:
    refuse_cross_example(made)
    names = [name for name, _ in made.named_parameters()]
    values = [parameter.detach().numpy() for parameter in made.parameters()]

    def loss(parameters: Any, row: Any, auxiliary: Any) -> Any:
        said = functional_call(made, dict(zip(names, parameters, strict=True)), (row[None],))
        return torch.nn.functional.softplus(-said).sum()

    recorded = record_loss(loss, values, (), WIDTH)
    assert recorded.factored == (True, False, True, False, False, False)
    parts = recorded.of_rows(values, rows, ())
    if written_out:
        parts = (OuterProducts.of_vectors(whole(parts)),)
    return total(clipped(parts, norm)) * norm / LATTICE


def theirs(made: Any, rows: NDArray[np.float64], norm: float) -> NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampled = GradSampleModule(made, loss_reduction="sum")
        optimizer = DPOptimizer(
            torch.optim.SGD(sampled.parameters(), lr=1.0),
            noise_multiplier=0.0,
            max_grad_norm=norm,
            expected_batch_size=ROWS,
            loss_reduction="sum",
        )
        torch.nn.functional.softplus(-sampled(torch.tensor(rows))).sum().backward()
        optimizer.clip_and_accumulate()
    return np.concatenate([part.summed_grad.numpy().ravel() for part in sampled.parameters()])


@pytest.mark.parametrize("norm", [0.05, 0.4, 100.0])
def test_sums_of_clipped_gradients_are_those_of_opacus(norm: float) -> None:
    rows = np.random.default_rng(0).normal(size=(ROWS, WIDTH))
    found, wanted = ours(network(), rows, norm, written_out=True), theirs(network(), rows, norm)
    # Ours are cut to the lattice, by less than one step per row; Opacus divides by the norm plus 1e-6.
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=ROWS * norm / LATTICE)
    assert np.abs(wanted).max() > 20 * ROWS * norm / LATTICE


@pytest.mark.parametrize("norm", [0.05, 0.4, 100.0])
def test_sums_of_clipped_outer_products_are_those_of_opacus(norm: float) -> None:
    rows = np.random.default_rng(0).normal(size=(ROWS, WIDTH))
    found, wanted = ours(network(), rows, norm, written_out=False), theirs(network(), rows, norm)
    # A factor is rounded to a part in thousands of its length, or the smaller share of the clipping norm.
    assert np.linalg.norm(found - wanted) < 1e-3 * np.linalg.norm(wanted) + ROWS * norm * 2e-4


def test_clipping_by_layer_would_be_seen() -> None:
    rows = np.random.default_rng(0).normal(size=(ROWS, WIDTH))
    found = theirs(network(), rows, 0.05)
    assert not np.allclose(found, theirs(network(), rows, 0.06), rtol=1e-4)


@pytest.mark.parametrize(("rate", "noise", "steps"), [(0.01, 1.0, 1000), (0.04, 1.1, 500), (0.2, 3.0, 50)])
def test_epsilon_of_a_plan_by_three_methods(rate: float, noise: float, steps: int) -> None:
    dp_accounting = pytest.importorskip("dp_accounting")
    made = plan(sampling_probability=rate, noise_multiplier=noise, steps=steps)
    exact = PldAccountant().compose(made.event).get_epsilon(1e-5)
    renyi = OpacusRdp()
    renyi.history = [(noise, rate, steps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert exact <= renyi.get_epsilon(1e-5)
        from dp_accounting.pld import PLDAccountant

        event = dp_accounting.SelfComposedDpEvent(
            dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(noise)), steps
        )
        other = PLDAccountant(value_discretization_interval=1e-3).compose(event).get_epsilon(1e-5)
    assert exact == pytest.approx(other, rel=2e-3)
    cover = made.cover()
    by_filter = epsilon_from_mu_squared(cover.mu_squared, PrivacyBudget(1, "1e-5").delta - cover.delta)
    assert exact <= by_filter <= 1.05 * exact
