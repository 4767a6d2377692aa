"""Training through the real door: the ledger, the recorded loss, and what neither seeds nor rows can change."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch", reason="needs the neural extra")
pytestmark = pytest.mark.torch

from numpy.typing import NDArray  # noqa: E402
from torch.nn import functional  # noqa: E402

from dpsynth.accounting.agreement import cross_check  # noqa: E402
from dpsynth.accounting.budget import PrivacyBudget  # noqa: E402
from dpsynth.accounting.events import GaussianCoverDpEvent  # noqa: E402
from dpsynth.accounting.gaussian_dp import epsilon_from_mu_squared  # noqa: E402
from dpsynth.accounting.pld import PldAccountant  # noqa: E402
from dpsynth.curator import Curator  # noqa: E402
from dpsynth.curator.clipping import whole  # noqa: E402
from dpsynth.curator.gradient_queries import NoisyGradient, TrainingPlan  # noqa: E402
from dpsynth.curator.gradients import StepAllowance  # noqa: E402
from dpsynth.curator.recorded_loss import RecordedLoss, accelerated, record_loss, refuse_cross_example  # noqa: E402
from dpsynth.errors import BudgetExceeded, BudgetNotSet, DpsynthError, InvalidInput, LedgerError  # noqa: E402
from dpsynth.ledger import Ledger  # noqa: E402
from dpsynth.progress import reporting_to  # noqa: E402
from dpsynth.randomness import NoiseSource, SeededNoise  # noqa: E402
from dpsynth.schema.schema import Schema  # noqa: E402

SCHEMA = Schema.from_text("""
name: clinic
fields:
  - {name: smoker, type: boolean}
  - {name: stage, type: string, categories: [none, early, late]}
dpsynth: {unit: {kind: row}, public_rows: 400}
""")
VISITS = Schema.from_text("""
name: clinic
fields:
  - {name: smoker, type: boolean}
  - {name: stage, type: string, categories: [none, early, late]}
