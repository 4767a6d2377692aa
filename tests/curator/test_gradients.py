"""Batches, clipping and steps behind the door; every planted fault is caught by the check that is there for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dpsynth.accounting.events import GaussianDpEvent, GdpEvent
from dpsynth.curator._sealed import Private, unseal
from dpsynth.curator.clipping import LATTICE, MOST_AT_ONCE, OuterProducts
from dpsynth.curator.gate import Gate
from dpsynth.curator.gradient_queries import TrainingPlan, encoded_rows
from dpsynth.curator.gradients import (
    StepAllowance,
    Training,
    UnitBatches,
    gaussian_for,
    gradient_sensitivity,
    pieces,
    units_at_once,
)
from dpsynth.curator.rows import PrivateRows
from dpsynth.errors import BudgetExceeded, InvalidInput
from dpsynth.randomness import NoiseSource, SeededNoise
from dpsynth.schema.domain import Domain
from tests.curator.training_room import DOMAIN, LEVELS, Table, allowance, flat, plan, rows, training

Floats = NDArray[np.float64]
SIZE = 6


def test_numbers_that_are_not_finite_cause_no_warning_and_no_error() -> None:
    """Warnings are errors in this suite; what one of them says would be about somebody's row."""
    table = np.zeros((LEVELS, SIZE))
    table[:3] = [[np.inf], [-np.inf], [1.7e308]]
    session = training(rows([0, 1, 2, 2, 3], [0, 0, 1, 1, 2]), table, plan(), silent=True, rows_per_unit=2)
    assert not flat(session.noisy_gradient([]).parts).any()


def test_the_sensitivity_of_the_gate_is_one_clipping_norm() -> None:
    sensitivity = gradient_sensitivity(1000)
    assert (sensitivity.squared_l2, sensitivity.linf) == (LATTICE**2, LATTICE)
    for multiplier in (0.01, 0.3, 1.0, 1.1, 7.77, 999.0):
        event = gaussian_for(multiplier).event(sensitivity)
        assert multiplier <= event.noise_multiplier <= 1.0003 * multiplier


# ------------------------------------------------------------------------------------------------------ whole answers

KINDS = np.eye(LEVELS, SIZE)


def moves_the_answer_by_at_most_its_share(kind: Callable[..., Training]) -> None:
    """Ten units pull one way; an eleventh that pulls back moves the answer by clipping norm / expected size."""
    table = np.zeros((LEVELS, SIZE))
    table[0, 0], table[1, 0] = 9.0, -9.0
    answers = [
        flat(training(rows(kinds), table, plan(), silent=True, kind=kind).noisy_gradient([]).parts)
        for kinds in ([0] * 10, [0] * 10 + [1], [0] * 11)
    ]
    for other in answers[1:]:
        assert np.sqrt(((other - answers[0]) ** 2).sum()) <= 2.0 / 10 * (1 + 1e-6)


class Realised(Training):
    """Divides by the number of units that happened to be in the batch."""

    def _parts(self, noisy: NDArray[np.int64]) -> tuple[Floats, ...]:
        drawn = len(unseal(self._batches)._starts)
        return tuple(part * 10 / max(drawn, 1) for part in super()._parts(noisy))


def test_sums_are_divided_by_the_expected_batch_size() -> None:
    moves_the_answer_by_at_most_its_share(Training)
    with pytest.raises(AssertionError):
        moves_the_answer_by_at_most_its_share(Realised)


class TwiceInABatch(UnitBatches):
    """Draws with replacement: somebody is in a batch twice."""

    def drawn(self, noise: NoiseSource, probability: float) -> NDArray[np.intp]:
        fair = super().drawn(noise, probability)
        return np.sort(np.r_[fair, fair[-1:]])


class WithReplacement(Training):
    def __init__(self, data: Private[PrivateRows], *given: object, **named: object) -> None:
        super().__init__(data, *given, **named)  # type: ignore[arg-type]
        self._batches = Private(TwiceInABatch(unseal(data), DOMAIN))


def test_nobody_is_in_a_batch_twice() -> None:
    with pytest.raises(AssertionError):
        moves_the_answer_by_at_most_its_share(WithReplacement)


# ------------------------------------------------------------------------------------------------- rows never meet


