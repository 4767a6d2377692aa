"""A training with Opacus is paid in our ledger before it begins, and takes no step more than was paid."""

from __future__ import annotations

import copy
import os
import pickle
import warnings
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from dpsynth.accounting.budget import PrivacyBudget, epsilon_rounded_up
from dpsynth.accounting.events import ApproximateDpEvent, GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
from dpsynth.accounting.gaussian_cover import covered
from dpsynth.accounting.pld import PldAccountant
from dpsynth.errors import BudgetExceeded, InvalidInput, LedgerError
from dpsynth.ledger import EntryKind, Ledger
from tests.faults.children import start
from tests.integrations.conftest import DATASET, UNIT

torch = pytest.importorskip("torch", reason="needs the neural extra")
pytest.importorskip("opacus", reason="needs the neural extra")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from opacus import PrivacyEngine
    from opacus.accountants import GaussianAccountant, IAccountant, RDPAccountant
    from opacus.utils.batch_memory_manager import BatchMemoryManager

    from dpsynth.integrations.opacus_accountant import LedgerAccountant

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:Secure RNG", "ignore:Full backward hook", "ignore::FutureWarning"),
]

NOISE, RATE, STEPS, DELTA = 2.0, 0.125, 6, Decimal("1e-6")
TRAINING = SelfComposedDpEvent(PoissonSampledDpEvent(RATE, GaussianDpEvent(NOISE)), STEPS)
COVER = covered(TRAINING, DELTA)
EPSILON = epsilon_rounded_up(PldAccountant().compose(TRAINING).get_epsilon(DELTA))


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{path}") as opened:
        opened.set_budget(DATASET, PrivacyBudget(3, "1e-5"), UNIT, event_delta="3e-6")
        yield opened


def accountant(ledger: Ledger, **changed: Any) -> LedgerAccountant:
    said = {"noise_multiplier": NOISE, "sample_rate": RATE, "steps": STEPS, "delta": DELTA}
    return LedgerAccountant(ledger, DATASET, unit=UNIT, rows_public=True, purpose="a model", **{**said, **changed})


def parts(rows: int = 32, batch: int = 4, **options: Any) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(3)
    data = torch.utils.data.TensorDataset(
        torch.rand(rows, 2, generator=generator), torch.rand(rows, 1, generator=generator)
    )
    model = torch.nn.Linear(2, 1)
    return {
        "module": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "data_loader": torch.utils.data.DataLoader(data, batch_size=batch, **options),
        "max_grad_norm": 1.0,
    }


def one_step(model: Any, optimizer: Any, loader: Any) -> None:
    inputs, targets = next(iter(loader))
    optimizer.zero_grad()
    torch.nn.functional.mse_loss(model(inputs), targets).backward()
    optimizer.step()


def weights(model: Any) -> list[Any]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def unchanged(before: list[Any], model: Any) -> bool:
    return all(torch.equal(one, other) for one, other in zip(before, weights(model), strict=True))


def kinds(ledger: Ledger) -> list[str]:
    return [entry.kind.value for entry in ledger.entries(DATASET)][1:]