dpsynth: {unit: {id_column: person, max_rows_per_unit: 3}, public_rows: 400}
""")
BUDGET = PrivacyBudget(2, "1e-5")
WIDTH = sum(SCHEMA.domain.sizes)
PARAMETERS = [np.linspace(-1, 1, WIDTH * 4).reshape(WIDTH, 4), np.full(4, 0.5)]
CANARY = "Zebulon-Quartzmeier"


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def plan(**changed: Any) -> TrainingPlan:
    given: dict[str, Any] = {
        "noise_multiplier": 2.0,
        "sampling_probability": 0.1,
        "steps": 6,
        "clipping_norm": 1.0,
        "public_units": 400,
        "delta": "1e-6",
    }
    return TrainingPlan(**(given | changed))


def loss(parameters: Any, row: Any, auxiliary: Any) -> Any:
    hidden = functional.leaky_relu(row @ parameters[0], 0.2)
    return functional.softplus(-(hidden @ parameters[1]))


def table(rows: int = 400, stage: str | None = None) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"smoker": rng.random(rows) < 0.3, "stage": rng.choice(["none", "early", "late"], rows).astype(object)}
    )
    return frame if stage is None else frame.assign(stage=stage)


def books(event_delta: str = "2e-6", budget: PrivacyBudget = BUDGET, schema: Schema = SCHEMA) -> Ledger:
    ledger = Ledger("sqlite://")
    ledger.set_budget("clinic", budget, unit=schema.unit.describe(), event_delta=event_delta)
    return ledger


def opened(ledger: Ledger, noise: NoiseSource | None = None, data: pd.DataFrame | None = None) -> Curator:
    return Curator.open(table() if data is None else data, SCHEMA, ledger=ledger, noise=noise)


def train(curator: Curator, given: TrainingPlan, steps: int, made: Callable[..., Any] = loss) -> list[NoisyGradient]:
    with curator.training(given, made, PARAMETERS, purpose="train a critic") as session:
        assert session.plan == given
        return [session.noisy_gradient(PARAMETERS) for _ in range(steps)]


# --------------------------------------------------------------------------------------------------------- the books


def test_who_waits_is_told_how_many_steps_are_done_and_what_is_paid() -> None:
    told: list[tuple[str, int]] = []

    class Bars:
        def start(self, phase: str, total: int) -> None:
            told.append((phase, total))

        def advance(self, phase: str, steps: int) -> None:
            told.append((phase, steps))

        def finish(self, phase: str) -> None:
            told.append((phase, -1))

    ledger, given = books(), plan()
    with reporting_to(Bars()):
        train(opened(ledger), given, 2)
    trained = [(phase, steps) for phase, steps in told if phase.startswith("train")]
    assert [steps for _, steps in trained if steps] == [given.steps, 1, 1, -1]
    paid = float(trained[0][0].split("epsilon ")[1].split(" ")[0])
    cost = ledger.spent("clinic")
    assert cost.mu_squared is not None
    assert paid == pytest.approx(
        float(epsilon_from_mu_squared(cost.mu_squared, Fraction(1, 10**5) - cost.delta)), abs=1e-4
    )


@cache
def cover_of(steps: int) -> GaussianCoverDpEvent:
    return plan(steps=steps).cover()


def settles_in_full(steps: int, ledger: Ledger) -> None:
    curator, cover = opened(ledger), cover_of(plan().steps)
    train(curator, plan(), steps)
    reserve, _, settle = ledger.entries("clinic")[-3:]
    assert [charge.event for charge in reserve.charges] == [cover]
    assert [(charge.purpose, charge.event) for charge in settle.charges] == [("train a critic", cover)]
    assert curator.charged == (("train a critic", cover),)
    assert ledger.spent("clinic").mu_squared == cover.mu_squared
    assert ledger.spent("clinic").delta == Fraction(1, 10**6)
    ledger.verify()


@pytest.mark.parametrize("steps", [0, 6])
def test_the_whole_training_is_reserved_first_and_settled_in_full_however_many_steps_were_taken(steps: int) -> None:
    settles_in_full(steps, books())


def settles_at(counted: Callable[[int], int]) -> property:
    """Return what charges the cover of so many steps, of those that were taken; of none, nothing."""

    def charged(allowance: StepAllowance) -> tuple[Any, ...]:
        steps = counted(allowance.taken)
        return (("train a critic", cover_of(steps)),) if steps else ()

    return property(charged)


@pytest.mark.parametrize(
    ("planted", "steps"),
    [
        (settles_at(lambda taken: taken), 5),  # whoever stops early, by what they saw, chose the price by it
        (settles_at(lambda taken: taken - 1), 6),  # fewer steps than noise was added to
    ],
    ids=["the steps taken", "all but the last"],
)
def test_a_training_that_is_settled_at_fewer_steps_is_refused_and_counts_in_full(
    planted: property, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = books()
    monkeypatch.setattr(StepAllowance, "charged", planted)
    with pytest.raises(LedgerError, match="cannot be settled by one of fewer steps"):
        settles_in_full(steps, ledger)
    assert ledger.spent("clinic").mu_squared == cover_of(plan().steps).mu_squared


def test_a_training_that_is_settled_at_nothing_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may have been asked of the rows, for all that the ledger knows; so the session has to say it."""
    monkeypatch.setattr(StepAllowance, "charged", settles_at(lambda taken: 0))
    with pytest.raises(AssertionError):
        settles_in_full(6, books())


def interrupted(curator: Curator, fault: BaseException) -> None:
    with curator.training(plan(), loss, PARAMETERS, purpose="p") as session:
        session.noisy_gradient(PARAMETERS)
        raise fault


def test_an_error_in_the_middle_costs_everything_too() -> None:
    for fault in (DpsynthError("a generator's own"), KeyboardInterrupt(), ZeroDivisionError()):
        ledger = books()
        with pytest.raises(type(fault)):
            interrupted(opened(ledger), fault)
        assert ledger.spent("clinic").mu_squared == cover_of(plan().steps).mu_squared


def test_a_training_and_marginals_share_one_budget_and_the_accountants_agree() -> None:
    ledger = books()
    curator = opened(ledger)
    with curator.within(PrivacyBudget("0.5", "1e-6"), purpose="marginals") as session:
        session.measure(("stage",), session.mu_squared)
    train(curator, plan(), 6)
    accountant = PldAccountant()
    for _, event in curator.charged:
        accountant.compose(event)
    assert accountant.get_epsilon(BUDGET.delta) <= 2
    cross_check(plan().cover(), PrivacyBudget(2, "1e-5"))