def one_row_more_is_one_gradient_more(made: Callable[[Floats], Table]) -> None:
    """Whoever comes along adds a gradient of their own, and changes nobody else's: sums differ by one clipping norm."""
    gradients = np.random.default_rng(3).normal(size=(LEVELS, SIZE)) * 5
    for others in ([], [0], [0, 1, 2], [4, 4, 1, 0, 3], [5] * 10):
        sums = [
            flat(training(rows(kinds), made(gradients), plan(), silent=True).noisy_gradient([]).parts) * 10
            for kinds in (others, [*others, 7])
        ]
        assert np.linalg.norm(sums[1] - sums[0]) <= 2.0 * (1 + 1e-6)


class Packs(Table):
    """CTGAN's `pac`: the critic judges rows in packs, and the gradient of a row is that of its pack."""

    def of_rows(self, parameters: object, rows: Floats, auxiliary: object) -> tuple[OuterProducts, ...]:
        lines = self.gradients[rows.argmax(axis=1)]
        packs = [lines[start : start + 3].mean(axis=0) for start in range(0, len(lines), 3)]
        return (OuterProducts.of_vectors(np.repeat(packs, 3, axis=0)[: len(lines)].reshape(-1, self.size)),)


class Interpolates(Table):
    """A gradient penalty on interpolates of real rows: the gradient of a row holds that of the row beside it."""

    def of_rows(self, parameters: object, rows: Floats, auxiliary: object) -> tuple[OuterProducts, ...]:
        lines = self.gradients[rows.argmax(axis=1)]
        return (OuterProducts.of_vectors(0.5 * lines + 0.5 * np.roll(lines, 1, axis=0)),)


class BatchNorm(Table):
    """What is usual is the mean of the batch."""

    def of_rows(self, parameters: object, rows: Floats, auxiliary: object) -> tuple[OuterProducts, ...]:
        lines = self.gradients[rows.argmax(axis=1)]
        usual = lines.mean(axis=0) if len(lines) else 0.0
        return (OuterProducts.of_vectors(lines - usual),)


def test_a_row_has_a_gradient_of_its_own() -> None:
    one_row_more_is_one_gradient_more(Table)


@pytest.mark.parametrize("planted", [Packs, Interpolates, BatchNorm])
def test_gradients_in_which_rows_meet_are_caught(planted: Callable[[Floats], Table]) -> None:
    with pytest.raises(AssertionError):
        one_row_more_is_one_gradient_more(planted)


def test_an_empty_batch_and_an_empty_table_are_answered_with_noise_and_counted() -> None:
    for data in (rows([]), rows([0] * 3)):
        session = training(data, KINDS, plan(sampling_probability=1e-12, steps=2))
        first, second = (session.noisy_gradient([]) for _ in range(2))
        assert (first.step, second.step, session.steps_left) == (1, 2, 0)
        assert flat(first.parts).any()
        assert not np.array_equal(flat(first.parts), flat(second.parts))


def test_answers_have_the_shapes_of_the_parameters() -> None:
    answer = training(rows([0, 1]), KINDS, plan(), silent=True).noisy_gradient([])
    assert [part.shape for part in answer.parts] == [(3,), (3, 1)]
    np.testing.assert_allclose(flat(answer.parts)[:3] * 10, [1, 1, 0], atol=1e-5)
    assert answer.stddev == pytest.approx(2.0 / 10)


def everybody_counts_once(kind: Callable[..., Training]) -> None:
    """A memory cap cuts the work into pieces; all units of the batch are in the sum, whatever the cap."""
    owners = np.arange(50) // 2
    for cap in (1, 2, 3, 7, 1000):
        table = Table(KINDS)
        session = training(
            rows([0, 1] * 25, owners), table, plan(rows_at_once=cap), silent=True, rows_per_unit=2, kind=kind
        )
        answer = flat(session.noisy_gradient([]).parts)
        np.testing.assert_allclose(answer[:3], [2.5, 2.5, 0], atol=1e-4)
        assert table.largest_request <= max(cap, 2)


class FewUnits(UnitBatches):
    """Drops the units of a batch that do not fit into memory."""

    most = 1

    def drawn(self, noise: NoiseSource, probability: float) -> NDArray[np.intp]:
        return super().drawn(noise, probability)[: self.most]


class Truncated(Training):
    def __init__(self, data: Private[PrivateRows], *given: object, **named: object) -> None:
        super().__init__(data, *given, **named)  # type: ignore[arg-type]
        self._batches = Private(FewUnits(unseal(data), DOMAIN))
        FewUnits.most = self._units_at_once