class TestCharge:
    def test_the_whole_training_is_open_before_it_begins(self, ledger: Ledger) -> None:
        accountant(ledger)
        assert kinds(ledger) == ["RESERVE", "OPEN"]
        reserved = ledger.entries(DATASET)[1]
        assert reserved.charges[0].event == COVER
        assert not reserved.certifiable
        assert reserved.purpose == (
            "opacus: training, 6 steps of noise multiplier 2 at sample rate 0.125: a model (number of rows public)"
        )

    def test_several_trainings_share_a_budget_that_their_epsilons_would_exceed(self, ledger: Ledger) -> None:
        ledger.set_budget("shared", PrivacyBudget(2, "1e-5"), UNIT, event_delta="5e-6")
        said: dict[str, Any] = {"noise_multiplier": NOISE, "sample_rate": RATE, "steps": STEPS, "delta": DELTA}
        for _ in range(4):
            LedgerAccountant(ledger, "shared", unit=UNIT, rows_public=True, **said)
        assert 4 * EPSILON > 3
        assert ledger.spent("shared").mu_squared == 4 * COVER.mu_squared

    def test_a_training_that_fits_only_as_epsilon_is_charged_so(self, ledger: Ledger) -> None:
        ledger.set_budget("all aside", PrivacyBudget(1, "1e-6"), UNIT, event_delta="1e-6")
        said: dict[str, Any] = {"noise_multiplier": NOISE, "sample_rate": RATE, "steps": STEPS, "delta": DELTA}
        LedgerAccountant(ledger, "all aside", unit=UNIT, rows_public=True, **said)
        assert ledger.entries("all aside")[1].event == ApproximateDpEvent(EPSILON, DELTA)
        with pytest.raises(BudgetExceeded):
            LedgerAccountant(ledger, "all aside", unit=UNIT, rows_public=True, **said)

    def test_a_spent_data_set_refuses_the_training(self, ledger: Ledger) -> None:
        accountant(ledger, delta=None, steps=1, noise_multiplier=1.8, sample_rate=1)
        spent = ledger.spent(DATASET)
        with pytest.raises(
            BudgetExceeded, match=r"asked for 6 steps of noise multiplier 2 at sample rate 0.125 by opacus"
        ):
            accountant(ledger, noise_multiplier=2, steps=6, delta=None)
        assert ledger.spent(DATASET) == spent
        with pytest.raises(BudgetExceeded):
            accountant(ledger, delta="4e-6")

    def test_a_training_is_settled_in_full_once_a_step_was_taken(self, ledger: Ledger) -> None:
        with accountant(ledger) as training:
            model, optimizer, loader = training.make_private(**parts())
            one_step(model, optimizer, loader)
        assert ledger.spent(DATASET).mu_squared == COVER.mu_squared
        assert kinds(ledger) == ["RESERVE", "OPEN", "SETTLE"]
        assert ledger.entries(DATASET)[-1].charges[0].purpose == "opacus: training, 1 of 6 steps taken"
        ledger.verify()

    def test_without_a_step_nothing_is_paid(self, ledger: Ledger) -> None:
        with accountant(ledger) as training:
            training.make_private(**parts())
        assert ledger.spent(DATASET).epsilon == 0
        assert ledger.spent(DATASET).delta == 0

    def test_without_a_delta_only_the_steps_taken_are_paid(self, ledger: Ledger) -> None:
        with accountant(ledger, delta=None, noise_multiplier=8.0) as training:
            model, optimizer, loader = training.make_private(**parts())
            for _ in range(4):
                one_step(model, optimizer, loader)
            assert ledger.spent(DATASET).mu_squared == Fraction(6, 64)
        assert ledger.spent(DATASET).mu_squared == Fraction(4, 64)

    def test_units_of_several_rows_cost_more(self, ledger: Ledger) -> None:
        accountant(ledger, delta=None, noise_multiplier=32.0, rows_per_unit=2)
        assert ledger.spent(DATASET).mu_squared == Fraction(6, 256)
        accountant(ledger, noise_multiplier=8.0, rows_per_unit=2, delta="1e-7")
        assert ledger.spent(DATASET).delta > Fraction(2, 10**7)

    @pytest.mark.parametrize(
        "changed",
        [
            {"steps": 0},
            {"steps": True},
            {"steps": 2.5},
            {"sample_rate": 0},
            {"sample_rate": 1.5},
            {"sample_rate": float("nan")},
            {"noise_multiplier": 0.0},
            {"noise_multiplier": float("nan"), "delta": None},
            {"delta": 0},
            {"delta": -1e-6},
        ],
    )
    def test_what_means_nothing_is_refused(self, changed: dict[str, Any], ledger: Ledger) -> None:
        with pytest.raises(InvalidInput):
            accountant(ledger, **changed)
        assert kinds(ledger) == []

    def test_the_number_of_rows_must_be_said_to_be_public(self, ledger: Ledger) -> None:
        with pytest.raises(InvalidInput, match="rows_public=True"):
            LedgerAccountant(
                ledger, DATASET, unit=UNIT, rows_public=False, noise_multiplier=NOISE, sample_rate=RATE, steps=STEPS
            )


class TestPlan:
    def test_a_planned_training_is_paid_by_its_plan(self, ledger: Ledger) -> None:
        ledger.set_budget("planned", PrivacyBudget(3, "1e-5"), UNIT, policy="plan")
        ledger.lock_plan("planned", [("a network", TRAINING)])
        said: dict[str, Any] = {"noise_multiplier": NOISE, "sample_rate": RATE, "steps": STEPS}
        for wrong in ({"delta": "1e-6"}, {"rows_per_unit": 2}):
            with pytest.raises(InvalidInput, match="a plan holds the training itself"):
                LedgerAccountant(ledger, "planned", unit=UNIT, rows_public=True, **{**said, **wrong})
        with LedgerAccountant(ledger, "planned", unit=UNIT, rows_public=True, ticket="DP-18", **said) as training:
            model, optimizer, loader = training.make_private(**parts())
            one_step(model, optimizer, loader)
        with pytest.raises(BudgetExceeded):
            LedgerAccountant(ledger, "planned", unit=UNIT, rows_public=True, **said)
        reserved = [entry for entry in ledger.entries("planned") if entry.kind is EntryKind.RESERVE]
        assert [(entry.ticket, entry.event) for entry in reserved] == [("DP-18", TRAINING)]
        ledger.verify()


