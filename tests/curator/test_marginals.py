"""Grouped marginals: sums of disjoint cells, at the sensitivity of any other marginal."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.accounting.unit import PrivacyUnit
from dpsynth.curator._sealed import Private, unseal
from dpsynth.curator.allowance import Allowance
from dpsynth.curator.gate import Gate
from dpsynth.curator.marginals import MarginalCounter, measure_marginal
from dpsynth.curator.queries import Grouping
from dpsynth.curator.rows import PrivateRows, compact
from dpsynth.curator.selection import select_cliques
from dpsynth.errors import InvalidInput
from dpsynth.randomness import SeededNoise
from dpsynth.schema.domain import Domain

DOMAIN = Domain(("age", "sex"), (5, 2))
COARSE = {"age/2": Grouping("age", (0, 0, 1, 1, 1)), "age/3": Grouping("age", (2, 1, 0, 1, 2))}
PAIR = ("age/2", "sex")


def counter(codes: np.ndarray) -> MarginalCounter:
    rows = PrivateRows(DOMAIN, compact(codes.astype(np.int32), DOMAIN), np.zeros((0, 2), dtype=np.int32))
    return MarginalCounter(Private(rows), DOMAIN, PrivacyUnit())


def drawn(rows: int = 400) -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.column_stack([rng.integers(0, 5, rows), rng.integers(0, 2, rows)])


def test_a_group_holds_the_sum_of_its_codes() -> None:
    counts = counter(drawn())
    fine = unseal(counts.query(("age", "sex"), {}).value)
    coarse = unseal(counts.query(PAIR, COARSE).value)
    np.testing.assert_array_equal(coarse, [fine[:2].sum(axis=0), fine[2:].sum(axis=0)])
    np.testing.assert_array_equal(
        unseal(counts.query(("age/3",), COARSE).value), [fine[2].sum(), fine[[1, 3]].sum(), fine[[0, 4]].sum()]
    )


@given(st.lists(st.integers(0, 4), min_size=5, max_size=5), st.integers(0, 4), st.integers(0, 1))
def test_one_row_more_moves_one_grouped_cell_by_one(wished: list[int], age: int, sex: int) -> None:
    groups = tuple(np.unique(wished, return_inverse=True)[1].tolist())
    grouping = {"coarse": Grouping("age", groups)}
    before = counter(drawn(30)).query(("coarse", "sex"), grouping)
    after = counter(np.vstack([drawn(30), [[age, sex]]])).query(("coarse", "sex"), grouping)
    moved = np.abs(unseal(after.value) - unseal(before.value))
    assert moved.sum() == moved.max() == 1
    assert before.sensitivity == counter(drawn(1)).query(("age", "sex"), {}).sensitivity


def test_a_grouping_may_stand_under_the_name_of_its_own_column() -> None:
    counts = counter(drawn())
    merged = {"age": Grouping("age", COARSE["age/2"].groups)}
    own, other = counts.query(("age", "sex"), merged), counts.query(PAIR, COARSE)
    np.testing.assert_array_equal(unseal(own.value), unseal(other.value))
    assert own.sensitivity == other.sensitivity
    assert unseal(counts.query(("age", "sex"), {}).value).shape == (5, 2)


def test_a_grouped_question_costs_what_an_ungrouped_one_costs() -> None:
    allowance = Allowance("clinic", Fraction(1))
    gate = Gate(allowance, SeededNoise(1))
    fine = measure_marginal(counter(drawn()), gate, ("age", "sex"), Fraction(1, 4), groupings={})
    coarse = measure_marginal(counter(drawn()), gate, PAIR, Fraction(1, 4), groupings=COARSE)
    assert (coarse.event, coarse.stddev) == (fine.event, fine.stddev)
    assert coarse.counts.shape == (2, 2)
    assert coarse.groupings == {"age/2": COARSE["age/2"]}
    assert fine.groupings == {}


def test_the_choice_sees_the_error_at_the_candidates_resolution() -> None:
    counts = counter(drawn())
    wrong = {PAIR: np.full((2, 2), 5000.0), ("age",): unseal(counts.query(("age",), {}).value).astype(float)}
    (chosen,) = select_cliques(
        counts,
        Gate(Allowance("clinic", Fraction(10)), SeededNoise(1)),
        wrong,
        Fraction(10),
        weights=dict.fromkeys(wrong, 1),
        penalties=dict.fromkeys(wrong, 0.0),
        groupings=COARSE,
        count=1,
    )
    assert chosen == PAIR


@pytest.mark.parametrize("groups", [(), (0, 2), (1, 2), (-1, 0)])
def test_group_numbers_with_gaps_are_refused(groups: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match="without a gap"):
        Grouping("age", groups)


@pytest.mark.parametrize(
    ("clique", "groupings"),
    [
        (("age", "age/2"), COARSE),
        (("age/2", "age/3"), COARSE),
        (("sex", "age/2"), COARSE),
        (("short",), {"short": Grouping("age", (0, 1))}),
        (("age",), {"age": Grouping("age", (0, 1))}),
        (("sex",), {"sex": Grouping("age", (0, 0, 0, 0, 1))}),
        (("other",), {"other": Grouping("height", (0, 1))}),
        (("age/7",), COARSE),
    ],
)
def test_questions_that_mix_up_columns_are_refused(clique: tuple[str, ...], groupings: dict[str, Grouping]) -> None:
    with pytest.raises(InvalidInput):
        counter(drawn()).query(clique, groupings)
