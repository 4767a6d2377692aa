"""Links by hand; a copy is linked, crowds are not, and a split names columns that exist."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.attacks import Records, run_suite
from dpsynth.attacks.linkability import Linkability
from dpsynth.errors import InvalidInput
from tests.attacks.four_rows import rng
from tests.attacks.populations import crowded, crowded_rows, mixed, mixed_rows

ORDERED = np.array([True, True])
NAMES = ("height", "weight")
ROWS = Records(np.array([[0.0, 0.0], [0.25, 0.75], [0.5, 0.5], [1.0, 1.0]]), ORDERED)
NOTHING = Records(np.empty((0, 2)), ORDERED)


def linked(attack: Linkability, targets: Records, synthetic: Records) -> dict[str, list[float]]:
    found = attack.scores(targets, synthetic, NOTHING, names=NAMES, rng=rng())
    return {label: own.tolist() for label, own in found.items()}


def test_links_by_hand() -> None:
    # Nearest by height and by weight: the second row and itself; the first and the second; the third and the third.
    targets = Records(np.array([[0.25, 0.75], [0.0, 0.7], [0.55, 0.45]]), ORDERED)
    assert linked(Linkability(neighbours=1), targets, ROWS) == {"height with the others": [1, 0, 1]}


def test_sets_that_share_a_row_by_chance_link_nobody() -> None:
    # Two of four rows on both sides: one common row is expected of any two such sets.
    assert linked(Linkability(neighbours=2), ROWS, ROWS) == {"height with the others": [0, 0, 0, 0]}


def test_rows_that_tie_with_the_last_neighbour_are_candidates_too() -> None:
    # Nine rows of one height and eleven others; the weights are all different.
    heights = np.array([0.0] * 9 + [1.0] * 11)
    rows = Records(np.stack([heights, np.arange(20) / 32], axis=1), ORDERED)
    found = linked(Linkability(neighbours=1), rows, rows)["height with the others"]
    assert found == [1.0] * 9 + [0.0] * 11


def test_equal_rows_are_one_candidate() -> None:
    rows = Records(np.repeat(ROWS.values, 5, axis=0), ORDERED)
    assert linked(Linkability(neighbours=1), ROWS, rows) == linked(Linkability(neighbours=1), ROWS, ROWS)


def test_there_are_five_splits_and_those_that_are_asked_for() -> None:
    draws = np.random.default_rng(0)
    table = mixed(mixed_rows(50, draws))
    names = [f"column ({place})" for place in range(table.width)]
    split = frozenset(names[:3])
    found = Linkability(splits=(split,)).scores(table, table, table, names=names, rng=rng())
    assert len(found) == 6
    assert f"{', '.join(sorted(split))} with the others" in found
    other_side = Linkability(splits=(frozenset(names[3:]),)).scores(table, table, table, names=names, rng=rng())
    for label, own in found.items():
        np.testing.assert_array_equal(other_side[label], own)


def test_a_split_of_unknown_columns_is_an_error_and_no_risk_of_zero() -> None:
    with pytest.raises(InvalidInput, match="colour"):
        linked(Linkability(splits=(frozenset({"height", "colour"}),)), ROWS, ROWS)


def test_two_columns_have_one_split_and_one_column_has_none() -> None:
    assert len(linked(Linkability(), ROWS, ROWS)) == 1
    constant = Records(np.array([[0.0, 1.0], [1.0, 1.0]]), ORDERED)
    assert linked(Linkability(splits=(frozenset({"height"}),)), constant, constant) == {}


def test_an_empty_release_links_nobody() -> None:
    found = Linkability().scores(ROWS, NOTHING, ROWS, names=NAMES, rng=rng())
    assert found["height with the others"].tolist() == [0, 0, 0, 0]


def test_a_copy_links_its_members() -> None:
    draws = np.random.default_rng(1)
    members, controls, reference = (mixed(mixed_rows(300, draws)) for _ in range(3))
    results = run_suite(members, controls, members, reference, rng=draws, attacks=("linkability",))
    assert all(result.adjusted_p_value < 1e-6 for result in results)


def test_no_false_alarm_where_duplicates_are_natural() -> None:
    # 5 draws at 5 %: more than 2 alarms have probability 0.0012.
    alarms = 0
    for seed in range(5):
        draws = np.random.default_rng(seed)
        tables = [crowded(crowded_rows(400, draws)) for _ in range(4)]
        results = run_suite(*tables, rng=draws, attacks=("linkability",))
        alarms += any(result.adjusted_p_value <= 0.05 for result in results)
    assert alarms <= 2
