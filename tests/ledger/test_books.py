"""Books refuse every history that a ledger would not have written."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.cost import ZERO_COST
from dpsynth.accounting.events import DpEvent, GdpEvent
from dpsynth.errors import LedgerCorrupted
from dpsynth.ledger.books import Books, checked_books
from dpsynth.ledger.chain import StoredEntry
from dpsynth.ledger.entry import entry_after
from dpsynth.ledger.running_cost import CostInUnits, is_at_most
from dpsynth.ledger.statement import Charge, EntryKind, Statement
from tests.ledger.requests_for_tests import DATASET, UNIT, pure


def said(kind: EntryKind, *events: DpEvent, reservation: int | None = None, release_id: str = "r1") -> Statement:
    return Statement(
        kind=kind,
        dataset=DATASET,
        release_id=release_id,
        reservation=reservation,
        charges=tuple(Charge("count", event) for event in events),
        unit=UNIT,
    )


BUDGET = Statement(kind=EntryKind.BUDGET, dataset=DATASET, budget=PrivacyBudget(1, 0), unit=UNIT)
RESERVE = said(EntryKind.RESERVE, pure("0.4"))
OPEN = said(EntryKind.OPEN, reservation=2)
SETTLE = said(EntryKind.SETTLE, pure("0.1"), reservation=2)
VOID = said(EntryKind.VOID, reservation=2)
NOTE = said(EntryKind.NOTE)


def chained(*statements: Statement) -> list[StoredEntry]:
    """Return the rows that a forger with the right digests would write."""
    head, rows = Books().head, []
    for statement in statements:
        entry = entry_after(head, statement)
        head = entry.head
        rows.append(entry.stored())
    return rows


def test_the_first_entry_that_does_not_hold_is_named_although_a_later_one_cannot_be_read() -> None:
    rows = chained(BUDGET, BUDGET, NOTE)
    with pytest.raises(LedgerCorrupted, match="entry 2 is not legal"):
        checked_books([*rows[:2], rows[2]._replace(content="{}")])
    with pytest.raises(LedgerCorrupted, match="entry 3 was changed"):
        checked_books([*chained(BUDGET, NOTE, NOTE)[:2], rows[2]._replace(content="{}")])
    books = Books()
    with pytest.raises(LedgerCorrupted, match="entry 3 was changed"):
        books.post_rows([*chained(BUDGET, NOTE), rows[2]._replace(content="{}")])
    assert len(books.entries) == books.head.index == 2


@pytest.mark.parametrize(
    ("history", "epsilon"),
    [
        ([], Fraction(0)),
        ([BUDGET], Fraction(0)),
        ([BUDGET, RESERVE], Fraction(2, 5)),
        ([BUDGET, RESERVE, OPEN], Fraction(2, 5)),
        ([BUDGET, RESERVE, OPEN, NOTE, SETTLE], Fraction(1, 10)),
        ([BUDGET, RESERVE, VOID], Fraction(0)),
        ([BUDGET, RESERVE, VOID, RESERVE, RESERVE], Fraction(4, 5)),
    ],
)
def test_legal_histories(history: list[Statement], epsilon: Fraction) -> None:
    assert checked_books(chained(*history)).account(DATASET).spent.epsilon == epsilon
    Books(audit=True).post_rows(chained(*history))


@pytest.mark.parametrize(
    ("history", "words"),
    [
        ([RESERVE], "has no budget"),
        ([BUDGET, BUDGET], "already has a budget"),
        ([dataclasses.replace(BUDGET, budget=None)], "holds a budget and nothing else"),
        ([BUDGET, dataclasses.replace(RESERVE, unit="one household")], "different units"),
        ([BUDGET, said(EntryKind.RESERVE)], "exactly one charge"),
        ([BUDGET, said(EntryKind.RESERVE, pure("0.1"), pure("0.1"))], "exactly one charge"),
        ([BUDGET, OPEN], "does not hold"),
        ([BUDGET, RESERVE, SETTLE], "is reserved"),
        ([BUDGET, RESERVE, OPEN, OPEN], "is open"),
        ([BUDGET, RESERVE, OPEN, VOID], "is open"),
        ([BUDGET, RESERVE, VOID, OPEN], "is void"),
        ([BUDGET, RESERVE, OPEN, SETTLE, SETTLE], "is settled"),
        ([BUDGET, RESERVE, said(EntryKind.OPEN, pure("0.1"), reservation=2)], "holds no charge"),
        ([BUDGET, RESERVE, said(EntryKind.OPEN, reservation=2, release_id="r2")], "does not hold"),
        ([BUDGET, RESERVE, OPEN, said(EntryKind.SETTLE, pure("0.5"), reservation=2)], "more than it had reserved"),
        ([BUDGET, said(EntryKind.NOTE, pure("0.1"))], "a note holds no"),
        ([BUDGET, RESERVE, said(EntryKind.RESERVE, pure("0.7"))], "over its budget"),
        ([BUDGET, said(EntryKind.RESERVE, pure("1.1")), VOID], "over its budget"),
    ],
)
def test_illegal_histories_are_refused_in_words(history: list[Statement], words: str) -> None:
    with pytest.raises(LedgerCorrupted, match=words) as refused:
        checked_books(chained(*history))
    assert "entry " in str(refused.value)


def test_an_entry_must_follow_the_last() -> None:
    rows = chained(BUDGET, RESERVE, OPEN)
    for broken in (rows[1:], [rows[0], rows[2]], [rows[0], rows[0]], rows[::-1]):
        with pytest.raises(LedgerCorrupted, match="does not follow"):
            checked_books(broken)


COSTS = st.sampled_from(["0.05", "0.1", "0.3", "0.5"])


@given(st.lists(st.tuples(COSTS, st.sampled_from(["keep", "void", "settle"])), max_size=6))
@settings(max_examples=40)
def test_the_quick_check_of_all_prefixes_agrees_with_the_slow_one(steps: list[tuple[str, str]]) -> None:
    history = [BUDGET]
    for epsilon, fate in steps:
        history.append(said(EntryKind.RESERVE, pure(epsilon)))
        reservation = len(history)
        if fate == "void":
            history.append(said(EntryKind.VOID, reservation=reservation))
        if fate == "settle":
            history.append(said(EntryKind.OPEN, reservation=reservation))
            history.append(said(EntryKind.SETTLE, pure("0.05"), reservation=reservation))
    verdicts = []
    for check in (checked_books, Books(audit=True).post_rows):
        try:
            check(chained(*history))
            verdicts.append("kept")
        except LedgerCorrupted as refused:
            verdicts.append(str(refused))
    assert verdicts[0] == verdicts[1]


def test_costs_are_compared_part_by_part_and_none_is_infinity() -> None:
    bounded = CostInUnits(rho=1, epsilon=1, delta=1, mu_squared=1)
    for larger in (
        *(bounded._replace(**{part: 2}) for part in bounded._fields),
        *(bounded._replace(**{part: None}) for part in ("rho", "epsilon", "mu_squared")),
    ):
        assert is_at_most(bounded, larger)
        assert not is_at_most(larger, bounded)
    assert is_at_most(bounded, bounded)
    unbounded = CostInUnits(rho=None, epsilon=1, delta=1, mu_squared=None)
    assert is_at_most(unbounded, unbounded._replace(epsilon=2))


def test_an_infinite_reservation_that_is_settled_leaves_no_infinity_behind() -> None:
    budget = dataclasses.replace(BUDGET, budget=PrivacyBudget(1, Decimal("1e-6")))
    rho = GdpEvent(Fraction(1, 1000))
    books = checked_books(chained(budget, said(EntryKind.RESERVE, rho), OPEN))
    assert books.account(DATASET).spent.epsilon is None
    books = checked_books(
        chained(budget, said(EntryKind.RESERVE, rho), OPEN, said(EntryKind.SETTLE, reservation=2), NOTE)
    )
    assert books.account(DATASET).spent == ZERO_COST