class TestSteps:
    def test_the_step_after_the_last_is_refused_before_it_is_made(self, ledger: Ledger) -> None:
        with accountant(ledger) as training:
            model, optimizer, loader = training.make_private(**parts())
            for left in reversed(range(STEPS)):
                one_step(model, optimizer, loader)
                assert training.steps_left == left
            before = weights(model)
            noised = []
            optimizer.add_noise = lambda: noised.append(1)
            with pytest.raises(LedgerError, match="all 6 steps"):
                one_step(model, optimizer, loader)
            assert unchanged(before, model)
            assert noised == []

    def test_a_plain_engine_is_refused_before_the_model_changes(self, ledger: Ledger) -> None:
        with accountant(ledger, steps=1) as training:
            engine = PrivacyEngine()
            engine.accountant = training
            model, optimizer, loader = engine.make_private(**parts(), noise_multiplier=NOISE)
            before = weights(model)
            with pytest.raises(InvalidInput, match="admit"):
                one_step(model, optimizer, loader)
            training.admit(loader)
            assert unchanged(before, model)
            one_step(model, optimizer, loader)
            before = weights(model)
            with pytest.raises(LedgerError, match="all 1 steps"):
                one_step(model, optimizer, loader)
            assert unchanged(before, model)
            assert all(parameter.grad is None and parameter.summed_grad is None for parameter in optimizer.params)
            assert engine.get_epsilon(1e-6) == training.get_epsilon(1e-6)

    def test_less_noise_than_reserved_is_refused(self, ledger: Ledger) -> None:
        with accountant(ledger) as training:
            model, optimizer, loader = training.make_private(**parts())
            optimizer.noise_multiplier = 0.5
            with pytest.raises(InvalidInput, match=r"noise of multiplier 0.5"):
                one_step(model, optimizer, loader)
            assert training.steps_left == STEPS

    def test_accumulated_batches_are_refused(self, ledger: Ledger) -> None:
        with accountant(ledger) as training:
            training.admit(training.make_private(**parts())[-1])
            with pytest.raises(InvalidInput, match="must not be accumulated"):
                training.step(noise_multiplier=NOISE, sample_rate=2 * RATE)

    def test_physical_batches_count_as_one_step(self, ledger: Ledger) -> None:
        with accountant(ledger) as training:
            model, optimizer, loader = training.make_private(**parts())
            with BatchMemoryManager(data_loader=loader, max_physical_batch_size=2, optimizer=optimizer) as batches:
                for inputs, targets in batches:
                    optimizer.zero_grad()
                    torch.nn.functional.mse_loss(model(inputs), targets).backward()
                    optimizer.step()
                    if training.steps_left < STEPS and not optimizer._is_last_step_skipped:
                        break
            assert training.steps_left == STEPS - 1

    def test_a_closed_training_takes_no_step(self, ledger: Ledger) -> None:
        training = accountant(ledger)
        model, optimizer, loader = training.make_private(**parts())
        training.close()
        training.close()
        assert training.steps_left == 0
        with pytest.raises(LedgerError, match="closed"):
            one_step(model, optimizer, loader)
        with pytest.raises(LedgerError, match="closed"):
            training.make_private(**parts())
        assert kinds(ledger).count("SETTLE") == 1


class TestLoader:
    def test_shuffled_batches_are_refused(self, ledger: Ledger) -> None:
        with accountant(ledger) as training, pytest.raises(InvalidInput, match="Poisson"):
            training.admit(parts(shuffle=True)["data_loader"])

    def test_a_higher_rate_is_refused(self, ledger: Ledger) -> None:
        with accountant(ledger) as training, pytest.raises(InvalidInput, match=r"with probability 0.25"):
            training.make_private(**parts(batch=8))

    def test_a_rate_that_opacus_rounds_is_admitted(self, ledger: Ledger) -> None:
        # 1 / (1 / 93) is a little less than 93, so Opacus counts 92 batches and reports the rate 1 / 92.
        with accountant(ledger, sample_rate=1 / 93) as training:
            model, optimizer, loader = training.make_private(**parts(rows=93, batch=1))
            assert len(loader) == 92
            one_step(model, optimizer, loader)

    @pytest.mark.parametrize(
        "options",
        [
            {"poisson_sampling": False},
            {"noise_multiplier": 0.1},
            {"clipping": "adaptive"},
            {"noise_generator": torch.Generator()},
        ],
    )
    def test_what_would_make_the_charge_wrong_is_refused(self, options: dict[str, Any], ledger: Ledger) -> None:
        with accountant(ledger) as training, pytest.raises(InvalidInput, match="cannot be chosen here"):
            training.make_private(**parts(), **options)

    def test_a_target_epsilon_of_opacus_is_refused(self, ledger: Ledger) -> None:
        with accountant(ledger) as training:
            engine = PrivacyEngine()
            engine.accountant = training
            with pytest.raises(ValueError, match="dpsynth-ledger"):
                engine.make_private_with_epsilon(**parts(), target_epsilon=1, target_delta=1e-6, epochs=1)


