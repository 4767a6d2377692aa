"""DP-CTGAN with its critics at work: replay, charges, planted dependence, and what may not be asked."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch", reason="needs the neural extra")
pytestmark = pytest.mark.torch

from dpsynth.accounting.budget import PrivacyBudget  # noqa: E402
from dpsynth.accounting.cost import cost_of  # noqa: E402
from dpsynth.accounting.events import GaussianCoverDpEvent  # noqa: E402
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget  # noqa: E402
from dpsynth.accounting.pld import PldAccountant  # noqa: E402
from dpsynth.curator import Curator  # noqa: E402
from dpsynth.curator._sealed import unseal  # noqa: E402
from dpsynth.errors import BudgetExceeded, InvalidInput  # noqa: E402
from dpsynth.generators.dpctgan import DPCTGAN  # noqa: E402
from dpsynth.generators.fitted_model import FittedGraphicalModel  # noqa: E402
from dpsynth.generators.independent import Independent  # noqa: E402
from dpsynth.ledger import Ledger  # noqa: E402
from dpsynth.randomness import SeededNoise  # noqa: E402
from dpsynth.schema.schema import Schema  # noqa: E402
from tests.conformance.tape import Player, Recorder, ReplayMismatch  # noqa: E402
from tests.generators.planted import BUDGET, NAMES, SCHEMA, pair_error, planted_table  # noqa: E402

SMALL: dict[str, Any] = {
    "components": 48,
    "hidden": 32,
    "critics": 8,
    "units": 4,
    "warm_steps": 40,
    "generator_steps": 15,
    "last_steps": 150,
    "learning_rate": 1e-2,
}
ALONE = DPCTGAN(adversarial_share=1, **SMALL)
BOTH = DPCTGAN(adversarial_share=0.5, gates=1, **SMALL)


def curator(
    seed: int = 1, *, event_delta: Any = "1e-7", budget: PrivacyBudget = BUDGET, schema: Schema = SCHEMA
) -> Curator:
    books = Ledger("sqlite://")
    books.set_budget("planted", budget, unit="one row", event_delta=event_delta)
    return Curator.open(planted_table(), schema, ledger=books, noise=SeededNoise(seed))


def fitted(generator: Any, opened: Any, budget: PrivacyBudget = BUDGET) -> FittedGraphicalModel:
    made: FittedGraphicalModel = generator.fit(opened, budget, rng=np.random.default_rng(0))
    return made


# ------------------------------------------------------------------------------------------------------------- charges


@pytest.mark.parametrize("generator", [ALONE, BOTH], ids=["alone", "both"])
def test_a_second_accountant_agrees_that_it_spends_its_budget_and_no_more(generator: DPCTGAN) -> None:
    opened = curator()
    fitted(generator, opened)
    accountant = PldAccountant()
    for _, event in opened.charged:
        accountant.compose(event)
    assert 0.9 < accountant.get_epsilon(BUDGET.delta) <= 1.0 + 1e-5
    trainings = [event for _, event in opened.charged if isinstance(event, GaussianCoverDpEvent)]
    assert len(trainings) == 1


def test_alone_it_asks_for_columns_and_gradients_and_for_no_pair() -> None:
    opened = curator()
    made = fitted(ALONE, opened)
    assert {len(answer.clique) for answer in made.measurements} == {1}
    assert [purpose for purpose, _ in opened.charged][-1] == "train critics"


def test_without_critics_it_asks_for_columns_and_pairs_and_for_no_gradient() -> None:
    opened = curator()
    made = fitted(DPCTGAN(adversarial_share=0, **SMALL), opened)
    assert [answer.clique for answer in made.measurements] == [*((name,) for name in NAMES), *combinations(NAMES, 2)]
    assert not any(isinstance(event, GaussianCoverDpEvent) for _, event in opened.charged)


def test_by_default_there_are_critics_where_the_budget_has_delta_for_them() -> None:
    for event_delta, expected in ((0, False), ("1e-7", True)):
        opened = curator(event_delta=event_delta)
        fitted(DPCTGAN(**SMALL), opened)
        assert any(isinstance(event, GaussianCoverDpEvent) for _, event in opened.charged) is expected


def test_critics_that_no_delta_is_set_aside_for_are_refused_before_anything_is_charged() -> None:
    opened = curator(event_delta=0)
    with pytest.raises(InvalidInput, match="event-delta"):
        fitted(ALONE, opened)
    assert opened.charged == ()


def test_a_budget_that_is_too_large_is_refused_before_anything_is_charged() -> None:
    opened = curator()
    with pytest.raises(BudgetExceeded):
        fitted(BOTH, opened, PrivacyBudget("1.2", BUDGET.delta))
    assert opened.charged == ()


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("components", 0),
        ("hidden", 0),
        ("critics", 0),
        ("gates", -1),
        ("units", 0),
        ("last_steps", 0),
        ("column_share", 0.0),
        ("adversarial_share", 1.5),
        ("noise_in_a_pair", 0.0),
        ("information_price", -1.0),
        ("learning_rate", 0.0),
        ("momentum", 1.0),
        ("warm_steps", -1),
    ],
)
def test_impossible_parameters_are_refused_by_name(parameter: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=parameter if "steps" not in parameter else "steps"):
        DPCTGAN(**{parameter: value})


# ------------------------------------------------------------------------------------------------------------- replay


def replayed(generator: Any) -> None:
    recorder = Recorder(curator())  # type: ignore[arg-type]
    with_data = fitted(generator, recorder)
    player = Player(recorder.tape)
    without = fitted(generator, player)
    if not player.finished:
        raise ReplayMismatch("fewer questions were asked without the data")
    rows = [model.sample(300, rng=np.random.default_rng(6)).codes for model in (with_data, without)]
    if not np.array_equal(*rows):
        raise ReplayMismatch("the samples differ although all answers were the same")


@pytest.mark.usefixtures("deterministic_on_the_processor")
@pytest.mark.parametrize("generator", [ALONE, BOTH], ids=["alone", "both"])
def test_replay_from_the_tape_without_data_gives_the_same_samples(generator: DPCTGAN) -> None:
    replayed(generator)


class RealFrequencies(DPCTGAN):
    """Draws conditions by the exact frequencies of a column, as DP-CTGANs were found to do."""

    def fit(self, curator: Any, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedGraphicalModel:
        half = PrivacyBudget(budget.epsilon / 4, budget.delta / 4)
        super().fit(curator, half, rng=rng)
        exact = unseal(curator.sealed_rows()).marginal(("first",))
        return super().fit(curator, half, rng=np.random.default_rng(int(exact[0])))


class RealSelection(DPCTGAN):
    """Trains twice and keeps what is closer to the rows."""

    def fit(self, curator: Any, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedGraphicalModel:
        half = PrivacyBudget(budget.epsilon / 4, budget.delta / 4)
        models = [super(RealSelection, self).fit(curator, half, rng=np.random.default_rng(seed)) for seed in (1, 2)]
        exact = unseal(curator.sealed_rows()).marginal(("first", "second"))
        return min(models, key=lambda made: np.abs(made.model.marginal(("first", "second")) - exact).sum())


@pytest.mark.parametrize("cheat", [RealFrequencies, RealSelection], ids=lambda cheat: cheat.__name__)
def test_replay_catches_whoever_looks_at_rows(cheat: Any) -> None:
    with pytest.raises((ReplayMismatch, AttributeError)):
        replayed(cheat(adversarial_share=0, **SMALL))


def test_seeds_of_libraries_do_not_reach_the_noise() -> None:
    answers = []
    for _ in range(2):
        torch.manual_seed(0)
        books = Ledger("sqlite://")
        books.set_budget("planted", BUDGET, unit="one row", event_delta="1e-7")
        recorder = Recorder(Curator.open(planted_table(), SCHEMA, ledger=books))
        fitted(ALONE, recorder)
        gradients = [seen.answer for seen in recorder.tape.exchanges if seen.request[0] == "noisy_gradient"]
        answers.append(gradients[0].parts[0])
    assert not np.array_equal(*answers)


# ------------------------------------------------------------------------------------------------------------- quality


@pytest.mark.parametrize("generator", [ALONE, BOTH], ids=["alone", "both"])
def test_critics_teach_the_planted_pairs(generator: DPCTGAN) -> None:
    floor = pair_error(fitted(Independent(), curator(), PrivacyBudget(1, "9e-7")))
    assert pair_error(fitted(generator, curator())) < 0.4 * floor


def test_critics_read_columns_that_are_held_in_groups() -> None:
    rng = np.random.default_rng(2)
    fine = rng.integers(0, 200, 3000)
    schema = Schema.from_text(
        """
