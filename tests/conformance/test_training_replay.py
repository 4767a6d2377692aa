"""A trained model is a function of the answers alone: replayed from the tape without data it is the same bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch", reason="needs the neural extra")
pytestmark = pytest.mark.torch

from numpy.typing import NDArray  # noqa: E402

from dpsynth.accounting.budget import PrivacyBudget, exact_decimal  # noqa: E402
from dpsynth.curator import Curator  # noqa: E402
from dpsynth.curator._sealed import unseal  # noqa: E402
from dpsynth.curator.gradient_queries import TrainingPlan  # noqa: E402
from dpsynth.ledger import Ledger  # noqa: E402
from dpsynth.randomness import SeededNoise  # noqa: E402
from dpsynth.schema.schema import Schema  # noqa: E402
from tests.conformance.fresh_process import called_afresh  # noqa: E402
from tests.conformance.tape import Player, Recorder, ReplayMismatch, Tape  # noqa: E402

SCHEMA = Schema.from_text("""
name: clinic
fields:
  - {name: smoker, type: boolean}
  - {name: stage, type: string, categories: [none, early, late]}
dpsynth: {unit: {kind: row}, public_rows: 300}
""")
PLAN = TrainingPlan(
    noise_multiplier=1.5, sampling_probability=0.1, steps=8, clipping_norm=1.0, public_units=300, delta="1e-6"
)
WIDTH = sum(SCHEMA.domain.sizes)


def curator(seed: int) -> Curator:
    books = Ledger("sqlite://")
    books.set_budget("clinic", PrivacyBudget(3, "1e-3"), unit="one row", event_delta="5e-4")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"smoker": rng.random(300) < 0.3, "stage": rng.choice(["none", "early", "late"], 300)})
    return Curator.open(frame, SCHEMA, ledger=books, noise=SeededNoise(seed))


@dataclass
class Logits:
    """Learns one logit for every code by gradient ascent of the likelihood; a generator as small as it can be."""

    def loss(self, parameters: Any, row: Any, auxiliary: Any) -> Any:
        logits, (mask,) = parameters[0], auxiliary
        per_column = (mask * torch.exp(logits)).sum(dim=1)
        return (torch.log(per_column)).sum() - (row * logits).sum()

    def fit(self, curator: Any) -> NDArray[np.float64]:
        sizes = curator.domain.sizes
        mask = np.zeros((len(sizes), WIDTH))
        starts = np.cumsum(sizes) - np.asarray(sizes)
        for place, (start, size) in enumerate(zip(starts, sizes, strict=True)):
            mask[place, start : start + size] = 1
        logits = np.zeros(WIDTH)
        plan = self.planned(curator)
        with curator.training(plan, self.loss, [logits], auxiliary=[mask], purpose="learn logits") as session:
            while session.steps_left:
                answer = session.noisy_gradient([logits], [mask])
                logits = self.moved(logits - 0.8 * answer.parts[0], curator)
        return logits

    def planned(self, curator: Any) -> TrainingPlan:
        return PLAN

    def moved(self, logits: NDArray[np.float64], curator: Any) -> NDArray[np.float64]:
        return logits


def check_replay(make: Callable[[], Logits], *, replay: Callable[..., Any] = called_afresh) -> None:
    recorder = Recorder(curator(1))
    with_data = make().fit(recorder)
    if not np.array_equal(with_data, replay(learnt_from_tape, make, recorder.tape)):
        raise ReplayMismatch("the parameters differ although all answers were the same")


def learnt_from_tape(make: Callable[[], Logits], tape: Tape) -> NDArray[np.float64]:
    player = Player(tape)
    learnt = make().fit(player)
    if not player.finished:
        raise ReplayMismatch("fewer questions were asked without the data")
    return learnt


def test_replay_from_the_tape_gives_the_same_parameters() -> None:
    check_replay(Logits)


def test_the_tape_holds_one_answer_per_step_and_no_row() -> None:
    recorder = Recorder(curator(1))
    Logits().fit(recorder)
    kinds = [exchange.request[0] for exchange in recorder.tape.exchanges]
    assert kinds == ["training", *["noisy_gradient"] * PLAN.steps]
    assert [exchange.answer.step for exchange in recorder.tape.exchanges[1:]] == list(range(1, PLAN.steps + 1))


def test_it_learns_what_it_was_not_told() -> None:
    learnt = Logits().fit(curator(2))
    smoker = SCHEMA.domain.position("smoker")
    start = sum(SCHEMA.domain.sizes[:smoker])
    logits = learnt[start : start + SCHEMA.domain.sizes[smoker]]
    shares = np.exp(logits) / np.exp(logits).sum()
    assert shares.max() > 0.5


@dataclass
class Smuggler(Logits):
    """Moves its parameters by exact counts, from behind the curator's back."""

    def moved(self, logits: NDArray[np.float64], curator: Any) -> NDArray[np.float64]:
        exact = unseal(curator.sealed_rows()).marginal(("smoker",)).astype(np.float64)
        logits = logits.copy()
        logits[: len(exact)] += 1e-9 * exact
        return logits