def test_what_cannot_be_paid_is_refused_before_a_row_is_read() -> None:
    unset = Ledger("sqlite://")
    with pytest.raises(BudgetNotSet):
        train(opened(unset), plan(), 1)
    for ledger, given, error, words in (
        (books(event_delta="0"), plan(), LedgerError, "event_delta.*half of its delta"),
        (books(), plan(steps=600), BudgetExceeded, "clinic"),
        (books(), plan(delta="3e-6"), BudgetExceeded, "clinic"),
    ):
        before, curator = ledger.head(), opened(ledger)
        with pytest.raises(error, match=words):
            train(curator, given, 1)
        assert ledger.head() == before
        with pytest.raises(DpsynthError, match="not been opened"):
            curator.sealed_rows()


def test_the_step_after_the_last_and_steps_after_the_end_are_refused() -> None:
    with opened(books()).training(plan(steps=2), loss, PARAMETERS, purpose="p") as session:
        for left in (1, 0):
            session.noisy_gradient(PARAMETERS)
            assert session.steps_left == left
        with pytest.raises(BudgetExceeded):
            session.noisy_gradient(PARAMETERS)
    with opened(books()).training(plan(), loss, PARAMETERS, purpose="p") as session:
        pass
    with pytest.raises(BudgetExceeded):
        session.noisy_gradient(PARAMETERS)


# --------------------------------------------------------------------------------------------------------- the noise


class TorchNoise:
    """A planted fault: privacy noise out of PyTorch's generator."""

    certifiable = False

    def random_bytes(self, count: int) -> bytes:
        return bytes(torch.randint(0, 256, (count,), dtype=torch.uint8).tolist())


def differs_under_equal_seeds(noise: NoiseSource | None) -> None:
    answers = []
    for _ in range(2):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        answers.append(train(opened(books(), noise), plan(steps=1), 1)[0].parts[0])
    assert not np.array_equal(*answers)


def test_seeds_of_torch_and_numpy_do_not_fix_the_noise() -> None:
    differs_under_equal_seeds(None)
    with pytest.raises(AssertionError):
        differs_under_equal_seeds(TorchNoise())
    assert opened(books()).certifiable


def test_a_training_takes_nothing_from_the_generator_of_torch() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    train(opened(books()), plan(), 2)
    assert torch.equal(before, torch.get_rng_state())


def test_a_seeded_source_repeats_and_cannot_be_certified() -> None:
    def parts() -> list[NDArray[np.float64]]:
        curator = opened(books(), SeededNoise(5))
        assert not curator.certifiable
        return [part for answer in train(curator, plan(), 2) for part in answer.parts]

    for one, other in zip(parts(), parts(), strict=True):
        np.testing.assert_array_equal(one, other)


# ------------------------------------------------------------------------------------------------------- the gradient


def test_the_answer_is_the_gradient_where_there_is_little_noise() -> None:
    given = plan(sampling_probability=1.0, noise_multiplier=0.2, steps=1, clipping_norm=100.0)
    (answer,) = train(opened(books(budget=PrivacyBudget(90, "1e-2"), event_delta="1e-3")), given, 1)
    parameters = [torch.tensor(part, requires_grad=True) for part in PARAMETERS]
    codes = {"none": 0, "early": 1, "late": 2}
    frame = table()
    rows = np.zeros((len(frame), WIDTH))
    stages = sum(SCHEMA.domain.sizes[:1])
    rows[np.arange(len(frame)), [SCHEMA.column("smoker").encode([cell])[0] for cell in frame["smoker"]]] = 1
    rows[np.arange(len(frame)), [stages + codes[cell] for cell in frame["stage"]]] = 1
    sum(loss(parameters, torch.tensor(row), ()) for row in rows).backward()  # type: ignore[union-attr]
    for part, parameter in zip(answer.parts, parameters, strict=True):
        np.testing.assert_allclose(part, parameter.grad.numpy() / 400, atol=6 * answer.stddev)
        assert np.abs(part).max() > 0.5 * answer.stddev