class TestFaults:
    @pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt, MemoryError])
    def test_a_fault_is_paid_in_full(self, fault: type[BaseException], ledger: Ledger) -> None:
        with pytest.raises(fault), accountant(ledger, delta=None, noise_multiplier=8.0):
            raise fault
        assert ledger.spent(DATASET).mu_squared == Fraction(6, 64)
        assert kinds(ledger) == ["RESERVE", "OPEN", "SETTLE"]

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
    def test_a_forked_copy_takes_no_step_and_gives_nothing_back(self, ledger: Ledger) -> None:
        training = accountant(ledger)
        training.admit(training.make_private(**parts())[-1])

        def work(say: Any) -> None:
            for call in (lambda: training.step(noise_multiplier=NOISE, sample_rate=RATE), training.close):
                try:
                    call()
                except LedgerError as refusal:
                    say("another process" if "another process" in str(refusal) else "?")

        said, status = start(work).finish()
        assert (said, status) == (["another process"] * 2, 0)
        assert kinds(ledger) == ["RESERVE", "OPEN"]
        training.step(noise_multiplier=NOISE, sample_rate=RATE)
        training.close()
        assert ledger.spent(DATASET).mu_squared == COVER.mu_squared

    def test_a_training_that_was_killed_stays_charged(self, ledger: Ledger, path: Path) -> None:
        accountant(ledger)
        with Ledger(path, create=False) as again:
            assert again.spent(DATASET).mu_squared == COVER.mu_squared
            (settled,) = again.recover()
            assert settled.kind is EntryKind.SETTLE
            assert again.spent(DATASET).mu_squared == COVER.mu_squared

    def test_copies_are_no_second_counter(self, ledger: Ledger) -> None:
        training = accountant(ledger)
        assert copy.deepcopy(training) is training
        with pytest.raises(InvalidInput, match="state_dict"):
            pickle.dumps(training)


class TestHistory:
    def test_epsilon_is_that_of_our_accountant_and_above_a_second_method(self, ledger: Ledger) -> None:
        training = accountant(ledger)
        assert isinstance(training, IAccountant)
        assert training.get_epsilon(1e-6) == 0
        training.admit(training.make_private(**parts())[-1])
        for _ in range(STEPS):
            training.step(noise_multiplier=NOISE, sample_rate=RATE)
        assert epsilon_rounded_up(training.get_epsilon(DELTA)) == EPSILON
        renyi = RDPAccountant()
        renyi.history = list(training.history)
        assert training.get_epsilon(1e-6) <= renyi.get_epsilon(1e-6)
        assert len(training) == STEPS

    def test_the_gdp_accountant_of_opacus_would_find_less_than_the_truth(self) -> None:
        # Reference value 6.18774 by three methods: privacy losses twice, and the PRV accountant 6.18771.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            central_limit = GaussianAccountant()
            central_limit.history = [(1.0, 0.01, 10_000)]
            found = central_limit.get_epsilon(1e-5)
        ours = PldAccountant().compose(PoissonSampledDpEvent(0.01, GaussianDpEvent(1.0)), 10_000).get_epsilon(1e-5)
        assert found < 6.01 < 6.1877 < ours < 6.194

    def test_a_loaded_state_adds_history_and_no_steps(self, ledger: Ledger) -> None:
        first = accountant(ledger, steps=2)
        first.admit(first.make_private(**parts())[-1])
        first.step(noise_multiplier=NOISE, sample_rate=RATE)
        state = first.state_dict()
        with pytest.raises(LedgerError, match="before the first step"):
            first.load_state_dict(state)
        second = accountant(ledger, steps=2)
        second.load_state_dict(state)
        second.admit(second.make_private(**parts())[-1])
        second.step(noise_multiplier=NOISE, sample_rate=RATE)
        assert (len(second), second.steps_left) == (2, 1)
        assert second.history == [(NOISE, RATE, 1), (NOISE, RATE, 1)]
        assert len(first) == 1
        with pytest.raises(ValueError, match="cannot be loaded"):
            accountant(ledger, steps=1).load_state_dict({"history": [], "mechanism": "gdp"})
