"""How often the suite raises an alarm about honest rows, and that it has the power to raise one."""

from __future__ import annotations

import numpy as np

from dpsynth.attacks import ATTACKS, AttackResult, Reading, Statistic, overall_reading, run_suite
from tests.attacks.populations import Codes, Split, mixed, mixed_split, partly_copied

FORESTS = ("membership-classifier", "prediction-error")
DETERMINISTIC = tuple(
    name for name in ATTACKS if name not in FORESTS and Statistic.EXCESS_RISK not in ATTACKS[name].statistics
)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def attack(
    split: Split, synthetic: Codes, *, seed: int, attacks: tuple[str, ...] = tuple(ATTACKS)
) -> tuple[AttackResult, ...]:
    tables = (mixed(codes) for codes in (split.members, split.controls, synthetic, split.reference))
    return run_suite(*tables, rng=rng(seed), attacks=attacks)


def test_hundred_rows_never_pass_and_false_alarms_are_rare() -> None:
    # 24 fresh draws with the whole suite. Holm at 5 %: an alarm (some adjusted p-value <= 5 %) has probability 5 % at
    # most, 1.2 +- 1.1 expected; more than 6 have probability 1.3e-4. A FAIL needs the size of the risk as well. A suite
    # that raises an alarm in every other draw is caught with probability 98 %.
    splits = [mixed_split(100, rng(1000 + seed)) for seed in range(24)]
    runs = [attack(split, split.fresh, seed=seed) for seed, split in enumerate(splits)]
    assert {overall_reading(results) for results in runs} <= {Reading.INCONCLUSIVE, Reading.FAIL}
    assert sum(min(result.adjusted_p_value for result in results) <= 0.05 for results in runs) <= 6
    assert sum(overall_reading(results) is Reading.FAIL for results in runs) <= 6


def test_false_alarms_and_power_of_the_deterministic_attacks() -> None:
    # 120 fresh draws: at most 6 alarms expected, more than 15 have probability 3.3e-4.
    # Power: with 10 % copied rows every one of 20 draws must fail (20 copies against none: p = 6e-7 each).
    alarms = failures = 0
    for seed in range(120):
        split = mixed_split(200, rng(2000 + seed))
        results = attack(split, split.fresh, seed=seed, attacks=DETERMINISTIC)
        alarms += min(result.adjusted_p_value for result in results) <= 0.05
        failures += overall_reading(results) is Reading.FAIL
        if seed < 20:
            copied = partly_copied(split.members, split.fresh, share=0.1)
            assert overall_reading(attack(split, copied, seed=seed, attacks=DETERMINISTIC)) is Reading.FAIL
    assert alarms <= 15
    assert failures <= 15