def test_rows_of_one_person_stay_together_behind_the_door() -> None:
    data = table(300).assign(person=[f"p{place // 5}" for place in range(300)])
    curator = Curator.open(data, VISITS, ledger=books(schema=VISITS), planted=np.zeros((4, 2), dtype=np.int32))
    train(curator, plan(rows_at_once=2), 2)
    from dpsynth.curator._sealed import unseal

    owners = unseal(curator.sealed_rows()).owners
    assert owners is not None
    assert sorted(np.bincount(owners).tolist()) == [1] * 4 + [3] * 60


def test_odd_tables_are_answered_like_any_other() -> None:
    for data in (table().iloc[:0], table().iloc[:1], table(stage=CANARY)):
        answers = train(opened(books(), data=data), plan(), 2)
        assert all(np.isfinite(part).all() for answer in answers for part in answer.parts)


def test_a_loss_that_is_not_finite_on_some_rows_is_no_error() -> None:
    def sharp(parameters: Any, row: Any, auxiliary: Any) -> Any:
        return torch.log(row[0]) * parameters[1].sum() + torch.exp(1e4 * row[1] * parameters[1]).sum()

    answers = train(opened(books()), plan(sampling_probability=0.5, steps=1), 1, sharp)
    assert all(np.isfinite(part).all() for part in answers[0].parts)


def test_other_shapes_are_refused_and_take_no_step() -> None:
    with opened(books()).training(plan(), loss, PARAMETERS, purpose="p") as session:
        for wrong in (PARAMETERS[:1], [PARAMETERS[0].T, PARAMETERS[1]]):
            with pytest.raises(InvalidInput, match="shapes"):
                session.noisy_gradient(wrong)
        with pytest.raises(InvalidInput, match="shapes"):
            session.noisy_gradient(PARAMETERS, [np.zeros(3)])
        assert session.steps_left == 6


def test_auxiliary_arrays_reach_the_loss_at_every_step() -> None:
    def scaled(parameters: Any, row: Any, auxiliary: Any) -> Any:
        return auxiliary[0] * (row @ parameters[0] @ parameters[1])

    given = plan(sampling_probability=1.0, noise_multiplier=0.2, steps=2, clipping_norm=100.0)
    ledger = books(budget=PrivacyBudget(99, "1e-2"), event_delta="1e-3")
    with opened(ledger).training(given, scaled, PARAMETERS, auxiliary=[np.ones(())], purpose="p") as session:
        once, thrice = (session.noisy_gradient(PARAMETERS, [np.array(factor)]).parts[0] for factor in (1.0, 3.0))
    assert np.abs(once).max() > 6 * given.stddev
    np.testing.assert_allclose(thrice, 3 * once, atol=24 * given.stddev)


# ---------------------------------------------------------------------------------------------- what a loss may not do

kept: list[Any] = []
outside = torch.zeros(1, dtype=torch.float64)


class Doubling(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, given: Any) -> Any:
        return torch.from_numpy(given.numpy() * 2)

    @staticmethod
    def backward(context: Any, given: Any) -> Any:
        return given


def packed(parameters: Any, row: Any, auxiliary: Any) -> Any:
    """Judge rows in packs of ten, as CTGAN's critic does (`pac`)."""
    return functional.leaky_relu(row.view(-1, 10 * WIDTH) @ parameters[0].repeat(10, 1), 0.2).sum()


def with_penalty(parameters: Any, row: Any, other: Any, share: Any) -> Any:
    """Add CTGAN's gradient penalty: how far the critic's slope is from 1, at an interpolate of a row and another."""

    def critic(given: Any) -> Any:
        return loss(parameters, given, ())

    slope = torch.func.grad(critic)(share * row + (1 - share) * other)
    return critic(row) + 10 * (slope.norm(2) - 1) ** 2


def penalised(parameters: Any, row: Any, auxiliary: Any) -> Any:
    """Draw the interpolate at random, between the row and a generated one."""
    return with_penalty(parameters, row, torch.zeros_like(row), torch.rand(1, dtype=torch.float64))


