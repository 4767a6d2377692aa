"""The weighted excess: its p-value by enumeration and under exchangeability, its bounds by simulation."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from dpsynth.attacks.weighted_excess import LEVELS, weighted_evidence

Weights = np.ndarray


def weights(*levels: int) -> Weights:
    return np.array(levels) / LEVELS


def test_the_p_value_by_enumeration() -> None:
    # Four people are hit, of weights 16, 9, 9 and 2; members hold 16 and 9. Coins: three members and two controls.
    members, controls = weights(16, 9, -4), weights(9, 2)
    chance = 0.0
    for sides in product((0, 1), repeat=4):
        if sum(level for level, side in zip((16, 9, 9, 2), sides, strict=True) if side) >= 25:
            chance += 0.6 ** sum(sides) * 0.4 ** (4 - sum(sides))
    assert weighted_evidence(members, controls, confidence=0.95).p_value == pytest.approx(chance, rel=1e-12)


def test_equal_weights_are_a_sign_test() -> None:
    members, controls = weights(*[16] * 9, *[-16] * 91), weights(*[16] * 2, *[-16] * 98)
    found = weighted_evidence(members, controls, confidence=0.95)
    assert found.p_value == pytest.approx(stats.binom.sf(8, 11, 0.5))
    assert (found.interval.estimate, found.control_value) == pytest.approx((0.07, 0.02))


def test_swapping_members_and_controls_flips_the_sign() -> None:
    members, controls = weights(16, 3, -7, -16, 5), weights(-2, 8, -16)
    there, back = (weighted_evidence(*sides, confidence=0.9) for sides in ((members, controls), (controls, members)))
    assert back.interval.estimate == pytest.approx(-there.interval.estimate)
    assert back.interval.lower == pytest.approx(-there.interval.upper)


@pytest.mark.parametrize("empty", [(), (0, 0)])
def test_people_who_weigh_nothing_say_nothing(empty: tuple[int, ...]) -> None:
    for sides in ((weights(*empty), weights(3, -3)), (weights(3, -3), weights(*empty))):
        found = weighted_evidence(*sides, confidence=0.95)
        assert (found.interval.lower, found.interval.upper, found.p_value) == (-1, 1, 1)


def sample(rows: int, copied: float, rng: np.random.Generator) -> Weights:
    """Return people of three kinds: twins are frequent, rare and hardly ever seen; some are hit as copies."""
    kind = rng.integers(3, size=rows)
    is_hit = (rng.random(rows) < np.array([0.1, 0.02, 0.002])[kind]) | (rng.random(rows) < copied)
    return np.where(is_hit, 1, -1) * np.array([1, 6, 16])[kind] / LEVELS


def test_alarms_are_as_rare_as_promised_copies_are_found_and_bounds_hold() -> None:
    # 400 samples of 500 members and 400 controls. At 5 %: 10 alarms of 200 expected at most, more than 20 have
    # probability 1e-3. Bounds at 95 % may miss the excess 20 times of 400, more than 34 likewise.
    rng = np.random.default_rng(8)
    weighted_rate = (0.1 * 1 + 0.02 * 6 + 0.002 * 16) / 23
    alarms = found = above = below = 0
    for copied in (0.0, 0.04):
        for _ in range(200):
            evidence = weighted_evidence(sample(500, copied, rng), sample(400, 0.0, rng), confidence=0.95)
            true = copied * (1 - weighted_rate)
            above += evidence.interval.lower > true
            below += evidence.interval.upper < true
            alarms += evidence.p_value <= 0.05 and copied == 0
            found += evidence.p_value <= 0.05 and copied > 0
    assert alarms <= 20
    assert max(above, below) <= 34
    assert found >= 180


def test_weights_that_follow_the_labels_are_caught() -> None:
    # A planted mistake: weights that see who is a member would make any release leak.
    rng = np.random.default_rng(9)
    members, controls = sample(500, 0.0, rng), sample(400, 0.0, rng)
    biased = np.where(members > 0, np.minimum(16 * members, 1.0), members)
    assert weighted_evidence(members, controls, confidence=0.95).p_value > 0.05
    assert weighted_evidence(biased, controls, confidence=0.95).p_value < 1e-6
