"""Secrets that no single marginal gives away are reconstructed from many, of those who were trained on alone."""

from __future__ import annotations

import numpy as np

from dpsynth.attacks import Records, Trials
from dpsynth.attacks.secret_reconstruction import SecretReconstruction
from dpsynth.attacks.significance import fisher_one_sided
from tests.attacks.populations import MIXED, mixed, mixed_rows

NAMES = tuple(f"column {place}" for place in range(len(MIXED.columns)))


def rebuilt(members: Records, controls: Records, synthetic: Records, reference: Records) -> tuple[Trials, ...]:
    return SecretReconstruction(people=200).count(
        members, controls, synthetic, reference, names=NAMES, rng=np.random.default_rng(1)
    )


def p_value(trials: Trials) -> float:
    return fisher_one_sided(
        trials.member_successes, trials.member_trials, trials.control_successes, trials.control_trials
    )


def coins(rows: int, draws: np.random.Generator) -> Records:
    """Six columns of noise and a secret of two levels that has nothing to do with them."""
    cells = np.column_stack([draws.integers(4, size=(rows, 6)), draws.integers(2, size=rows)])
    return Records(cells.astype(np.float64), np.zeros(7, dtype=bool))


def test_a_secret_of_two_levels_comes_first_and_a_copy_gives_it_away() -> None:
    draws = np.random.default_rng(0)
    members, controls, reference = (coins(200, draws) for _ in range(3))
    first, *_ = rebuilt(members, controls, members, reference)
    assert first.label == "column 6"
    assert first.member_successes > 190
    # A coin is right for half of the controls; 60 % have probability 0.003.
    assert first.control_successes < 120


def test_a_copy_of_ordinary_people_is_found() -> None:
    draws = np.random.default_rng(0)
    members, controls, reference = (mixed(mixed_rows(200, draws)) for _ in range(3))
    found = rebuilt(members, controls, members, reference)
    assert len(found) == 2
    assert max(p_value(trials) for trials in found) < 1e-9


def test_fresh_draws_are_quiet() -> None:
    # The test is exact: of 20 p-values, more than 5 below 5 % have probability 3e-4.
    alarms = 0
    for seed in range(10):
        draws = np.random.default_rng(seed)
        alarms += sum(p_value(trials) < 0.05 for trials in rebuilt(*(mixed(mixed_rows(200, draws)) for _ in range(4))))
    assert alarms <= 5


def test_people_who_look_alike_are_guessed_alike() -> None:
    # The secret of one of two equal people cannot be told from that of the other, whichever table they are in.
    draws = np.random.default_rng(3)
    members = coins(100, draws)
    first, *_ = rebuilt(members, members, members, coins(100, draws))
    assert first.member_successes == first.control_successes


def test_a_release_without_people_or_columns_has_no_trials() -> None:
    table = coins(20, np.random.default_rng(0))
    nobody = table.take(np.zeros(0, dtype=np.intp))
    assert rebuilt(table, table, nobody, table) == ()
    assert rebuilt(nobody, table, table, table) == ()
    constant = table.take(np.zeros(20, dtype=np.intp))
    assert rebuilt(table, table, constant, constant) == ()