def penalised_between_rows(parameters: Any, row: Any, auxiliary: Any) -> Any:
    """Interpolate halfway to the row before, which is kept for it."""
    before = last.clone()
    last.copy_(row)
    return with_penalty(parameters, row, before, 0.5)


last = torch.zeros(WIDTH, dtype=torch.float64)

REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "pac: rows in packs": (packed, "row of zeros.*shape"),
    "a gradient penalty on interpolates of real rows": (penalised, "aten.rand"),
    "a gradient penalty between two real rows": (penalised_between_rows, "in-place operation"),
    "BatchNorm": (lambda p, r, a: functional.batch_norm((r @ p[0])[None], p[1], p[1]).sum(), "batch_norm"),
    "statistics of a batch": (
        lambda p, r, a: functional.batch_norm((r @ p[0]).reshape(1, 2, 2), None, None, training=True).sum(),
        "batch_norm",
    ),
    "dropout": (lambda p, r, a: functional.dropout(r @ p[0]).sum(), "bernoulli"),
    "its own noise": (lambda p, r, a: (r @ p[0] * torch.rand(4)).sum(), "rand"),
    "a branch on a row": (lambda p, r, a: (r @ p[0]).sum() if r.sum() > 0 else p[0].sum(), "branch"),
    "a number from a row": (lambda p, r, a: p[0].sum() * r[0].item(), "branch"),
    "memory of its own": (lambda p, r, a: (outside.add_(r.sum()), p[0].sum())[1], "recorded"),
    "an index from a row": (lambda p, r, a: p[0][r.argmax()].sum(), "branch|argmax|index"),
    "whole numbers": (lambda p, r, a: (r.long().sum() * (r @ p[0])).sum(), "_to_copy"),
    "two numbers": (lambda p, r, a: (r @ p[0])[:2], "one number"),
    "an operation from elsewhere": (lambda p, r, a: Doubling.apply(r @ p[0]).sum(), "recorded"),
    "a matrix that may be singular": (
        lambda p, r, a: torch.linalg.inv(torch.outer(r, r) + torch.eye(WIDTH)).sum(),
        "linalg_inv",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_loss_that_could_tell_or_fail_is_refused_before_anything_is_charged(name: str) -> None:
    planted, words = REFUSED[name]
    ledger = books()
    before = ledger.head()
    with pytest.raises(InvalidInput, match=words):
        train(opened(ledger), plan(), 1, planted)
    assert ledger.head() == before


def test_a_penalty_on_public_points_of_a_row_of_its_own_is_recorded() -> None:
    """It is rows that meet, and dice, that are refused, and no penalty as such."""
    recorded = record_loss(lambda p, r, a: with_penalty(p, r, a[0], 0.5), PARAMETERS, [np.zeros(WIDTH)], WIDTH)
    assert np.isfinite(whole(recorded.of_rows(PARAMETERS, np.eye(WIDTH), [np.zeros(WIDTH)]))).all()


def rows_never_meet(recorded: Any) -> None:
    """The gradient of a row is the same to the last bits whoever else is in the batch."""
    rows = np.random.default_rng(4).random((20, WIDTH))
    together = whole(recorded.of_rows(PARAMETERS, rows, ()))
    for place in (0, 7, 19):
        alone = whole(recorded.of_rows(PARAMETERS, rows[place : place + 1], ()))
        np.testing.assert_allclose(together[place : place + 1], alone, rtol=1e-12, atol=1e-15)


class Batched(RecordedLoss):
    """Evaluates the whole batch at once, with what rows have in common in front of it."""

    __slots__ = ("meet",)

    def of_rows(self, parameters: Any, rows: Any, auxiliary: Any) -> Any:
        return super().of_rows(parameters, self.meet(rows), auxiliary)


MEETINGS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "pac": lambda rows: np.repeat(rows.reshape(-1, 10, WIDTH).mean(axis=1), 10, axis=0) if len(rows) > 9 else rows,
    "interpolates of real rows": lambda rows: 0.5 * (rows + np.roll(rows, 1, axis=0)),
    "BatchNorm": lambda rows: (rows - rows.mean(axis=0)) / (rows.std(axis=0) + 1e-5),
}


