"""Critics behind gates: the closed form of what they are taught, their gradient of a row, their splits, and parity."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch", reason="needs the neural extra")
pytestmark = pytest.mark.torch

from dpsynth.accounting.budget import PrivacyBudget  # noqa: E402
from dpsynth.curator import Curator  # noqa: E402
from dpsynth.curator.clipping import LATTICE, clipped, total, whole  # noqa: E402
from dpsynth.curator.gradient_queries import TrainingPlan, encoded_rows  # noqa: E402
from dpsynth.curator.recorded_loss import record_loss  # noqa: E402
from dpsynth.generators import dpctgan  # noqa: E402
from dpsynth.generators.dpctgan import DPCTGAN  # noqa: E402
from dpsynth.generators.gated_bank import GatedBank  # noqa: E402
from dpsynth.generators.gated_critic import Gate, GatedCritic, drawn_gates  # noqa: E402
from dpsynth.generators.marginal_distance import MarginalDistance  # noqa: E402
from dpsynth.generators.noisy_tables import NoisyTables, measure_columns  # noqa: E402
from dpsynth.generators.quadratic_critic import CriticBank, QuadraticCritic  # noqa: E402
from dpsynth.ledger import Ledger  # noqa: E402
from dpsynth.models.mixture_of_products import column_rows  # noqa: E402
from dpsynth.randomness import SeededNoise  # noqa: E402
from dpsynth.schema.schema import Schema  # noqa: E402

SCHEMA = Schema.from_text(
    """
