"""Batches of a training are Poisson, and its noise is as wide as it says; planted faults of both are seen.

False alarms: each decision of correct software fails with probability `SIGNIFICANCE`, 5e-9.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from dpsynth.accounting.events import DpEvent
from dpsynth.curator.clipping import LATTICE
from dpsynth.curator.gate import Gate
from dpsynth.curator.gradients import Training, UnitBatches, gaussian_for
from dpsynth.randomness import NoiseSource, uniform_words
from tests.curator.training_room import DOMAIN, LEVELS, flat, plan, rows, training
from tests.statistical.goodness_of_fit import Ints, chi_square_p
from tests.statistical.significance import SIGNIFICANCE, seeded_noise

UNITS, RATE, STEPS = 400, 0.1, 4000
NULL_DECISIONS = 4

Draw = Callable[[int], NDArray[np.intp]]
"""Of the number of the step; returns the numbers of the units in its batch."""


def poisson() -> Draw:
    batches, noise = UnitBatches(rows([0] * UNITS), DOMAIN), seeded_noise(71)
    return lambda step: batches.drawn(noise, RATE)


def p_of_sizes(batches: list[NDArray[np.intp]]) -> float:
    """Return the p-value of the sizes being binomial."""
    values = np.arange(UNITS + 1)
    return chi_square_p(np.array([len(batch) for batch in batches]), (values, stats.binom.pmf(values, UNITS, RATE)))


def p_of_units(batches: list[NDArray[np.intp]]) -> float:
    """Return the p-value of all units being equally often in a batch, in as many as the rate says."""
    counts = np.bincount(np.concatenate(batches), minlength=UNITS)
    statistic = ((counts - STEPS * RATE) ** 2 / (STEPS * RATE * (1 - RATE))).sum()
    return float(2 * min(stats.chi2.sf(statistic, UNITS), stats.chi2.cdf(statistic, UNITS)))


def p_of_overlaps(batches: list[NDArray[np.intp]]) -> float:
    """Return the p-value of successive batches having nothing to do with each other."""
    shared = [len(np.intersect1d(one, other)) for one, other in zip(batches[::2], batches[1::2], strict=True)]
    mean, pairs = UNITS * RATE**2, len(shared)
    return float(2 * stats.norm.sf(abs(np.mean(shared) - mean) * np.sqrt(pairs / (mean * (1 - RATE**2)))))


def p_of_repeats(batches: list[NDArray[np.intp]]) -> float:
    """Return 0 if anybody is in a batch more than once, which doubles what one unit does to a sum, and 1 if not."""
    places = np.concatenate([step * UNITS + batch for step, batch in enumerate(batches)])
    return float(len(np.unique(places)) == len(places))


def p_values(draw: Draw) -> list[float]:
    batches = [draw(step) for step in range(STEPS)]
    return [p_of_sizes(batches), p_of_units(batches), p_of_overlaps(batches), p_of_repeats(batches)]


def test_batches_are_poisson() -> None:
    assert min(p_values(poisson())) > SIGNIFICANCE


def shuffled() -> Draw:
    """Epochs: everybody once, in batches of one size."""
    rng, size = np.random.default_rng(0), int(UNITS * RATE)
    order = {"now": rng.permutation(UNITS)}

    def draw(step: int) -> NDArray[np.intp]:
        place = step % (UNITS // size)
        if place == 0:
            order["now"] = rng.permutation(UNITS)
        return order["now"][place * size : (place + 1) * size]

    return draw


def fixed_size() -> Draw:
    rng = np.random.default_rng(0)
    return lambda step: rng.choice(UNITS, int(UNITS * RATE), replace=False)


def truncated() -> Draw:
    """At most a mean and a standard deviation fit into memory; the last units of the table are dropped."""
    fair = poisson()
    return lambda step: fair(step)[: int(UNITS * RATE + 6)]


def reused() -> Draw:
    """One batch for two steps."""
    fair, kept = poisson(), {}

    def draw(step: int) -> NDArray[np.intp]:
        if step % 2 == 0:
            kept["batch"] = fair(step)
        return kept["batch"]

    return draw


def never_empty() -> Draw:
    """Somebody is always in twice as often: the first unit, in a batch that would have been small."""
    fair = poisson()

    def draw(step: int) -> NDArray[np.intp]:
        batch = fair(step)
        return batch if len(batch) > 35 else np.union1d(batch, [0])

    return draw


def another_rate() -> Draw:
    batches, noise = UnitBatches(rows([0] * UNITS), DOMAIN), seeded_noise(72)
    return lambda step: batches.drawn(noise, 1.04 * RATE)


def by_category() -> Draw:
    """A category for each place in the batch, then somebody who has it: those who have a rare one come more often."""
    rng, fair = np.random.default_rng(0), poisson()

    def draw(step: int) -> NDArray[np.intp]:
        places = len(fair(step))
        rare = int(rng.binomial(places, 0.5))  # one unit in three has the rare category, and half of the places
        return np.r_[rng.permutation(UNITS // 3)[:rare], UNITS // 3 + rng.permutation(UNITS * 2 // 3)[: places - rare]]

    return draw


def with_replacement() -> Draw:
    """Anybody for each place in the batch, those who are in already too (CTGAN's sampler, and all that use it)."""
    rng, fair = np.random.default_rng(0), poisson()
    return lambda step: rng.integers(0, UNITS, len(fair(step)))


def one_twice() -> Draw:
    """A single batch in thousands holds somebody twice."""
    fair = poisson()
    return lambda step: np.r_[fair(step), 7, 7] if step == 77 else fair(step)


@pytest.mark.parametrize(
    "planted",
    [
        shuffled,
        fixed_size,
        truncated,
        reused,
        never_empty,
        another_rate,
        by_category,
        with_replacement,
        one_twice,
    ],
)
def test_other_batches_are_seen(planted: Callable[[], Draw]) -> None:
    assert min(p_values(planted())) < SIGNIFICANCE


# ---------------------------------------------------------------------------------------------------------- the noise

SIZE, ANSWERS, MULTIPLIER = 50, 400, 1.3
PINNED = 0.04


class Uncounted:
    """Lets noise of any width pass."""

    def charge(self, purpose: str, event: DpEvent) -> None:
        pass


def other_width(factor: float) -> type[Training]:
    """Return a training that adds noise of `factor` times the width that it was planned and is paid with."""

    class OtherWidth(Training):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self._mechanism = gaussian_for(factor * self.plan.noise_multiplier)
            self._gate = Gate(Uncounted(), self._noise)

    return OtherWidth


def adds_planned_noise(kind: type[Training]) -> None:
    """A training has the mechanism of its plan, unchanged, behind a gate that counts its steps."""
    given = plan(noise_multiplier=MULTIPLIER, steps=1)
    session = training(rows([0]), np.zeros((LEVELS, SIZE)), given, kind=kind)
    assert session._mechanism == gaussian_for(MULTIPLIER)
    session.noisy_gradient([])
    assert session.steps_left == 0


def residuals(kind: type[Training]) -> Ints:
    """Return answers minus what they would be without noise, in clipping norms, as a recorder would know them."""
    table = np.zeros((LEVELS, SIZE))
    table[0, :2] = [3.0, -4.0]
    given = plan(noise_multiplier=MULTIPLIER, steps=ANSWERS)
    session = training(rows([0] * 7), table, given, noise=seeded_noise(73), kind=kind)
    answers = np.stack([flat(session.noisy_gradient([]).parts) for _ in range(ANSWERS)])
    exact = np.zeros(SIZE)
    exact[:2] = np.trunc([0.6 * LATTICE, -0.8 * LATTICE]) / LATTICE * 7
    return answers * given.expected_batch_size / given.clipping_norm - exact


def multiplier_of(found: NDArray[np.float64]) -> tuple[float, float]:
    """Return the multiplier that residuals show and the p-value of its being the declared one, two-sided."""
    total = float((found**2).sum()) / MULTIPLIER**2
    tails = stats.chi2.sf(total, found.size), stats.chi2.cdf(total, found.size)
    return float(np.sqrt((found**2).mean())), 2 * min(tails)


def test_residuals_pin_the_noise_multiplier_within_four_percent() -> None:
    # Of 20,000 residuals the standard error is 0.5 %: an alarm at 4 % is eight of them.
    adds_planned_noise(Training)
    shown, p_value = multiplier_of(residuals(Training))
    assert p_value > SIGNIFICANCE
    assert abs(shown / MULTIPLIER - 1) < PINNED


@pytest.mark.parametrize("factor", [0.92, 1.08])
def test_noise_of_another_width_is_seen(factor: float) -> None:
    planted = other_width(factor)
    with pytest.raises(AssertionError):
        adds_planned_noise(planted)
    shown, p_value = multiplier_of(residuals(planted))
    assert p_value < SIGNIFICANCE
    assert abs(shown / MULTIPLIER - 1) > PINNED


def test_a_batch_takes_one_word_of_entropy_for_every_unit_and_no_more() -> None:
    asked = []

    class Counting:
        certifiable = False

        def random_bytes(self, count: int) -> bytes:
            asked.append(count)
            return bytes(range(1, 9)) * (count // 8)

    counting: NoiseSource = Counting()
    UnitBatches(rows([0] * UNITS), DOMAIN).drawn(counting, 0.3)
    assert asked == [8 * UNITS]
    assert len(uniform_words(counting, 2)) == 2