name: planted
fields:
  - {name: fine, type: integer, constraints: {minimum: 0, maximum: 199, required: true}, dpsynth: {bins: 80}}
  - {name: small, type: string, categories: [x, y]}
dpsynth: {unit: {kind: row}, public_rows: 3000}
""",
        source="planted.yaml",
    )
    books = Ledger("sqlite://")
    books.set_budget("planted", BUDGET, unit="one row", event_delta="1e-7")
    table = pd.DataFrame({"fine": fine, "small": np.where(fine < 90, "x", "y")})
    made = fitted(ALONE, Curator.open(table, schema, ledger=books, noise=SeededNoise(1)))
    assert 12 <= made.model.domain.size("fine") < schema.columns[0].size
    rows = made.sample(3000, rng=np.random.default_rng(0)).to_pandas()
    left = rows["fine"] < 90
    assert (rows["small"] == "x")[left].mean() - (rows["small"] == "x")[~left].mean() > 0.7


def test_spent_is_the_whole_allowance() -> None:
    opened = curator()
    fitted(BOTH, opened)
    spent = sum((cost_of(event).mu_squared or Fraction(0) for _, event in opened.charged), Fraction(0))
    allowed = mu_squared_from_budget(PrivacyBudget(1, "9e-7"))
    assert Fraction(97, 100) * allowed <= spent <= allowed