def test_a_memory_cap_leaves_nobody_out() -> None:
    everybody_counts_once(Training)
    with pytest.raises(AssertionError):
        everybody_counts_once(Truncated)
    assert [part.tolist() for part in pieces(np.arange(5), 2)] == [[0, 1], [2, 3], [4]]


def test_factors_leave_room_for_more_units_at_once() -> None:
    class Narrow(Table):
        width = 10

    wide, narrow = Table(np.zeros((LEVELS, 4000))), Narrow(np.zeros((LEVELS, 4000)))
    assert [units_at_once(128, rows, wide) for rows in (1, 2, 300)] == [128, 64, 1]
    assert [units_at_once(128, rows, narrow) for rows in (1, 2, 300)] == [12_800, 64, 1]
    assert units_at_once(10**12, 1, wide) == MOST_AT_ONCE


@given(st.lists(st.integers(0, 6), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_rows_are_grouped_by_unit_wherever_they_stand(owners: list[int], shuffled: object) -> None:
    kinds = [owner % LEVELS for owner in owners]
    batches = UnitBatches(rows(kinds, owners), DOMAIN)
    names = np.unique(owners)
    for some in (np.arange(len(names)), np.arange(len(names))[::2], np.arange(0)):
        encoded, owner = batches.rows_of(some)
        assert sorted(owner) == owner.tolist()
        np.testing.assert_array_equal(encoded.argmax(axis=1) % 7, names[some][owner])
        assert [int((owner == place).sum()) for place in range(len(some))] == [
            owners.count(names[unit]) for unit in some
        ]


def test_rows_of_a_unit_are_summed_before_they_are_clipped() -> None:
    table = np.zeros((LEVELS, SIZE))
    table[:3, 0] = [5.0, -5.0, 0.5]
    session = training(rows([0, 2, 1], [7, 7, 7]), table, plan(), silent=True, rows_per_unit=3)
    np.testing.assert_allclose(flat(session.noisy_gradient([]).parts)[0] * 10, 0.5, atol=1e-5)


def test_codes_become_one_hot_groups() -> None:
    domain = Domain(("a", "b"), (2, 3))
    np.testing.assert_array_equal(
        encoded_rows(np.array([[0, 2], [1, 0]], dtype=np.uint8), domain), [[1, 0, 0, 0, 1], [0, 1, 1, 0, 0]]
    )


@dataclass
class Products(Table):
    """A loss double whose gradients are outer products: of two numbers, and of the other four."""

    def of_rows(self, parameters: object, rows: Floats, auxiliary: object) -> tuple[OuterProducts, ...]:
        lines = self.gradients[rows.argmax(axis=1)]
        return (OuterProducts(lines[:, :2], lines[:, 2:5]),)


def adds_one_gradient(kind: Callable[..., Training]) -> None:
    """Somebody with two rows comes along: the sum moves by their gradient, and by no rounding of anybody else's."""
    table = Products(np.random.default_rng(6).normal(size=(LEVELS, SIZE)) * [1, 1, 1, 1e-3, 1e-3, 0])
    sums = []
    for kinds, owners in (([0, 1, 2] * 30, range(90)), ([0, 1, 2] * 30 + [3, 4], [*range(90), 90, 90])):
        data = rows(kinds, list(owners))
        session = training(data, table, plan(clipping_norm=0.5), silent=True, rows_per_unit=2, kind=kind)
        sums.append(flat(session.noisy_gradient([]).parts) * 10)
    assert np.linalg.norm(sums[1] - sums[0]) <= 0.5 * (1 + 1e-12)


class AsTheyCome(Training):
    """Writes gradients out only where a batch happens to hold somebody with several rows."""

    def __init__(self, data: Private[PrivateRows], *given: object, **named: object) -> None:
        super().__init__(data, *given, **named)  # type: ignore[arg-type]
        owners = unseal(data).owners
        self._one_row_each = owners is not None and len(np.unique(owners)) == len(owners)


def test_the_schema_says_whether_gradients_are_written_out_and_not_the_batch() -> None:
    adds_one_gradient(Training)
    with pytest.raises(AssertionError):
        adds_one_gradient(AsTheyCome)


# ------------------------------------------------------------------------------------------------------------- steps


def stops_after_the_last_step(kind: Callable[..., Training]) -> None:
    session = training(rows([0] * 5), KINDS, plan(steps=3), kind=kind)
    for _ in range(3):
        session.noisy_gradient([])
    with pytest.raises(BudgetExceeded, match="0 of 3 steps"):
        session.noisy_gradient([])


class LoopCounts(Training):
    """Adds noise without counting; whoever runs the loop is to count."""

    def __init__(self, *given: object, **named: object) -> None:
        super().__init__(*given, **named)  # type: ignore[arg-type]

        class Free:
            def charge(self, purpose: str, event: object) -> None:
                pass

        self._gate = Gate(Free(), named["noise"])  # type: ignore[arg-type]


def test_the_step_after_the_last_is_refused_and_steps_are_counted_where_noise_is_added() -> None:
    stops_after_the_last_step(Training)
    with pytest.raises(pytest.fail.Exception):
        stops_after_the_last_step(LoopCounts)


def test_only_noise_of_the_plan_is_a_step() -> None:
    steps = allowance(plan(noise_multiplier=1.5))
    for wrong in (GaussianDpEvent(1.4999), GdpEvent(Fraction(1, 2))):
        with pytest.raises(BudgetExceeded):
            steps.charge("step", wrong)
    steps.charge("step", GaussianDpEvent(1.5))
    assert (steps.taken, steps.steps_left) == (1, 4)
    steps.close()
    with pytest.raises(BudgetExceeded):
        steps.charge("step", GaussianDpEvent(1.5))
    assert steps.charged[0][1].event == plan(noise_multiplier=1.5).event  # type: ignore[union-attr]


def test_a_forked_copy_takes_no_step() -> None:
    steps = allowance(plan())
    child = os.fork()
    if child == 0:
        try:
            steps.charge("step", GaussianDpEvent(2.0))
        except BudgetExceeded:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_whoever_is_silent_about_the_noise_is_charged_all_the_same() -> None:
    """The gate charges the mechanism's own event: less noise than planned is no step at all."""
    session = training(rows([0]), KINDS, plan(noise_multiplier=1.0))
    session._mechanism = gaussian_for(0.9)
    with pytest.raises(BudgetExceeded):
        session.noisy_gradient([])


def test_a_test_stream_repeats_and_the_system_does_not() -> None:
    def answer(noise: SeededNoise | None) -> Floats:
        return flat(training(rows([0, 1, 2]), KINDS, plan(), noise=noise).noisy_gradient([]).parts)

    np.testing.assert_array_equal(answer(SeededNoise(3)), answer(SeededNoise(3)))
    assert not np.array_equal(answer(SeededNoise(3)), answer(SeededNoise(4)))
    assert not np.array_equal(answer(None), answer(None))


# -------------------------------------------------------------------------------------------------------------- plans


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"steps": True},
        {"steps": 1.5},
        {"sampling_probability": 0.0},
        {"sampling_probability": 1.1},
        {"sampling_probability": float("nan")},
        {"noise_multiplier": 0.0},
        {"noise_multiplier": float("inf")},
        {"clipping_norm": 0.0},
        {"clipping_norm": float("nan")},
        {"public_units": 0},
        {"rows_at_once": 0},
        {"delta": "-1e-6"},
    ],
)
def test_a_plan_of_numbers_that_mean_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        plan(**wrong)