name: parity
fields:
  - {name: first, type: string, categories: [a, b], constraints: {required: true}}
  - {name: second, type: string, categories: [a, b], constraints: {required: true}}
  - {name: third, type: string, categories: [a, b], constraints: {required: true}}
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 99, required: true}, dpsynth: {bins: 8}}
dpsynth: {unit: {kind: row}, public_rows: 3000}
""",
    source="parity.yaml",
)
SMALL: dict[str, Any] = {
    "components": 32,
    "hidden": 32,
    "adversarial_share": 1,
    "critics": 3,
    "units": 4,
    "warm_steps": 10,
    "generator_steps": 5,
    "last_steps": 100,
    "learning_rate": 1e-2,
}


def opened() -> Curator:
    """Return a curator over rows whose first three columns show nothing in pairs, and an even number of b each."""
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2, (2, 3000))
    columns = {"first": bits[0], "second": bits[1], "third": bits[0] ^ bits[1]}
    table = pd.DataFrame({name: np.array(["a", "b"])[column] for name, column in columns.items()})
    table["age"] = rng.integers(0, 100, 3000)
    books = Ledger("sqlite://")
    books.set_budget("parity", PrivacyBudget(20, "1e-6"), unit="one row", event_delta="1e-7")
    return Curator.open(table, SCHEMA, ledger=books, noise=SeededNoise(5))


@pytest.fixture(scope="module")
def tables() -> NoisyTables:
    with opened().within(PrivacyBudget(10, "1e-7"), purpose="columns") as session:
        half = session.mu_squared / 2
        return measure_columns(session, SCHEMA, half, left_for_pairs=half, noise_in_a_pair=0.15)


# ---------------------------------------------------------------------------------------- the splits


def test_every_gate_hides_its_column_and_halves_it(tables: NoisyTables) -> None:
    gates = drawn_gates(tables, 2, np.random.default_rng(1))
    places = list(column_rows(tables.domain).values())
    shares = tables.columns.counts / tables.total
    assert len(gates) == 2 * len(places)
    for some in (gates[: len(places)], gates[len(places) :]):
        hidden = [np.flatnonzero(1 - gate.kept) for gate in some]
        assert {(part[0], part[-1] + 1) for part in hidden} == {(rows.start, rows.stop) for rows in places}
    for gate in gates:
        np.testing.assert_array_equal(np.abs(gate.signs), 1 - gate.kept)
        assert abs(gate.signs @ shares) < 0.3


def test_columns_with_an_order_are_split_at_the_median_and_then_into_middle_and_ends(tables: NoisyTables) -> None:
    rows = column_rows(tables.domain)["age"]
    gates = drawn_gates(tables, 2, np.random.default_rng(1))
    turns = [int(np.count_nonzero(np.diff(gate.signs[rows]))) for gate in gates if gate.signs[rows].any()]
    assert turns == [1, 2]


# --------------------------------------------------------------------------------- gradients of rows


@pytest.fixture(scope="module")
def weights(tables: NoisyTables) -> Any:
    return np.random.default_rng(2).standard_normal((sum(tables.domain.sizes), 3))


def test_the_gradient_of_a_row_is_a_signed_outer_product_and_is_clipped_as_one(
    tables: NoisyTables, weights: Any
) -> None:
    critic = GatedCritic(QuadraticCritic.of(tables))
    recorded = record_loss(critic.loss, [weights], critic.auxiliary(1.0), sum(SCHEMA.domain.sizes))
    assert recorded.factored == (True,)
    codes = np.random.default_rng(4).integers(0, SCHEMA.domain.sizes, (40, len(SCHEMA.domain.sizes)))
    groups = np.stack([tables.groups[name][codes[:, place]] for place, name in enumerate(SCHEMA.domain.names)], axis=1)
    seen = encoded_rows(groups, tables.domain)
    for gate in (drawn_gates(tables, 1, np.random.default_rng(1))[0], Gate.open(tables)):
        parts = recorded.of_rows([weights], encoded_rows(codes, SCHEMA.domain), critic.auxiliary(2.0, gate))
        centred = (seen - critic.centre) * gate.kept
        wanted = 2 * (seen @ gate.signs)[:, None, None] * centred[:, :, None] * (centred @ weights)[:, None, :]
        np.testing.assert_allclose(whole(parts), wanted.reshape(len(codes), -1), atol=1e-12)
        for place in range(3):
            one = [type(part)(part.left[[place]], part.right[[place]]) for part in parts]
            moved = total(clipped(one, 0.5))
            assert int((moved.astype(object) ** 2).sum()) <= LATTICE**2
            assert (
                np.linalg.norm(moved) > 0.999 * LATTICE
            )  # these are longer than the clipping norm, so they arrive at it


def test_without_a_gate_it_is_the_critic_that_sees_all(tables: NoisyTables, weights: Any) -> None:
    plain = QuadraticCritic.of(tables)
    row = torch.eye(sum(SCHEMA.domain.sizes), dtype=torch.float64)[0]
    losses = [
        critic.loss((torch.tensor(weights),), row, tuple(map(torch.tensor, critic.auxiliary(0.7))))
        for critic in (plain, GatedCritic(plain))
    ]
    assert abs(losses[0] - losses[1]) < 1e-12


# ----------------------------------------------------------------------------------- the closed form


def enumerated(shares: Any, tables: NoisyTables, gate: Gate, centre: Any, weights: Any) -> Any:
    """Return the expected gradient over every row that there is, times its probability."""
    places = list(column_rows(tables.domain).values())
    wanted = np.zeros_like(weights)
    for codes in product(*[range(rows.stop - rows.start) for rows in places]):
        cells = [rows.start + code for rows, code in zip(places, codes, strict=True)]
        row = np.zeros(len(centre))
        row[cells] = 1
        centred = (row - centre) * gate.kept
        wanted += shares[:, cells].prod(axis=1).mean() * (row @ gate.signs) * np.outer(centred, centred @ weights)
    return wanted


def test_what_generated_rows_teach_is_exact_and_so_is_its_slope(tables: NoisyTables, weights: Any) -> None:
    rng = np.random.default_rng(7)
    places = list(column_rows(tables.domain).values())
    shares = np.concatenate([rng.dirichlet(np.ones(rows.stop - rows.start), 5) for rows in places], axis=1)
    critic = QuadraticCritic.of(tables)
    given = torch.tensor(shares, requires_grad=True)
    distance = MarginalDistance(tables, information_price=1.0, like=given)
    bank = GatedBank(CriticBank(distance, critic.centre, like=given), critic)
    wanted, answers = [], []
    for gate, variance in zip(drawn_gates(tables, 1, rng)[:2], (0.5, 2.0), strict=True):
        seen = weights * gate.kept[:, None]
        wanted.append(enumerated(shares, tables, gate, critic.centre, seen))
        answers.append(rng.standard_normal(weights.shape))
        bank.add(gate, seen, answers[-1], variance)
        answers[-1] = answers[-1] * gate.kept[:, None]
    np.testing.assert_allclose(bank.taught(given).detach().numpy(), np.concatenate(wanted, axis=1), atol=1e-12)
    apart = sum(
        0.5 * ((one - other) ** 2).sum() / variance
        for one, other, variance in zip(wanted, answers, (0.5, 2.0), strict=True)
    )

    def behind(shares: Any) -> Any:
        return bank.loss(shares) - bank.plain.loss(shares)

    (slope,) = torch.autograd.grad(behind(given), given)
    step = torch.tensor(1e-4 * rng.standard_normal(shares.shape))
    with torch.no_grad():
        assert float(behind(given)) == pytest.approx(apart)
        assert float(behind(given + step) - behind(given - step)) / 2 == pytest.approx(
            float((slope * step).sum()), 1e-5
        )


# ------------------------------------------------------------------------------------------ the rule


@pytest.mark.parametrize(
    ("noise", "asked", "due"), [(3.9e-3, None, 8), (4.1e-3, None, 0), (1.0, 1, 4), (3.9e-3, 0, 0), (1e-3, 30, 64)]
)
def test_by_default_they_are_asked_where_noise_leaves_them_something_to_say(
    monkeypatch: pytest.MonkeyPatch, tables: NoisyTables, noise: float, asked: int | None, due: int
) -> None:
    """`noise` is its length in a unit of a critic, in shares of all rows, if those behind gates were asked too."""

    def plan_within(left: Fraction, tables: NoisyTables, *, steps: int, delta: Any) -> TrainingPlan:
        stddev = noise / math.sqrt(sum(tables.domain.sizes)) * math.sqrt(steps / 14)
        return TrainingPlan(stddev * 3000, 1.0, steps, 1.0, 3000, delta)

    monkeypatch.setattr(dpctgan, "plan_within", plan_within)
    generator = DPCTGAN(gates=asked, critics=6)
    plan, gates = generator._planned(Fraction(1), tables, delta=Decimal("1e-7"), rng=np.random.default_rng(0))
    assert (len(gates), plan.steps) == (due, 6 + due)


# ------------------------------------------------------------------------------------------ parity


def test_only_critics_behind_gates_learn_what_no_pair_shows_in_the_one_training_that_is_charged() -> None:
    wrong = []
    for gates in (0, 1):
        curator = opened()
        made = DPCTGAN(gates=gates, **SMALL).fit(curator, PrivacyBudget(20, "9e-7"), rng=np.random.default_rng(0))
        triple = made.model.marginal(("first", "second", "third"))
        odd = np.indices(triple.shape).sum(axis=0) % 2 == 1
        wrong.append(float(triple[odd].sum() / triple.sum()))
        trainings: list[Any] = [event for purpose, event in curator.charged if purpose == "train critics"]
        assert [training.event.count for training in trainings] == [SMALL["critics"] + 4 * gates]
        assert made.provenance["gates"] == str(gates)
    assert wrong[0] > 0.4
    assert wrong[1] < 0.25
