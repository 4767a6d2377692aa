"""The network of DP-CTGAN and the decoder of DP-TVAE see noisy answers only, inside their loops too; cheats are caught.

Each cheat is what a public DP-GAN or DP-VAE does, planted where critics, or gradients of the evidence bound, teach the
network. Where there are no rows, on the tape, it is honest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the neural extra")
pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("deterministic_on_the_processor")]

from dpsynth.curator._sealed import unseal  # noqa: E402
from dpsynth.curator.gradient_queries import encoded_rows  # noqa: E402
from dpsynth.generators import dpctgan, gated_critic, latent_encoder, quadratic_critic  # noqa: E402
from dpsynth.generators.column_network import ColumnNetwork  # noqa: E402
from dpsynth.generators.expected_counts import ExpectedCounts  # noqa: E402
from dpsynth.generators.gated_bank import GatedBank  # noqa: E402
from dpsynth.generators.gated_critic import Gate  # noqa: E402
from dpsynth.generators.marginal_distance import MarginalDistance  # noqa: E402
from dpsynth.generators.network_training import NetworkTraining  # noqa: E402
from dpsynth.generators.quadratic_critic import CriticBank  # noqa: E402
from tests.conformance.tape import Player, Recorder, ReplayMismatch  # noqa: E402
from tests.generators.small_networks import BOUND, CRITICS, GATES, SCHEMA, WIDTH, curator, fitted, quickly  # noqa: E402


@pytest.fixture(autouse=True, scope="module")
def _quickly() -> Iterator[None]:
    with quickly():
        yield


Cheat = Callable[[Any, pytest.MonkeyPatch], None]
"""Of the curator and of what puts things in the place of others."""


def check_replay(generator: Any, cheat: Cheat | None = None) -> None:
    """Fit with rows in reach of `cheat`, and again from the tape: the same questions, and the same samples."""
    recorder = Recorder(curator())  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        if cheat is not None:
            cheat(recorder, patch)
        with_rows = fitted(generator, recorder)
    player = Player(recorder.tape)
    without = fitted(generator, player)
    if not player.finished:
        raise ReplayMismatch("fewer questions were asked without the data")
    codes = [model.sample(300, rng=np.random.default_rng(6)).codes for model in (with_rows, without)]
    if not np.array_equal(*codes):
        raise ReplayMismatch("the samples differ although all answers were the same")


def real_rows(curator: Any) -> Any:
    """Return the rows as one-hot codes."""
    codes = np.stack(unseal(curator.sealed_rows()).training, axis=1)
    rows = encoded_rows(codes, SCHEMA.domain)
    assert rows.shape == (300, WIDTH)
    return rows


def real_targets(curator: Any, patch: pytest.MonkeyPatch) -> None:
    """Real rows are targets of the network's loss, wherever it learns (synthcity's PATE-GAN and DP-GAN)."""
    step = NetworkTraining.step

    def with_targets(training: NetworkTraining, loss: Any, learning_rate: float) -> None:
        def likely(shares: Any) -> Any:
            if isinstance(loss, MarginalDistance):  # the network is being warmed
                return loss(shares)
            targets = torch.from_numpy(real_rows(curator)[: len(shares)]).to(shares)
            return loss(shares) - 1e-3 * (targets * torch.log(shares + 1e-9)).sum()

        step(training, likely, learning_rate)

    patch.setattr(NetworkTraining, "step", with_targets)


def real_conditions(curator: Any, patch: pytest.MonkeyPatch) -> None:
    """Conditions, which inputs are beside noise, are drawn from real rows (CTGAN's `sample_original_condvec`)."""
    started = ColumnNetwork.started

    def drawn_from_rows(*given: Any, **named: Any) -> ColumnNetwork:
        made = started(*given, **named)
        inputs = made.arrays[0].copy()
        inputs[:, -WIDTH:] *= real_rows(curator)[: len(inputs)]  # a condition that the row does not meet is left out
        return ColumnNetwork(made.domain, inputs, made.arrays[1:])

    patch.setattr(ColumnNetwork, "started", drawn_from_rows)


def real_frequencies(curator: Any, patch: pytest.MonkeyPatch) -> None:
    """Training-by-sampling with the exact counts of categories (SmartNoise's and synthcity's samplers)."""
    started = ColumnNetwork.started

    def with_counts(domain: Any, column_shares: Any, **named: Any) -> ColumnNetwork:
        del column_shares
        return started(domain, real_rows(curator).mean(axis=0), **named)

    patch.setattr(ColumnNetwork, "started", with_counts)


def real_rows_for_generated_ones(curator: Any, patch: pytest.MonkeyPatch) -> None:
    """Where rows are generated, to see how long gradients are and where they point, real rows are taken."""

    def sampled(shares: Any, *given: Any) -> Any:
        del given
        return real_rows(curator)[: len(shares)]

    for module in (quadratic_critic, gated_critic, latent_encoder):
        patch.setattr(module, "sampled_rows", sampled)


def without_noise(curator: Any, patch: pytest.MonkeyPatch) -> None:
    """Noisy gradients are paid for, and the network learns from real rows as they are (SmartNoise's PATE-CTGAN)."""
    add_critic, add_counts = CriticBank.add, ExpectedCounts.add

    def exact_critic(bank: CriticBank, weights: Any, gradient: Any, variance: float) -> None:
        del gradient
        rows = real_rows(curator)
        centred = rows - rows.mean(axis=0)
        add_critic(bank, weights, centred.T @ (centred @ weights) / len(rows), variance)

    def exact_counts(counts: ExpectedCounts, chances: Any, **named: Any) -> None:
        rows = real_rows(curator)
        posterior = latent_encoder.posteriors(rows, np.maximum(chances * len(chances), 1e-9))
        add_counts(counts, posterior.T @ rows / len(rows), **named)

    patch.setattr(CriticBank, "add", exact_critic)
    patch.setattr(ExpectedCounts, "add", exact_counts)


def without_noise_behind_gates(curator: Any, patch: pytest.MonkeyPatch) -> None:
    """The same in the last rounds, which have critics behind gates."""
    add_gated = GatedBank.add

    def exact_gated(bank: GatedBank, gate: Gate, weights: Any, gradient: Any, variance: float) -> None:
        del gradient
        rows = real_rows(curator)
        seen = (rows - rows.mean(axis=0)) * gate.kept
        add_gated(bank, gate, weights, (seen * (rows @ gate.signs)[:, None]).T @ (seen @ weights) / len(rows), variance)

    patch.setattr(GatedBank, "add", exact_gated)


def stopped_by_real_rows(curator: Any, patch: pytest.MonkeyPatch) -> None:
    """Training ends where a score on real rows is good enough (synthcity's early stopping and choice of a model)."""
    settle = NetworkTraining.settle

    def until_good(training: NetworkTraining, loss: Any, *, steps: int, **named: Any) -> None:
        apart = real_rows(curator).mean(axis=0) - training.network.shares().detach().mean(dim=0).numpy()
        settle(training, loss, steps=steps if np.abs(apart).max() > 0.9 else steps - 1, **named)

    patch.setattr(NetworkTraining, "settle", until_good)


def gates_by_rows(curator: Any, patch: pytest.MonkeyPatch) -> None:
    """Gates are asked in the order in which they halve real rows."""
    drawn = dpctgan.drawn_gates

    def in_order(*given: Any) -> list[Gate]:
        rows = real_rows(curator)
        return sorted(drawn(*given), key=lambda gate: abs(float((rows @ gate.signs).mean())))

    patch.setattr(dpctgan, "drawn_gates", in_order)


NETWORKS = {"dpctgan": CRITICS, "dpctgan with gates": GATES, "dptvae": BOUND}
ANYWHERE = [real_targets, real_conditions, real_frequencies, real_rows_for_generated_ones, without_noise]
BEHIND_GATES = [real_targets, without_noise_behind_gates, gates_by_rows]
CHEATS: list[tuple[str, Cheat]] = [
    *((name, cheat) for name in ("dpctgan", "dptvae") for cheat in (*ANYWHERE, stopped_by_real_rows)),
    *(("dpctgan with gates", cheat) for cheat in BEHIND_GATES),
]


@pytest.mark.parametrize("name", NETWORKS)
def test_replay_without_data_gives_the_same_samples(name: str) -> None:
    check_replay(NETWORKS[name])


@pytest.mark.parametrize(("name", "cheat"), CHEATS, ids=lambda part: part if isinstance(part, str) else part.__name__)
def test_replay_catches_a_network_that_sees_more(name: str, cheat: Cheat) -> None:
    with pytest.raises(ReplayMismatch):
        check_replay(NETWORKS[name], cheat)
