"""Matches by hand, exact and near; an empty release matches nobody."""

from __future__ import annotations

import numpy as np

from dpsynth.attacks import Records
from dpsynth.attacks.match_excess import MatchExcess
from tests.attacks.four_rows import KINDS, NOTHING, REFERENCE, SYNTHETIC, TARGETS, A, rng


def test_exact_matches_by_hand() -> None:
    np.testing.assert_array_equal(MatchExcess().score(TARGETS, SYNTHETIC, REFERENCE, rng=rng()), [1, 0, 0, 0])


def test_near_matches_use_the_gaps_between_reference_rows() -> None:
    # Gaps to the nearest other row: 1/4, 1/4, 3/4. The half of them that is smallest ends at 1/4, all of them at 3/4.
    reference = Records(np.array([[0.0, A], [0.25, A], [1.0, A]]), KINDS)
    near, far = MatchExcess(natural_rate=0.5), MatchExcess(natural_rate=1.0)
    np.testing.assert_array_equal(near.score(TARGETS, SYNTHETIC, reference, rng=rng()), [1, 1, 0, 0])
    np.testing.assert_array_equal(far.score(TARGETS, SYNTHETIC, reference, rng=rng()), [1, 1, 1, 0])


def test_duplicates_in_the_reference_make_a_near_match_an_exact_one() -> None:
    reference = Records(np.array([[0.0, A]] * 9 + [[1.0, A]]), KINDS)
    scores = MatchExcess(natural_rate=0.01).score(TARGETS, SYNTHETIC, reference, rng=rng())
    np.testing.assert_array_equal(scores, [1, 0, 0, 0])


def test_an_empty_release_and_a_tiny_reference_are_no_problem() -> None:
    for attack in (MatchExcess(), MatchExcess(natural_rate=0.01)):
        np.testing.assert_array_equal(attack.score(TARGETS, NOTHING, NOTHING, rng=rng()), [0, 0, 0, 0])
        assert attack.score(NOTHING, SYNTHETIC, REFERENCE, rng=rng()).shape == (0,)
