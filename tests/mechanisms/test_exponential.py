"""The exponential mechanism: exact selection from crafted bytes, weights against direct exponentials."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.accounting.cost import cost_of
from dpsynth.errors import InvalidInput
from dpsynth.mechanisms import ExponentialMechanism, Sensitivity
from dpsynth.mechanisms.exponential import SMALLEST_EPSILON, _weigher
from dpsynth.mechanisms.fixed_point import ONE
from dpsynth.randomness import SeededNoise
from tests.mechanisms.crafted_noise import CraftedNoise

ONE_POINT = Sensitivity(1, 1, 1)


@given(
    st.fractions(Fraction(1, 10**11), 500, max_denominator=10**12).filter(lambda rate: rate > 0),
    st.one_of(st.integers(0, 2**10), st.integers(0, 2**64 - 1)),
)
def test_weights_are_the_exponentials(rate: Fraction, distance: int) -> None:
    weight = _weigher(rate).weight(distance)
    with localcontext(Context(prec=110)):
        exact = (-Decimal(distance) * rate.numerator / rate.denominator).exp() * ONE
        assert abs(weight - exact) <= 2**12


def choose_at(scores: list[int], epsilon: Fraction, fraction: Fraction) -> int:
    """Return the choice when the uniform integer stands at `fraction` of the total weight."""
    mechanism = ExponentialMechanism(epsilon)
    weigher = _weigher(epsilon / 2)
    total = sum(weigher.weight(max(scores) - score) for score in scores)
    drawn = int(fraction * total)
    size = ((total - 1).bit_length() + 7) // 8
    noise = CraftedNoise([drawn.to_bytes(size, "little")])
    return mechanism(np.array(scores, dtype=np.int64), sensitivity=ONE_POINT, noise=noise)


def test_crafted_bytes_give_known_choices() -> None:
    # Scores 0, 0, 2, 0 at epsilon 2 log 2 (nearly): weights 1/4, 1/4, 1, 1/4 of the best; of the total 7/4 they take
    # 1/7, 1/7, 4/7, 1/7.
    epsilon = Fraction(1386294361, 10**9)
    scores = [0, 0, 2, 0]
    for place, expected in [(Fraction(0), 0), (Fraction(13, 98), 0), (Fraction(15, 98), 1), (Fraction(27, 98), 1)]:
        assert choose_at(scores, epsilon, place) == expected
    for place, expected in [(Fraction(29, 98), 2), (Fraction(83, 98), 2), (Fraction(85, 98), 3), (Fraction(97, 98), 3)]:
        assert choose_at(scores, epsilon, place) == expected


def test_a_draw_at_the_total_is_rejected_and_drawn_again() -> None:
    scores = np.zeros(3, dtype=np.int64)
    size = ((3 * ONE - 1).bit_length() + 7) // 8
    noise = CraftedNoise([(3 * ONE).to_bytes(size, "little"), (3 * ONE - 1).to_bytes(size, "little")])
    assert ExponentialMechanism(Fraction(1))(scores, sensitivity=ONE_POINT, noise=noise) == 2
    assert noise.answers == []


def test_each_candidate_takes_exactly_its_share() -> None:
    # The first and the third weigh nothing, the others ONE each: 0 .. ONE - 1 is the second, ONE .. 2 ONE - 1 the last.
    scores = np.array([-(10**6), 0, -(10**6), 0], dtype=np.int64)
    size = ((2 * ONE - 1).bit_length() + 7) // 8
    for drawn, expected in [(0, 1), (ONE - 1, 1), (ONE, 3), (2 * ONE - 1, 3)]:
        noise = CraftedNoise([drawn.to_bytes(size, "little")])
        assert ExponentialMechanism(Fraction(1))(scores, sensitivity=ONE_POINT, noise=noise) == expected


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=20), st.integers(-(2**40), 2**40), st.integers(0, 2**32))
def test_only_differences_of_scores_matter(scores: list[int], shift: int, seed: int) -> None:
    mechanism = ExponentialMechanism(Fraction(1, 10))
    plain, shifted = (
        mechanism(np.array(scores, dtype=np.int64) + offset, sensitivity=ONE_POINT, noise=SeededNoise(seed))
        for offset in (0, shift)
    )
    assert plain == shifted


@given(st.integers(1, 1000), st.integers(0, 2**32))
def test_scaling_scores_and_sensitivity_together_changes_nothing(factor: int, seed: int) -> None:
    scores = np.array([5, 3, 9, 1], dtype=np.int64)
    mechanism = ExponentialMechanism(Fraction(1))
    wide = Sensitivity(factor, factor**2, factor)
    assert mechanism(scores, sensitivity=ONE_POINT, noise=SeededNoise(seed)) == mechanism(
        factor * scores, sensitivity=wide, noise=SeededNoise(seed)
    )


def test_scores_at_both_ends_of_int64() -> None:
    scores = np.array([-(2**63), 2**63 - 1, 2**63 - 1], dtype=np.int64)
    drawn = {ExponentialMechanism(Fraction(1))(scores, sensitivity=ONE_POINT, noise=SeededNoise(s)) for s in range(40)}
    assert drawn == {1, 2}
    # With a trillionth of a unit of budget even those are told apart, and near scores are not.
    faint = ExponentialMechanism(SMALLEST_EPSILON)
    assert {faint(scores, sensitivity=ONE_POINT, noise=SeededNoise(s)) for s in range(40)} == {1, 2}
    near = np.array([0, 1000], dtype=np.int64)
    assert {faint(near, sensitivity=ONE_POINT, noise=SeededNoise(s)) for s in range(40)} == {0, 1}


def test_one_candidate_and_a_hundred_thousand() -> None:
    mechanism = ExponentialMechanism(Fraction(1))
    assert mechanism(np.array([-7], dtype=np.int64), sensitivity=ONE_POINT, noise=SeededNoise(1)) == 0
    scores = np.zeros(100_000, dtype=np.int64)
    scores[31_415] = 1000
    assert mechanism(scores, sensitivity=ONE_POINT, noise=SeededNoise(1)) == 31_415


@given(st.fractions(Fraction(1, 10**9), 100))
def test_for_mu_squared_costs_at_most_what_was_asked_and_nearly_all_of_it(mu_squared: Fraction) -> None:
    charged = cost_of(ExponentialMechanism.for_mu_squared(mu_squared).event(ONE_POINT)).mu_squared
    assert charged is not None
    assert charged <= mu_squared
    assert charged >= (mu_squared - Fraction(2, 10**12)) * Fraction(9999, 10_000)


@pytest.mark.parametrize("epsilon", [Fraction(0), Fraction(-1), Fraction(2000), Fraction(1, 2**50), 1.0, 1])
def test_unusable_epsilons_are_refused(epsilon: object) -> None:
    with pytest.raises(InvalidInput):
        ExponentialMechanism(epsilon)  # type: ignore[arg-type]


def test_no_candidate_and_tables_are_refused() -> None:
    for scores in (np.zeros(0, dtype=np.int64), np.zeros((2, 2), dtype=np.int64), np.int64(3).reshape(())):
        with pytest.raises(InvalidInput):
            ExponentialMechanism(Fraction(1))(scores, sensitivity=ONE_POINT, noise=SeededNoise(1))


def test_nothing_computed_from_scores_stays_in_memory() -> None:
    mechanism = ExponentialMechanism(Fraction(3, 7))
    mechanism(np.array([1, 2], dtype=np.int64), sensitivity=ONE_POINT, noise=SeededNoise(1))
    kept = _weigher.cache_info().currsize
    mechanism(np.array([0, 8_675_309], dtype=np.int64), sensitivity=ONE_POINT, noise=SeededNoise(1))
    assert _weigher.cache_info().currsize == kept  # tables depend on the public rate only


def test_distance_from_the_ideal_is_far_below_any_delta() -> None:
    assert 0 < ExponentialMechanism(Fraction(1)).distance_from_ideal(100_000) < Fraction(1, 10**50)
