"""The private autoencoder at work: an exact encoder, replay, charges, planted dependence, and what may not be asked."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch", reason="needs the neural extra")
pytestmark = pytest.mark.torch

from dpsynth.accounting.budget import PrivacyBudget  # noqa: E402
from dpsynth.accounting.events import GaussianCoverDpEvent  # noqa: E402
from dpsynth.accounting.pld import PldAccountant  # noqa: E402
from dpsynth.curator import Curator  # noqa: E402
from dpsynth.curator.clipping import whole  # noqa: E402
from dpsynth.curator.gradient_queries import encoded_rows  # noqa: E402
from dpsynth.curator.recorded_loss import record_loss  # noqa: E402
from dpsynth.errors import BudgetExceeded, InvalidInput  # noqa: E402
from dpsynth.generators.dptvae import DPTVAE  # noqa: E402
from dpsynth.generators.fitted_model import FittedGraphicalModel  # noqa: E402
from dpsynth.generators.independent import Independent  # noqa: E402
from dpsynth.generators.latent_encoder import LatentEncoder, posteriors  # noqa: E402
from dpsynth.generators.noisy_tables import NoisyTables, measure_columns  # noqa: E402
from dpsynth.ledger import Ledger  # noqa: E402
from dpsynth.randomness import SeededNoise  # noqa: E402
from dpsynth.schema.schema import Schema  # noqa: E402
from tests.conformance.tape import Player, Recorder, ReplayMismatch  # noqa: E402
from tests.generators.planted import BUDGET, NAMES, SCHEMA, pair_error, planted_table  # noqa: E402

SMALL: dict[str, Any] = {
    "components": 48,
    "hidden": 32,
    "rounds": 8,
    "units": 8,
    "warm_steps": 40,
    "decoder_steps": 15,
    "last_steps": 150,
    "learning_rate": 1e-2,
}
ALONE = DPTVAE(training_share=1, **SMALL)
BOTH = DPTVAE(training_share=0.5, **SMALL)


def curator(seed: int = 1, *, event_delta: Any = "1e-7", schema: Schema = SCHEMA) -> Curator:
    books = Ledger("sqlite://")
    books.set_budget("planted", BUDGET, unit="one row", event_delta=event_delta)
    return Curator.open(planted_table(), schema, ledger=books, noise=SeededNoise(seed))


def fitted(generator: Any, opened: Any, budget: PrivacyBudget = BUDGET) -> FittedGraphicalModel:
    made: FittedGraphicalModel = generator.fit(opened, budget, rng=np.random.default_rng(0))
    return made


# ------------------------------------------------------------------------------------------------------------- encoder

TINY = """
name: tiny
fields:
  - {name: one, type: string, categories: [a, b], constraints: {required: true}}
  - {name: two, type: string, categories: [x, y, z], constraints: {required: true}}
