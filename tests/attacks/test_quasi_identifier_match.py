"""Matches on declared columns by hand; a copy of these columns alone is found, and small groups prove nothing."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.attacks import Records, Statistic, run_suite
from dpsynth.attacks.quasi_identifier_match import QuasiIdentifierMatch, require_known_columns
from dpsynth.errors import InvalidInput
from tests.attacks.four_rows import rng
from tests.attacks.populations import crowded, crowded_rows, mixed, mixed_rows

KINDS = np.array([True, False, False])
NAMES = ("age", "sex", "zip")
ROWS = Records(np.array([[0.5, 0, 3], [0.25, 1, 7]]), KINDS)
ATTACK = ("quasi-identifier-match",)


def hits(groups: list[list[str]], targets: Records, synthetic: Records = ROWS) -> dict[str, list[float]]:
    found = QuasiIdentifierMatch().on(groups).scores(targets, synthetic, ROWS, names=NAMES, rng=rng())
    return {label: own.tolist() for label, own in found.items()}


def test_matches_by_hand() -> None:
    targets = Records(np.array([[0.5, 0, 9], [0.5, 1, 3], [0.25, 1, 7]]), KINDS)
    found = hits([["age", "sex"], ["zip"], ["zip", "age"]], targets)
    assert found == {"age, sex": [1, 0, 1], "zip": [0, 1, 1], "age, zip": [0, 1, 1]}


def test_the_order_of_a_group_and_its_repetition_say_nothing() -> None:
    assert hits([["sex", "age"], ["age", "sex", "sex"]], ROWS) == hits([["age", "sex"]], ROWS)


def test_without_groups_or_with_constant_columns_there_is_nothing_to_match() -> None:
    assert hits([], ROWS) == {}
    constant = Records(np.array([[0.5, 0, 3], [0.25, 0, 7]]), KINDS)
    attack = QuasiIdentifierMatch().on([["sex"], ["sex", "zip"]])
    found = attack.scores(ROWS, constant, constant, names=NAMES, rng=rng())
    assert {label: own.tolist() for label, own in found.items()} == {"sex, zip": [1, 0]}


def test_an_empty_release_matches_nobody() -> None:
    assert hits([["age"]], ROWS, ROWS.take(np.empty(0, dtype=np.intp))) == {"age": [0, 0]}


@pytest.mark.parametrize(("group", "says"), [(["age", "colour"], "colour"), ([], "at least one"), ("age", "list")])
def test_groups_that_cannot_be_meant_are_refused_before_anything_is_computed(group: list[str], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        require_known_columns([group], NAMES)
    with pytest.raises(InvalidInput, match=says):
        run_suite(ROWS, ROWS, ROWS, ROWS, rng=rng(), names=NAMES, quasi_identifiers=[group], attacks=())


def test_a_copy_of_the_quasi_identifiers_alone_is_found() -> None:
    draws = np.random.default_rng(4)
    members, controls, reference, others = (mixed_rows(400, draws) for _ in range(4))
    release = np.column_stack([members[:, :4], others[:, 4:]])
    tables = [mixed(codes) for codes in (members, controls, release, reference)]
    names = [f"column {place}" for place in range(members.shape[1])]
    (found,) = run_suite(*tables, rng=draws, names=names, quasi_identifiers=[names[:4]], attacks=ATTACK)[:1]
    assert found.variant == "column 0, column 1, column 2, column 3"
    assert found.statistic is Statistic.EXACT_MATCH_EXCESS
    assert found.adjusted_p_value < 1e-6
    blind = run_suite(*tables, rng=draws, names=names, attacks=("exact-match",))
    assert min(result.adjusted_p_value for result in blind) == 1


def test_no_false_alarm_where_duplicates_are_natural() -> None:
    # 8 draws at 5 %: more than 3 alarms have probability 3.7e-4.
    alarms = 0
    groups = [["column 1"], ["column 2", "column 5"], [f"column {place}" for place in range(1, 6)]]
    for seed in range(8):
        draws = np.random.default_rng(seed)
        tables = [crowded(crowded_rows(400, draws)) for _ in range(4)]
        results = run_suite(*tables, rng=draws, quasi_identifiers=groups, attacks=ATTACK)
        assert len({result.variant for result in results}) == 3
        alarms += any(result.adjusted_p_value <= 0.05 for result in results)
    assert alarms <= 3
