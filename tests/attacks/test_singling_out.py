"""Predicates by hand, honest denominators, equal sides, and no dependence of trials on one another."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.attacks import Records, Trials
from dpsynth.attacks.predicates import Predicates, SortedColumns
from dpsynth.attacks.records import MISSING_LEVEL, RESOLUTION
from dpsynth.attacks.significance import fisher_one_sided
from dpsynth.attacks.singling_out import SinglingOut
from dpsynth.errors import InvalidInput
from tests.attacks.populations import Codes, crowded, crowded_rows, mixed, mixed_rows

KINDS = np.array([True, False])
ONE = RESOLUTION


def count(
    members: Records, controls: Records, synthetic: Records, *, attack: SinglingOut | None = None, seed: int = 0
) -> dict[str, Trials]:
    names = [f"petal [{place}] (cm)" for place in range(members.width)]
    found = (attack or SinglingOut()).count(
        members, controls, synthetic, synthetic, names=names, rng=np.random.default_rng(seed)
    )
    return {trials.label: trials for trials in found}


def test_predicates_find_the_rows_that_satisfy_all_their_conditions() -> None:
    table = Records(np.array([[0.0, 1.0], [0.5, 1.0], [1.0, 1.0], [MISSING_LEVEL, 2.0]]), KINDS)
    predicates = Predicates(
        columns=np.array([[0, 1], [1, 0], [0, 1], [0, 1]]),
        lowest=np.array([[ONE // 2, 1], [2, 2 * ONE], [0, 1], [0, 7]]),
        highest=np.array([[ONE, 1], [2, 2 * ONE], [ONE // 4, 1], [ONE, 7]]),
    )
    found = [sorted(rows.tolist()) for rows in SortedColumns(table).matches(predicates)]
    assert found == [[1, 2], [3], [0], []]
    np.testing.assert_array_equal(SortedColumns(table).counts(predicates), [2, 1, 1, 0])


def test_predicates_are_the_same_in_any_order_of_their_conditions() -> None:
    both = Predicates(
        columns=np.array([[0, 1], [1, 0]]), lowest=np.array([[0, 3], [3, 0]]), highest=np.array([[9, 3], [3, 9]])
    )
    assert len(both.without_repetition()) == 1


def test_the_denominator_is_the_number_of_predicates_that_were_made() -> None:
    # Two rare levels and nothing else: two predicates, whatever number was asked for.
    kinds = np.array([False])
    synthetic = Records(np.array([[0.0]] * 5 + [[1.0], [2.0]]), kinds)
    people = Records(np.array([[0.0]] * 5 + [[1.0], [2.0]]), kinds)
    others = Records(np.zeros((7, 1)), kinds)
    found = count(people, others, synthetic)
    assert found == {"rare values": Trials("rare values", 1, 1, 0, 1)}


def test_the_outermost_value_stands_for_all_beyond_it() -> None:
    # Released positions 0.25 and 0.75 occur once, the rest is in the middle: predicates x <= 0.25 and x >= 0.75.
    kinds = np.array([True])
    synthetic = Records(np.array([[0.25], [0.75], *[[0.5]] * 5]), kinds)
    outside = Records(np.array([[0.0], [1.0], *[[0.5]] * 5]), kinds)
    inside = Records(np.full((7, 1), 0.5), kinds)
    (trials,) = count(outside, inside, synthetic).values()
    assert (trials.member_successes, trials.member_trials, trials.control_successes) == (1, 1, 0)


def test_a_missing_cell_is_a_value_of_its_own() -> None:
    kinds = np.array([True])
    synthetic = Records(np.array([[MISSING_LEVEL], [1.0], [0.5], [0.5], [0.0], [0.0]]), kinds)
    index = SortedColumns(synthetic)
    beyond = Predicates(np.array([[0]]), np.array([[ONE]]), np.array([[ONE]]))
    assert index.counts(beyond).tolist() == [1]
    missing = Predicates(np.array([[0]]), np.array([[2 * ONE]]), np.array([[2 * ONE]]))
    assert index.counts(missing).tolist() == [1]


def test_more_successes_than_attempts_cannot_be_said() -> None:
    with pytest.raises(InvalidInput):
        Trials("too many", 3, 2, 0, 2)


def test_tables_of_different_size_are_compared_at_the_size_of_the_smaller() -> None:
    draws = np.random.default_rng(2)
    population: Codes = mixed_rows(1200, draws)
    small, large, release = mixed(population[:200]), mixed(population[200:800]), mixed(population[800:])
    for found in (count(small, large, release), count(large, small, release)):
        conjunctions = found["conjunctions"]
        p_value = fisher_one_sided(
            conjunctions.member_successes,
            conjunctions.member_trials,
            conjunctions.control_successes,
            conjunctions.control_trials,
        )
        assert p_value > 1e-3


def test_a_copy_is_caught() -> None:
    draws = np.random.default_rng(3)
    members, controls = (mixed(mixed_rows(300, draws)) for _ in range(2))
    conjunctions = count(members, controls, members)["conjunctions"]
    assert conjunctions.member_successes == conjunctions.member_trials > 50
    assert conjunctions.control_successes < conjunctions.control_trials / 2


@pytest.mark.parametrize("kind", [crowded, mixed])
def test_fresh_draws_raise_no_alarm(kind: object) -> None:
    # 20 fresh draws, each kind of predicate at 5 %: more than 5 alarms of one kind have probability 3.3e-4.
    alarms = {"rare values": 0, "conjunctions": 0}
    for seed in range(20):
        draws = np.random.default_rng(seed)
        rows = crowded_rows if kind is crowded else mixed_rows
        tables = [(crowded if kind is crowded else mixed)(rows(150, draws)) for _ in range(3)]
        for label, one in count(*tables, attack=SinglingOut(predicates=600), seed=seed).items():
            p_value = fisher_one_sided(
                one.member_successes, one.member_trials, one.control_successes, one.control_trials
            )
            alarms[label] += p_value < 0.05
    assert max(alarms.values()) <= 5


def test_where_nothing_is_rare_no_predicate_is_made_and_no_risk_is_claimed() -> None:
    twins = crowded(np.repeat(crowded_rows(10, np.random.default_rng(4)), 2, axis=0))
    assert count(twins, twins, twins) == {}
    nobody = twins.take(np.array([], dtype=np.intp))
    assert count(nobody, twins, twins) == {}
