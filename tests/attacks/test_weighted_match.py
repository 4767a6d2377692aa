"""Matches of rows that have natural twins weigh little, and copies of the others are found among them."""

from __future__ import annotations

import numpy as np

from dpsynth.attacks import Reading, Records, run_suite
from dpsynth.attacks.weighted_match import WeightedMatch

KINDS = np.array([True] * 3 + [False] * 3)
ROWS = 800


def population(rows: int, rng: np.random.Generator) -> Records:
    """Return rows of which six in ten are drawn from 300 that many people share; the others are hardly ever equal."""
    pool = np.random.default_rng(7)
    shared = np.column_stack([pool.integers(4, size=(300, 3)) / 50, pool.integers(3, size=(300, 3))])
    own = np.column_stack([rng.integers(51, size=(rows, 3)) / 50, rng.integers(6, size=(rows, 3))])
    is_shared = rng.random(rows) < 0.6
    return Records(np.where(is_shared[:, None], shared[rng.integers(300, size=rows)], own), KINDS)


def split(seed: int) -> tuple[Records, Records, Records, Records]:
    rng = np.random.default_rng(seed)
    return tuple(population(ROWS, rng) for _ in range(4))  # type: ignore[return-value]


def scores(targets: Records, synthetic: Records, reference: Records) -> np.ndarray | None:
    found = WeightedMatch().scores(targets, synthetic, reference, names=(), rng=np.random.default_rng(0))
    return found.get("")


def test_four_copied_rows_in_a_hundred_are_found_where_most_rows_have_twins_and_an_honest_release_is_not() -> None:
    # 32 copies, 13 of them of people without twins, beside none: about 1e-4. The exact match sees 13 more hits where
    # 480 vary by 14; the weights are what finds them.
    for seed in (1, 2):
        members, controls, reference, fresh = split(seed)
        copied = members.take(np.arange(32)).followed_by(fresh.take(np.arange(32, ROWS)))
        for release, expected in ((copied, Reading.FAIL), (fresh, None)):
            found = {
                result.attack: result
                for result in run_suite(
                    members, controls, release, reference,
                    rng=np.random.default_rng(seed), attacks=("exact-match", "weighted-match"),
                )
                if result.stratum == "everyone"
            }  # fmt: skip
            weighted, exact = found["weighted-match"], found["exact-match"]
            assert not weighted.decisive
            assert exact.reading is not Reading.FAIL
            assert (weighted.reading is Reading.FAIL) == (expected is Reading.FAIL), (seed, expected)


def test_whoever_has_an_equal_row_in_the_reference_weighs_nothing_and_the_isolated_weigh_most() -> None:
    members, _, reference, fresh = split(4)
    found = scores(members.followed_by(reference), fresh, reference)
    assert found is not None
    assert (found[ROWS:] == 0).all()
    assert np.abs(found).max() <= 1
    weights = np.abs(found[:ROWS])
    is_own = (members.values[:, :3] > 3 / 50).any(axis=1)
    assert weights[is_own].mean() > 0.9
    assert weights[~is_own].mean() < 0.1


def test_a_score_says_by_its_sign_whether_the_release_holds_the_row() -> None:
    members, _, reference, _ = split(5)
    hit, missed = scores(members, members, reference), scores(members, reference, reference)
    assert hit is not None
    assert missed is not None
    np.testing.assert_array_equal(hit, -missed)
    assert (hit >= 0).all()


def test_where_hardly_any_row_has_a_twin_the_exact_match_says_it_all() -> None:
    rng = np.random.default_rng(6)
    people, reference, fresh = (
        Records(np.column_stack([rng.random((400, 3)), rng.integers(6, size=(400, 3))]), KINDS) for _ in range(3)
    )
    assert scores(people, fresh, reference) is None
    assert scores(people, fresh, reference.take(np.arange(0))) is None
    assert scores(people.take(np.arange(0)), fresh, split(6)[2]) is not None
