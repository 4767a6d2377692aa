"""Secrets guessed by hand, what counts as right, a leak that is found, and what users of other tools stumbled over."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.attacks import Records, run_suite
from dpsynth.attacks.attribute_inference import NeighbourInference
from dpsynth.attacks.records import MISSING_LEVEL, OUTSIDE_LEVEL
from dpsynth.attacks.secret_column import SecretColumn
from tests.attacks.four_rows import KINDS, NOTHING, A, B, rng
from tests.attacks.populations import crowded, crowded_rows, mixed, mixed_rows

NAMES = ("position", "level")


def right(targets: Records, synthetic: Records, reference: Records) -> dict[str, list[float]]:
    found = NeighbourInference().scores(targets, synthetic, reference, names=NAMES, rng=rng())
    return {name: own.tolist() for name, own in found.items()}


def test_guesses_by_hand() -> None:
    # The level of (0, ?) is a; the position of (?, b) is 1/2; (1/4, ?) is as near to a as to b, and a comes first.
    synthetic = Records(np.array([[0.0, A], [0.0, A], [0.5, B]]), KINDS)
    targets = Records(np.array([[0.0, A], [0.25, A], [0.25, B], [0.45, B], [0.4, B]]), KINDS)
    found = right(targets, synthetic, NOTHING)
    assert found == {"level": [1, 1, 0, 1, 1], "position": [1, 0, 0, 1, 0]}


def test_all_equally_near_rows_vote_as_often_as_they_occur() -> None:
    kinds = np.array([False, False])
    rows = np.array([[0, 2], [0, 1], [0, 1], [1, 2], [1, 2], [1, 2]], dtype=np.float64)
    asked = Records(np.array([[0.0, 1.0], [0.0, 2.0]]), kinds)
    found = right(asked, Records(rows, kinds), Records(np.empty((0, 2)), kinds))
    assert found["level"] == [1, 0]


def test_near_is_five_percent_of_the_public_range_not_of_the_value() -> None:
    column = SecretColumn.among(np.array([0.0, 0.5, 1.0]), is_ordered=True)
    truth = np.array([0.0, 0.05, 0.051, 0.45, 0.55, 0.56])
    guesses = np.array([0.0, 0.0, 0.0, 0.5, 0.5, 0.5])
    np.testing.assert_array_equal(column.is_right(guesses, truth), [True, True, False, True, True, False])


def test_a_guess_on_the_other_side_of_zero_is_wrong() -> None:
    # A range from -10 to 5,000,000: the guess -10 is at 0, the truth at 1. Relative errors once called it right.
    column = SecretColumn.among(np.array([0.0, 1.0]), is_ordered=True)
    assert not column.is_right(np.array([0.0]), np.array([1.0]))[0]


def test_missing_is_right_for_missing_only() -> None:
    column = SecretColumn.among(np.array([0.0, 1.0, MISSING_LEVEL, OUTSIDE_LEVEL]), is_ordered=True)
    truth = np.array([MISSING_LEVEL, 1.0, OUTSIDE_LEVEL, MISSING_LEVEL])
    guesses = np.array([MISSING_LEVEL, MISSING_LEVEL, MISSING_LEVEL, 1.0])
    np.testing.assert_array_equal(column.is_right(guesses, truth), [True, False, False, False])


def test_the_best_guess_is_right_most_often() -> None:
    column = SecretColumn.among(np.array([0.0, 0.04, 0.08, 0.5, MISSING_LEVEL]), is_ordered=True)
    weights = np.array([[2, 2, 2, 5, 0], [2, 2, 2, 7, 0], [1, 0, 0, 0, 0], [2, 0, 0, 1, 4]], dtype=np.float64)
    np.testing.assert_array_equal(column.best_guess(weights), [0.04, 0.5, 0.0, MISSING_LEVEL])


def test_a_copy_gives_the_secrets_of_its_members_away() -> None:
    draws = np.random.default_rng(0)
    members, controls, reference = (mixed(mixed_rows(300, draws)) for _ in range(3))
    names = [f"column {place}" for place in range(members.width)]
    found = NeighbourInference().scores(
        members.followed_by(controls), members, reference, names=names, rng=np.random.default_rng(0)
    )
    assert len(found) == members.width
    for own in found.values():
        assert own[:300].mean() > own[300:].mean() + 0.1


def test_guesses_no_better_than_for_controls_are_a_result_with_a_power_statement() -> None:
    # Holm at 5 % over 5 secrets in each of 5 draws: more than 2 alarms have probability 0.0012.
    alarms = 0
    for seed in range(5):
        draws = np.random.default_rng(seed)
        tables = [crowded(crowded_rows(400, draws)) for _ in range(4)]
        results = run_suite(*tables, rng=draws, attacks=("attribute-inference",))
        alarms += any(result.adjusted_p_value <= 0.05 for result in results)
        assert all("would find" in result.power_statement for result in results)
    assert alarms <= 2


@pytest.mark.parametrize("odd", ["petal length (cm)", "a`b", "x == 1", "", "ja/nein", "[brackets] and\nlines"])
def test_a_column_may_have_any_name(odd: str) -> None:
    synthetic = Records(np.array([[0.0, A], [0.5, B]]), KINDS)
    found = NeighbourInference().scores(synthetic, synthetic, NOTHING, names=(odd, "level"), rng=rng())
    assert {name: own.tolist() for name, own in found.items()} == {odd: [1, 1], "level": [1, 1]}


def test_an_empty_release_explains_nothing_and_one_column_has_no_others() -> None:
    reference = Records(np.array([[0.0, A], [1.0, B]]), KINDS)
    assert right(reference, NOTHING, reference) == {"level": [0, 0], "position": [0, 0]}
    assert right(reference, Records(np.array([[0.0, A], [1.0, A]]), KINDS), NOTHING) == {}
