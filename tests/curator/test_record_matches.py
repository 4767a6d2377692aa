"""Counts of matches: one unit moves one of six counts by one, and nothing leaves without a charge."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import GaussianDpEvent
from dpsynth.curator import Curator
from dpsynth.curator._sealed import Private, unseal
from dpsynth.curator.record_matches import MATCH_SENSITIVITY, MatchCounter, MatchQuestion
from dpsynth.curator.rows import PrivateRows, compact
from dpsynth.errors import BudgetExceeded, InvalidInput
from dpsynth.ledger import Ledger
from dpsynth.schema.domain import Domain
from dpsynth.schema.schema import Schema

DOMAIN = Domain(("a", "b"), (3, 5))
PLACES = [np.array([0, 10, 20], dtype=np.int32), np.array([0, 2, 4, 6, 20], dtype=np.int32)]
TABLE = np.array([[0, 0], [1, 3], [2, 4]], dtype=np.int32)
QUESTION = MatchQuestion(TABLE, PLACES, reach=10, near=2)

unit = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), min_size=1, max_size=3)
units = st.lists(st.tuples(unit, st.booleans()), max_size=6)


def counts(people: list[tuple[list[tuple[int, int]], bool]], planted: int = 0) -> np.ndarray:
    """Return the six counts of units, each with its rows and whether it is a control."""
    rows: dict[bool, list[tuple[int, int]]] = {False: [], True: []}
    owners: dict[bool, list[int]] = {False: [], True: []}
    for number, (own, is_control) in enumerate(people):
        rows[is_control] += own
        owners[is_control] += [number] * len(own)
    rows[False] += [(0, 0)] * planted
    owners[False] += [len(people) + place for place in range(planted)]
    codes = {side: np.array(part, dtype=np.int32).reshape(-1, 2) for side, part in rows.items()}
    held = PrivateRows(
        domain=DOMAIN,
        training=compact(codes[False], DOMAIN),
        control=codes[True],
        owners=np.array(owners[False], dtype=np.intp),
        control_owners=np.array(owners[True], dtype=np.intp),
    )
    query = MatchCounter(Private(held), DOMAIN, planted).query(QUESTION)
    assert query.sensitivity == MATCH_SENSITIVITY
    return unseal(query.value)


@settings(deadline=None, max_examples=150)
@given(people=units, one=st.tuples(unit, st.booleans()))
def test_one_unit_with_all_its_rows_moves_one_count_by_one(
    people: list[tuple[list[tuple[int, int]], bool]], one: tuple[list[tuple[int, int]], bool]
) -> None:
    moved = counts([*people, one]) - counts(people)
    assert (np.abs(moved).sum(), (moved**2).sum()) == (MATCH_SENSITIVITY.l1, MATCH_SENSITIVITY.squared_l2)
    assert counts(people).sum() == len(people)


def test_the_best_row_of_a_unit_counts_and_canaries_do_not() -> None:
    member_equal = ([(2, 0), (1, 3)], False)
    member_near = ([(1, 2)], False)
    control_neither = ([(2, 0)], True)
    assert counts([member_equal, member_near, control_neither], planted=4).tolist() == [1, 1, 0, 0, 0, 1]


def test_distances_are_sums_of_cut_differences() -> None:
    codes = [np.array([0, 1, 2]), np.array([1, 4, 0])]

    def slow(row: tuple[int, ...]) -> int:
        pairs = [zip(PLACES, row, other, strict=True) for other in TABLE]
        return min(sum(min(abs(int(p[x]) - int(p[y])), 10) for p, x, y in pair) for pair in pairs)

    assert QUESTION.distances(codes).tolist() == [slow(row) for row in zip(*codes, strict=True)]
    assert QUESTION.distances(list(TABLE.T)).tolist() == [0, 0, 0]
    assert QUESTION.distances(list(TABLE.T), skip_equal_index=True).min() > 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: MatchQuestion(TABLE, PLACES[:1], reach=10, near=0),
        lambda: MatchQuestion(TABLE, PLACES, reach=0, near=0),
        lambda: MatchQuestion(TABLE, PLACES, reach=10, near=-1),
        lambda: MatchQuestion(TABLE, PLACES, reach=2**30, near=0),
        lambda: MatchQuestion(TABLE + 1, PLACES, reach=10, near=0),
        lambda: MatchQuestion(TABLE, [np.array([2**30, 0, 0]), PLACES[1]], reach=10, near=0),
    ],
)
def test_questions_that_do_not_fit_are_refused(wrong: object) -> None:
    with pytest.raises(InvalidInput):
        wrong()  # type: ignore[operator]


def test_an_answer_is_charged_before_it_is_given() -> None:
    text = (
        "name: people\nfields:\n  - {name: a, type: string, categories: [x, y, z]}\n"
        "dpsynth: {unit: {kind: row}, public_rows: 100}\n"
    )
    schema = Schema.from_text(text)
    with Ledger("sqlite://") as books:
        books.set_budget("people", PrivacyBudget(1, "1e-6"), unit=schema.unit.describe())
        curator = Curator.open(
            pd.DataFrame({"a": ["x"] * 80 + ["y"] * 20}), schema, ledger=books, control_fraction=Fraction(1, 4)
        )
        sizes = schema.domain.sizes
        question = MatchQuestion(np.array([[0]]), [np.arange(sizes[0])], reach=1, near=0)
        with curator.within(PrivacyBudget("0.5", "1e-6"), purpose="record gate") as session:
            whole = session.mu_squared
            answer = session.matches(question, whole / 2)
            with pytest.raises(BudgetExceeded):
                session.matches(question, whole)
            with pytest.raises(InvalidInput, match="every code"):
                session.matches(MatchQuestion(np.array([[0]]), [np.arange(2)], reach=1, near=0), whole / 4)
        ((purpose, event),) = curator.charged
    assert purpose == "matches of members and controls"
    assert isinstance(event, GaussianDpEvent)
    assert event == answer.event
    assert answer.stddev == pytest.approx(np.sqrt(2 / float(whole) + 1 / 12), rel=1e-3)
    assert abs(answer.members.sum() + answer.controls.sum() - 100) < 8 * answer.stddev