dpsynth: {unit: {kind: row}, public_rows: 500}
"""


@pytest.fixture(scope="module")
def tables() -> NoisyTables:
    """Noisy columns of a table of two."""
    schema = Schema.from_text(TINY, source="tiny.yaml")
    books = Ledger("sqlite://")
    books.set_budget("tiny", PrivacyBudget(50, "1e-6"), unit="one row")
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"one": rng.choice(["a", "b"], 500), "two": rng.choice(["x", "y", "z"], 500)})
    opened = Curator.open(rows, schema, ledger=books, noise=SeededNoise(1))
    with opened.within(PrivacyBudget(50, "1e-6"), purpose="columns") as session:
        share = session.mu_squared
        return measure_columns(session, schema, share, left_for_pairs=share, noise_in_a_pair=0.15)


def decoder(tables: NoisyTables, codes: int = 5) -> Any:
    rng = np.random.default_rng(3)
    parts = [rng.dirichlet(np.ones(size), codes) for size in tables.domain.sizes]
    return np.concatenate(parts, axis=1)


def everything(tables: NoisyTables) -> Any:
    """Return every possible row, as one-hot codes."""
    sizes = tables.schema.domain.sizes
    return encoded_rows(np.array(list(product(*map(range, sizes)))), tables.schema.domain)


def test_the_encoder_is_the_posterior(tables: NoisyTables) -> None:
    shares, rows = decoder(tables), everything(tables)
    joint = np.array([[np.prod(line[row == 1]) for line in shares] for row in rows])
    np.testing.assert_allclose(posteriors(rows, shares), joint / joint.sum(axis=1, keepdims=True), rtol=1e-9)


def test_its_recorded_gradient_is_an_outer_product_and_is_that_of_the_evidence_bound(tables: NoisyTables) -> None:
    shares, rows = decoder(tables), everything(tables)
    encoder = LatentEncoder.of(tables, shares, units=3, rng=np.random.default_rng(1))
    recorded = record_loss(encoder.loss, encoder.parameters, encoder.auxiliary, rows.shape[1])
    assert recorded.factored == (True,)
    found = whole(recorded.of_rows(encoder.parameters, rows, encoder.auxiliary)) * encoder.length
    usual = encoder.directions.T @ (1 / len(shares) * np.ones(len(shares)))
    for row, gradient in zip(rows, found, strict=True):
        logits = torch.from_numpy(np.log(shares)).requires_grad_()
        parts = torch.split(logits, list(tables.domain.sizes), dim=1)
        fits = torch.cat([torch.log_softmax(part, dim=1) for part in parts], dim=1) @ torch.from_numpy(row)
        (slope,) = torch.autograd.grad(torch.logsumexp(fits, dim=0), logits)
        # The slope of the bound by logits is posterior times (row - shares); the row's part is without the shares.
        posterior = posteriors(row[None], shares)[0]
        of_row = encoder.directions.T @ (slope.numpy() + posterior[:, None] * shares)
        away = encoder.directions.T @ posterior - usual
        said = gradient.reshape(3, -1)
        np.testing.assert_allclose(said[:, -1], away, atol=1e-9)
        np.testing.assert_allclose(
            said[:, :-1] + np.outer(away, encoder.centre) + np.outer(usual, row), of_row, atol=1e-9
        )


def test_on_generated_rows_expected_counts_are_the_decoders_own(tables: NoisyTables) -> None:
    shares, rows = decoder(tables), everything(tables)
    encoder = LatentEncoder.of(tables, shares, units=5, rng=np.random.default_rng(1))
    chances = np.array([np.mean([np.prod(line[row == 1]) for line in shares]) for row in rows])
    recorded = record_loss(encoder.loss, encoder.parameters, encoder.auxiliary, rows.shape[1])
    each = whole(recorded.of_rows(encoder.parameters, rows, encoder.auxiliary)) * encoder.length
    counts = encoder.expected_counts((chances @ each).reshape(5, -1))
    np.testing.assert_allclose(counts, shares / len(shares), atol=1e-9)


# ------------------------------------------------------------------------------------------------------------- charges


@pytest.mark.parametrize("generator", [ALONE, BOTH], ids=["alone", "both"])
def test_a_second_accountant_agrees_that_it_spends_its_budget_and_no_more(generator: DPTVAE) -> None:
    opened = curator()
    fitted(generator, opened)
    accountant = PldAccountant()
    for _, event in opened.charged:
        accountant.compose(event)
    assert 0.9 < accountant.get_epsilon(BUDGET.delta) <= 1.0 + 1e-5
    assert sum(isinstance(event, GaussianCoverDpEvent) for _, event in opened.charged) == 1


def test_without_a_training_it_asks_for_columns_and_pairs_and_for_no_gradient() -> None:
    opened = curator()
    made = fitted(DPTVAE(training_share=0, **SMALL), opened)
    assert [answer.clique for answer in made.measurements] == [*((name,) for name in NAMES), *combinations(NAMES, 2)]
    assert not any(isinstance(event, GaussianCoverDpEvent) for _, event in opened.charged)


def test_by_default_it_trains_on_rows_where_the_budget_has_delta_for_it() -> None:
    for event_delta, expected in ((0, False), ("1e-7", True)):
        opened = curator(event_delta=event_delta)
        fitted(DPTVAE(**SMALL), opened)
        assert any(isinstance(event, GaussianCoverDpEvent) for _, event in opened.charged) is expected


def test_what_cannot_be_paid_is_refused_before_anything_is_charged() -> None:
    opened = curator(event_delta=0)
    with pytest.raises(InvalidInput, match=r"event-delta.*training_share to 0"):
        fitted(ALONE, opened)
    assert opened.charged == ()
    opened = curator()
    with pytest.raises(BudgetExceeded):
        fitted(BOTH, opened, PrivacyBudget("1.2", BUDGET.delta))
    assert opened.charged == ()


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("components", 0),
        ("hidden", 0),
        ("rounds", 0),
        ("units", 0),
        ("last_steps", 0),
        ("column_share", 0.0),
        ("training_share", 1.5),
        ("noise_in_a_pair", 0.0),
        ("information_price", -1.0),
        ("learning_rate", 0.0),
        ("decoder_steps", -1),
        ("warm_steps", -1),
    ],
)
def test_impossible_parameters_are_refused_by_name(parameter: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=parameter):
        DPTVAE(**{parameter: value})


# ------------------------------------------------------------------------------------------------------------- replay


@pytest.mark.usefixtures("deterministic_on_the_processor")
def test_replay_from_the_tape_without_data_gives_the_same_samples() -> None:
    recorder = Recorder(curator())  # type: ignore[arg-type]
    with_data = fitted(BOTH, recorder)
    player = Player(recorder.tape)
    without = fitted(BOTH, player)
    if not player.finished:
        raise ReplayMismatch("fewer questions were asked without the data")
    rows = [model.sample(300, rng=np.random.default_rng(6)).codes for model in (with_data, without)]
    np.testing.assert_array_equal(*rows)


# ------------------------------------------------------------------------------------------------------------- quality


def test_it_keeps_the_planted_pairs() -> None:
    floor = pair_error(fitted(Independent(), curator(), PrivacyBudget(1, "9e-7")))
    assert pair_error(fitted(BOTH, curator())) < 0.4 * floor