def test_rows_of_a_recorded_loss_never_meet() -> None:
    rows_never_meet(record_loss(loss, PARAMETERS, (), WIDTH))


@pytest.mark.parametrize("name", MEETINGS)
def test_rows_that_meet_are_seen(name: str) -> None:
    fair = record_loss(loss, PARAMETERS, (), WIDTH)
    planted = Batched(fair.graph, fair.factored, fair.shapes, fair.auxiliary_shapes)
    planted.meet = MEETINGS[name]
    with pytest.raises(AssertionError):
        rows_never_meet(planted)


def test_a_loss_that_keeps_what_it_sees_has_seen_zeros_only() -> None:
    calls = []

    def keeping(parameters: Any, row: Any, auxiliary: Any) -> Any:
        calls.append(1)
        kept.append(torch._C._functorch.get_unwrapped(row))
        return loss(parameters, row, auxiliary)

    with opened(books()).training(plan(), keeping, PARAMETERS, purpose="p") as session:
        recorded = len(calls)
        for _ in range(3):
            session.noisy_gradient(PARAMETERS)
    assert len(calls) == recorded == 1


def test_a_constant_that_changes_after_the_recording_changes_nothing() -> None:
    factor = torch.ones((), dtype=torch.float64)
    recorded = record_loss(lambda p, r, a: factor * (r @ p[0]).sum(), PARAMETERS, (), WIDTH)
    rows = np.eye(WIDTH)
    before = whole(recorded.of_rows(PARAMETERS, rows, ()))
    factor.mul_(7)
    np.testing.assert_array_equal(whole(recorded.of_rows(PARAMETERS, rows, ())), before)


def test_layers_in_which_rows_meet_are_refused_by_name() -> None:
    good = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4))
    refuse_cross_example(good)
    for layer in (torch.nn.BatchNorm1d(4), torch.nn.SyncBatchNorm(4), torch.nn.LazyBatchNorm1d()):
        with pytest.raises(InvalidInput, match=rf"1 \({type(layer).__name__}\).*LayerNorm"):
            refuse_cross_example(torch.nn.Sequential(torch.nn.Linear(3, 4), layer))
    with pytest.raises(InvalidInput, match="InstanceNorm1d"):
        refuse_cross_example(torch.nn.InstanceNorm1d(4, track_running_stats=True))


DENSE: dict[str, tuple[Callable[..., Any], tuple[bool, bool]]] = {
    "a row times a matrix": (lambda p, r, a: functional.tanh(r @ p[0]).sum(), (True, False)),
    "a matrix times a row": (lambda p, r, a: functional.tanh(p[0].T @ r + p[1]).sum(), (True, False)),
    "a batch of one": (lambda p, r, a: functional.tanh(r[None] @ p[0] + p[1]).sum(), (True, False)),
    "a layer of PyTorch": (lambda p, r, a: functional.tanh(functional.linear(r, p[0].T, p[1])).sum(), (True, False)),
    "a layer on a batch of one": (lambda p, r, a: functional.linear(r[None], p[0].T, p[1]).exp().sum(), (True, False)),
    "broadcast by hand": (lambda p, r, a: functional.tanh((r[:, None] * p[0]).sum(dim=0)).sum(), (False, False)),
    "used twice": (lambda p, r, a: functional.tanh(r @ p[0]).sum() + (r**2 @ p[0]).sum(), (False, False)),
    "entries of its own": (lambda p, r, a: torch.exp(p[0]).sum() * r[0] + p[1].sum(), (False, False)),
    "a penalty on weights": (lambda p, r, a: functional.tanh(r @ p[0]).sum() + (p[0] ** 2).sum(), (False, False)),
    "two layers": (lambda p, r, a: loss(p, r, a), (True, False)),
}