@dataclass
class Peeker(Logits):
    """Stops when a private count says so."""

    def moved(self, logits: NDArray[np.float64], curator: Any) -> NDArray[np.float64]:
        sealed = getattr(curator, "sealed_rows", None)
        if sealed is not None and unseal(sealed()).marginal(("smoker",))[0] > 10:
            return logits + 1e-6
        return logits


@dataclass
class Looker(Logits):
    """Asks an honest question first, and plans with the delta that it is told."""

    def planned(self, curator: Any) -> TrainingPlan:
        with curator.within(PrivacyBudget("0.1", "1e-7"), purpose="look") as session:
            session.measure(("smoker",), session.mu_squared)
        return PLAN


@dataclass
class DeltaOfRows(Looker):
    """Plans with delta 1 / (n sqrt n) of the private number of rows in its place (SmartNoise; synthcity too)."""

    def planned(self, curator: Any) -> TrainingPlan:
        told = super().planned(curator)
        sealed = getattr(curator, "sealed_rows", None)
        if sealed is None:
            return told
        return replace(told, delta=exact_decimal("delta", len(unseal(sealed()).training[0]) ** -1.5))


def test_replay_catches_a_delta_that_is_made_of_the_number_of_rows() -> None:
    check_replay(Looker)
    with pytest.raises(ReplayMismatch, match="was training and is now different"):
        check_replay(DeltaOfRows)


@dataclass
class Keeper(Logits):
    """Keeps the rows that its loss is called with, and adds them to its parameters."""

    kept: list[Any] = field(default_factory=list)

    def loss(self, parameters: Any, row: Any, auxiliary: Any) -> Any:
        self.kept.append(torch._C._functorch.get_unwrapped(row))
        return super().loss(parameters, row, auxiliary)

    def moved(self, logits: NDArray[np.float64], curator: Any) -> NDArray[np.float64]:
        return logits + len(self.kept)


@dataclass
class ClassKeeper(Keeper):
    """Keeps them on its class, where the next of its kind finds them."""

    everything: ClassVar[list[Any]] = []

    def __post_init__(self) -> None:
        self.kept = self.everything

    def moved(self, logits: NDArray[np.float64], curator: Any) -> NDArray[np.float64]:
        return logits + bool(self.kept)


def here(function: Callable[..., Any], *arguments: object) -> Any:
    return function(*arguments)


def test_what_is_kept_on_a_class_is_caught_in_a_new_process_only() -> None:
    check_replay(ClassKeeper, replay=here)
    with pytest.raises(ReplayMismatch):
        check_replay(ClassKeeper)


@pytest.mark.parametrize("cheat", [Smuggler, Peeker, Keeper], ids=lambda cheat: cheat.__name__)
def test_replay_catches_trainers_that_see_rows(cheat: Callable[[], Logits]) -> None:
    with pytest.raises((ReplayMismatch, AttributeError)):
        check_replay(cheat)
