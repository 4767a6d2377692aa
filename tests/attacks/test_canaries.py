"""Canaries come from public knowledge, are recognised when they are copied, and are silent otherwise."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from dpsynth.attacks.canaries import draw_canaries, guess_included, preregistered_threshold
from dpsynth.attacks.one_run import one_run_epsilon_lower
from dpsynth.errors import InvalidInput
from tests.attacks.populations import MIXED, PlainColumn, bootstrap, mixed, mixed_rows

ROWS = 2000
CANARIES = 200


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_canaries_fill_the_domain_and_avoid_special_slots() -> None:
    columns = [PlainColumn(6, is_ordered=True, missing_code=4, outside_code=5), PlainColumn(3, missing_code=0)]
    canaries = draw_canaries(columns, 500, rng=rng())
    assert canaries.shape == (500, 2)
    assert set(canaries[:, 0]) == {0, 1, 2, 3}
    assert set(canaries[:, 1]) == {1, 2}
    # Uniform: chi-square over 4 codes with 3 degrees of freedom; 27.9 has probability 4e-6.
    counts = np.bincount(canaries[:, 0])
    assert ((counts - 125) ** 2 / 125).sum() < 27.9


def test_a_column_without_declared_values_is_refused() -> None:
    with pytest.raises(InvalidInput):
        draw_canaries([PlainColumn(2, missing_code=0, outside_code=1)], 5, rng=rng())


def test_the_threshold_lets_chance_reach_the_stated_share_of_unseen_rows() -> None:
    from tests.attacks.four_rows import SYNTHETIC, TARGETS

    # Distances 0, 1/8, 1/4, 3/4 as means over two columns: strictly below 1/8 lies one of four.
    assert preregistered_threshold(TARGETS, SYNTHETIC, chance=Fraction(1, 4)) == 1 / 8
    assert preregistered_threshold(TARGETS, SYNTHETIC, chance=Fraction(3, 4)) == 3 / 4
    exact_only = preregistered_threshold(TARGETS, SYNTHETIC, chance=Fraction(1, 5))
    assert 0 < exact_only < 1e-4
    with pytest.raises(InvalidInput):
        preregistered_threshold(TARGETS.take(np.array([], dtype=np.intp)), SYNTHETIC, chance=Fraction(1, 4))


def play(leak: str, seed: int) -> tuple[int, int, float]:
    """Return right guesses, guesses and the bound of one run on a training table with planted canaries."""
    draws = rng(seed)
    canaries = draw_canaries(MIXED.columns, CANARIES, rng=draws)
    unseen, public_rows = (mixed(draw_canaries(MIXED.columns, ROWS, rng=draws)) for _ in range(2))
    threshold = preregistered_threshold(unseen, public_rows, chance=Fraction(1, 400))
    coins = draws.random(CANARIES) < 0.5
    training = np.concatenate([mixed_rows(ROWS, draws), canaries[coins]])
    fresh = mixed_rows(ROWS, draws)
    copied = draws.permutation(training)[: ROWS // 10]
    released = {
        "identity": training,
        "bootstrap": bootstrap(training, draws),
        "tenth": np.concatenate([copied, fresh[len(copied) :]]),
        "fresh": fresh,
        "nothing": fresh[:0],
    }[leak]
    guessed = guess_included(mixed(canaries), mixed(released), threshold=threshold)
    right = int((guessed & coins).sum())
    bound = one_run_epsilon_lower(canaries=CANARIES, guesses=int(guessed.sum()), correct=right)
    return right, int(guessed.sum()), bound


@pytest.mark.parametrize(("leak", "at_least"), [("identity", 2.0), ("bootstrap", 1.5)])
def test_copying_refutes_a_claim_of_one(leak: str, at_least: float) -> None:
    for seed in range(3):
        assert play(leak, seed)[2] > at_least


def test_tenth_of_the_rows_copied_gives_about_ten_right_guesses() -> None:
    # Each of about 100 included canaries is copied with probability about 0.095: 9.5 +- 2.9 guesses, of which ten
    # refute epsilon 1. Over 20 runs the mean count is 9.5 +- 0.66 and some runs refute.
    runs = [play("tenth", seed) for seed in range(20)]
    assert 6.5 < np.mean([right for right, _, _ in runs]) < 12.5
    assert any(bound > 1 for _, _, bound in runs)


@pytest.mark.parametrize("leak", ["fresh", "nothing"])
def test_an_honest_release_is_not_accused(leak: str) -> None:
    # A bound above 1 would be a false alarm at 5 % per run even if the release had epsilon 1; these have epsilon 0.
    assert [play(leak, seed)[2] for seed in range(10)] == [0.0] * 10
