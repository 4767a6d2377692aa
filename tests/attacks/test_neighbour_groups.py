"""Distances over groups by hand; a copy of a few columns is found, natural duplicates are not."""

from __future__ import annotations

import numpy as np

from dpsynth.attacks import Records, run_suite
from dpsynth.attacks.distance import OFFSET
from dpsynth.attacks.neighbour_groups import NeighbourGroups
from tests.attacks.four_rows import rng
from tests.attacks.populations import crowded, crowded_rows, mixed, mixed_rows

ORDERED = np.array([True, True, True])
NAMES = ("height", "weight", "age")


def test_scores_by_hand() -> None:
    synthetic = Records(np.array([[0.0, 0.25, 1.0], [0.5, 0.5, 0.0]]), ORDERED)
    reference = Records(np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.5]]), ORDERED)
    target = Records(np.array([[0.0, 0.5, 0.25]]), ORDERED)
    found = NeighbourGroups().scores(target, synthetic, reference, names=NAMES, rng=rng())
    by_columns = {label.split(": ")[1]: score.item() for label, score in found.items()}
    nearest = {"height, weight": (0.5, 0.25), "age, height": (0.25, 0.75), "age, weight": (0.75, 0.25)}
    assert by_columns.keys() == nearest.keys()
    for label, (to_reference, to_synthetic) in nearest.items():
        assert np.isclose(by_columns[label], np.log((to_reference + OFFSET) / (to_synthetic + OFFSET)))


def test_three_groups_go_together_and_three_are_drawn() -> None:
    table = mixed(mixed_rows(60, np.random.default_rng(0)))
    names = [f"column ({place})" for place in range(table.width)]
    found = NeighbourGroups().scores(table, table, table, names=names, rng=rng())
    assert [label.split(": ")[0] for label in found] == ["correlated"] * 3 + ["random"] * 3


def test_two_columns_that_vary_have_no_groups() -> None:
    table = Records(np.array([[0.0, 1.0, 0.5], [1.0, 0.0, 0.5]]), ORDERED)
    assert NeighbourGroups().scores(table, table, table, names=NAMES, rng=rng()) == {}


def test_a_copy_of_some_columns_is_found() -> None:
    # Six unordered columns are drawn anew; what is left of a member is its ordered columns.
    draws = np.random.default_rng(3)
    members, controls, reference, others = (mixed_rows(300, draws) for _ in range(4))
    release = np.column_stack([members[:, :7], others[:, 7:]])
    tables = [mixed(codes) for codes in (members, controls, release, reference)]
    results = run_suite(*tables, rng=draws, attacks=("nearest-neighbour-groups",))
    assert min(result.adjusted_p_value for result in results) < 1e-6


def test_no_false_alarm_where_duplicates_are_natural() -> None:
    # 5 draws at 5 %: more than 2 alarms have probability 0.0012.
    alarms = 0
    for seed in range(5):
        draws = np.random.default_rng(seed)
        tables = [crowded(crowded_rows(400, draws)) for _ in range(4)]
        results = run_suite(*tables, rng=draws, attacks=("nearest-neighbour-groups",))
        alarms += any(result.adjusted_p_value <= 0.05 for result in results)
    assert alarms <= 2