@pytest.mark.parametrize("name", DENSE)
def test_gradients_of_dense_layers_are_not_written_out_and_others_are(name: str) -> None:
    made, wanted = DENSE[name]
    recorded = record_loss(made, PARAMETERS, (), WIDTH)
    assert recorded.factored == wanted
    rows = np.random.default_rng(1).random((5, WIDTH))
    parts = recorded.of_rows(PARAMETERS, rows, ())
    written = [part.left.shape[1] + part.right.shape[1] * pair for part, pair in zip(parts, wanted, strict=True)]
    assert sum(written) == recorded.width
    for row, found in zip(rows, whole(parts), strict=True):
        parameters = [torch.tensor(part, requires_grad=True) for part in PARAMETERS]
        made(parameters, torch.tensor(row), ()).backward()
        flat = [(torch.zeros_like(p) if p.grad is None else p.grad).numpy().ravel() for p in parameters]
        np.testing.assert_allclose(found, np.concatenate(flat), rtol=1e-9, atol=1e-12)


def shifted(parameters: Any, row: Any, auxiliary: Any) -> Any:
    """A loss with a constant of its own and one that the recording makes."""
    hidden = torch.cat([row @ parameters[0] + SHIFT, torch.zeros(1, dtype=torch.float64)])
    return functional.logsigmoid(hidden).sum() + loss(parameters, row, auxiliary)


SHIFT = torch.tensor([0.5, 1.0, -1.0, 0.0], dtype=torch.float64)
ROWS = np.random.default_rng(2).random((9, WIDTH))


def test_a_recording_for_another_device_has_everything_there() -> None:
    """The device without numbers takes no tensor of the processor's: everything is there, or this fails."""
    elsewhere = record_loss(shifted, PARAMETERS, (), WIDTH).on("meta")
    given = [torch.from_numpy(part).to("meta") for part in (*PARAMETERS, ROWS)]
    assert {result.device.type for result in elsewhere._of_rows(*given)} == {"meta"}


def test_a_device_that_fails_or_computes_something_else_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = record_loss(shifted, PARAMETERS, (), WIDTH).on("cpu")
    assert accelerated(recorded, PARAMETERS, (), WIDTH, "meta") is recorded
    assert accelerated(recorded, PARAMETERS, (), WIDTH, "cpu") is not recorded
    other = record_loss(loss, PARAMETERS, (), WIDTH).on("cpu")
    monkeypatch.setattr(RecordedLoss, "on", lambda self, device: other)
    assert accelerated(recorded, PARAMETERS, (), WIDTH, "cpu") is recorded


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("made", [loss, shifted])
def test_cuda_is_used_and_computes_the_same(made: Callable[..., Any]) -> None:
    recorded = record_loss(made, PARAMETERS, (), WIDTH)
    assert recorded.device == "cuda"
    found = whole(recorded.of_rows(PARAMETERS, ROWS, ()))
    np.testing.assert_allclose(found, whole(recorded.on("cpu").of_rows(PARAMETERS, ROWS, ())), rtol=1e-9, atol=1e-12)


def test_many_kinds_of_losses_are_recorded_exactly() -> None:
    rng = np.random.default_rng(1)
    rows = rng.random((7, WIDTH))
    ones = torch.ones((), dtype=torch.float64)
    for made in (
        loss,
        lambda p, r, a: functional.layer_norm(r @ p[0], (4,)).pow(2).sum() + functional.gelu(r @ p[0]).mean(),
        lambda p, r, a: functional.mse_loss(r @ p[0] @ p[1], ones) + functional.softplus(r @ p[0]).sum(),
        lambda p, r, a: -functional.log_softmax(r @ p[0], -1)[1] + functional.logsigmoid(r @ p[0]).sum(),
        lambda p, r, a: sum(functional.softmax(part, -1)[0] for part in (r @ p[0]).split([1, 3])),
        lambda p, r, a: functional.silu(r @ p[0]).sum() + functional.elu(r @ p[0]).norm() + (r @ p[0]).logsumexp(0),
    ):
        found = whole(record_loss(made, PARAMETERS, (), WIDTH).of_rows(PARAMETERS, rows, ()))
        for row, one in zip(rows, found, strict=True):
            parameters = [torch.tensor(part, requires_grad=True) for part in PARAMETERS]
            made(parameters, torch.tensor(row), ()).backward()
            # A parameter that the loss does not use has no gradient.
            flat = [(torch.zeros_like(p) if p.grad is None else p.grad).numpy().ravel() for p in parameters]
            np.testing.assert_allclose(one, np.concatenate(flat), rtol=1e-9, atol=1e-12)
