"""The one-run bound for Gaussian mechanisms: by hand, by brute force, and against mechanisms that meet it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from dpsynth.accounting.gaussian import gaussian_epsilon
from dpsynth.attacks.one_run import one_run_epsilon_lower
from dpsynth.attacks.one_run_gaussian import gaussian_mu_lower, gaussian_one_run_mu_lower, gaussian_one_run_p_value
from dpsynth.errors import InvalidInput

MUS = st.floats(0, 4)


@given(MUS)
def test_one_coin_by_hand(mu: float) -> None:
    # One guess: P[right] <= Phi(Phi^-1(P[wrong]) + mu) and P[wrong] = 1 - P[right] give P[right] <= Phi(mu / 2).
    found = gaussian_one_run_p_value(canaries=1, guesses=1, correct=1, mu=mu)
    assert found == pytest.approx(float(special.ndtr(mu / 2)), abs=1e-9)


@pytest.mark.parametrize("mu", [0.0, 0.5, 1.0, 2.0])
def test_two_coins_by_hand(mu: float) -> None:
    # c = 2: p2 <= blow-up(p1 / 2). c = 1: p1 / 2 + p2 <= Phi(mu / 2), as with one coin. So the largest p2 solves
    # p2 + shrunk(p2) = Phi(mu / 2), where shrunk undoes the blow-up; checked by putting it in.
    found = gaussian_one_run_p_value(canaries=2, guesses=2, correct=2, mu=mu)
    assert found + float(special.ndtr(special.ndtri(found) - mu)) == pytest.approx(
        float(special.ndtr(mu / 2)), abs=1e-9
    )


@pytest.mark.parametrize("correct", [1, 2, 3])
@pytest.mark.parametrize("mu", [0.3, 1.0])
def test_three_coins_by_brute_force(correct: int, mu: float) -> None:
    # Every distribution of the number of right guesses on a grid of 1/60 that obeys the inequalities: the largest tail
    # is never above the bound, and not far below it.
    steps = np.arange(61) / 60
    one, two, three = np.meshgrid(steps, steps, steps, indexing="ij")
    none = 1 - one - two - three
    possible = none >= -1e-12
    none = np.maximum(none, 0)
    rights = [(one + 2 * two + 3 * three) / 3, (2 * two + 3 * three) / 3, three]
    wrongs = [(3 * none + 2 * one + two) / 3, (2 * one + two) / 3, two / 3]
    for right, wrong in zip(rights, wrongs, strict=True):
        possible &= right <= special.ndtr(special.ndtri(wrong) + mu) + 1e-12
    tail = sum(((one, two, three)[place] for place in range(correct - 1, 3)), np.zeros_like(one))
    largest = float(tail[possible].max())
    found = gaussian_one_run_p_value(canaries=3, guesses=3, correct=correct, mu=mu)
    assert largest <= found + 1e-9
    assert found <= largest + 0.05


@given(st.integers(1, 60), st.floats(0, 3), st.data())
def test_coins_that_do_not_disturb_one_another_obey_the_bound(coins: int, mu: float, data: st.DataObject) -> None:
    # Each coin has noise of its own: right guesses are binomial with Phi(mu / 2), and that is mu-GDP.
    correct = data.draw(st.integers(1, coins))
    exact = float(stats.binom.sf(correct - 1, coins, special.ndtr(mu / 2)))
    assert gaussian_one_run_p_value(canaries=coins, guesses=coins, correct=correct, mu=mu) >= exact - 1e-9


def test_guessing_only_where_it_is_sure_obeys_the_bound_and_gross_leaks_are_refuted() -> None:
    # 60 coins, each with noise of its own; the 15 most certain are guessed. The true mu may be refuted in 5 % of the
    # runs: of 200 more than 20 have probability 1e-3. With four times less noise nearly every run refutes it.
    rng = np.random.default_rng(3)

    def refuted(true: float, claimed: float) -> int:
        count = 0
        for _ in range(200):
            coins = rng.integers(0, 2, size=60)
            seen = (coins - 0.5) * true + rng.normal(size=60)
            guessed = np.argsort(-np.abs(seen))[:15]
            right = int(((seen[guessed] > 0) == (coins[guessed] == 1)).sum())
            count += gaussian_one_run_p_value(canaries=60, guesses=15, correct=right, mu=claimed) <= 0.05
        return count

    assert refuted(1.0, 1.0) <= 20
    assert refuted(6.0, 0.5) >= 150


def test_the_lower_bound_inverts_the_p_value() -> None:
    for correct in (40, 50, 60):
        lower = gaussian_one_run_mu_lower(canaries=60, guesses=60, correct=correct)
        assert lower > 0
        at = gaussian_one_run_p_value(canaries=60, guesses=60, correct=correct, mu=lower)
        assert at == pytest.approx(0.05, abs=1e-6)


def test_more_right_guesses_prove_more_and_half_prove_nothing() -> None:
    bounds = [
        gaussian_one_run_mu_lower(canaries=100, guesses=100, correct=correct) for correct in (50, 60, 70, 90, 100)
    ]
    assert bounds[0] == 0
    assert bounds == sorted(bounds)
    assert bounds[-1] > 1.6


def test_a_gaussian_claim_is_refuted_by_fewer_guesses_than_a_pure_one() -> None:
    # All of 60 coins: the mu that is refuted stands for a larger epsilon at the same delta.
    mu = gaussian_one_run_mu_lower(canaries=60, guesses=60, correct=60)
    pure = one_run_epsilon_lower(canaries=60, guesses=60, correct=60, delta=1e-5)
    assert gaussian_epsilon(1e-5, 1 / mu) > pure


@pytest.mark.parametrize("counts", [{"correct": 3}, {"correct": -1}, {"guesses": 9}, {"mu": -0.1}, {"mu": math.nan}])
def test_impossible_counts_are_refused(counts: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        gaussian_one_run_p_value(**{"canaries": 8, "guesses": 2, "correct": 1, "mu": 1.0, **counts})


def test_no_right_guess_proves_nothing() -> None:
    assert gaussian_one_run_p_value(canaries=8, guesses=4, correct=0, mu=0.0) == 1
    assert gaussian_one_run_mu_lower(canaries=8, guesses=4, correct=0) == 0
    assert gaussian_one_run_mu_lower(canaries=8, guesses=0, correct=0) == 0


def test_mu_of_independent_runs_by_hand() -> None:
    # No error in 1,000 runs of each kind: each rate is at most 1 - 0.025^(1/1000) = 0.003682, so mu >= 2 * 2.680.
    rate = 1 - 0.025 ** (1 / 1000)
    found = gaussian_mu_lower(false_positives=0, without=1000, false_negatives=0, with_unit=1000)
    assert found == pytest.approx(-2 * float(special.ndtri(rate)))
    assert found == pytest.approx(5.36, abs=0.01)
    assert gaussian_mu_lower(false_positives=500, without=1000, false_negatives=500, with_unit=1000) == 0
    assert gaussian_mu_lower(false_positives=5, without=5, false_negatives=0, with_unit=5) == 0


def test_mu_of_independent_runs_is_rarely_too_high_and_seldom_far_too_low() -> None:
    # True mu = 1, the best threshold, 2,000 runs of each kind: at most 5 % of 300 bounds may exceed it (more than 27
    # have probability 1e-3), and they are not far below it.
    rng = np.random.default_rng(4)
    rate = float(special.ndtr(-0.5))
    errors = rng.binomial(2000, rate, size=(300, 2))
    bounds = np.array(
        [
            gaussian_mu_lower(false_positives=a, without=2000, false_negatives=b, with_unit=2000)
            for a, b in errors.tolist()
        ]
    )
    assert (bounds > 1).sum() <= 27
    assert bounds.mean() > 0.8