def test_a_plan_says_what_it_costs() -> None:
    made = plan(noise_multiplier=4.0, sampling_probability=0.01, steps=10, public_units=5000)
    assert made.expected_batch_size == 50
    assert made.stddev == 4.0 * 2.0 / 50
    assert made.cover().event == made.event
    assert str(made) == "training, 10 steps of noise multiplier 4 at sampling probability 0.01, delta 1e-06"


@pytest.mark.parametrize("begun", [0.6, 5.0])
def test_the_least_noise_for_a_cost_is_found(begun: float) -> None:
    made = plan(noise_multiplier=begun, sampling_probability=0.05, steps=200)
    found = made.within(Fraction(1, 4))
    assert replace(found, noise_multiplier=begun) == made
    assert found.cover().mu_squared <= Fraction(1, 4)
    assert replace(found, noise_multiplier=found.noise_multiplier / 1.01).cover().mu_squared > Fraction(1, 4)


def test_a_cost_that_no_noise_reaches_is_refused() -> None:
    with pytest.raises(InvalidInput, match="noise_multiplier"):
        plan(noise_multiplier=900.0, steps=100_000).within(Fraction(1, 10**9))


def test_sealed_sums_stay_sealed() -> None:
    session = training(rows([0]), KINDS, plan())
    assert isinstance(session._batches, Private)
    assert isinstance(session.plan, TrainingPlan)
    assert isinstance(session._allowance, StepAllowance)
