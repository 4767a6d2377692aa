"""Exact sums without reducing a fraction."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from dpsynth.ledger.running_total import RunningTotal

AMOUNTS = st.fractions(min_value=0, max_value=1000, max_denominator=10**12)


@given(st.lists(st.tuples(AMOUNTS, st.booleans(), st.booleans())))
def test_the_sum_and_its_largest_value_are_exact(steps: list[tuple[Fraction, bool, bool]]) -> None:
    total, exact, largest = RunningTotal(), Fraction(0), Fraction(0)
    for amount, taken, marked in steps:
        if taken:
            total.take(amount)
            exact -= amount
        else:
            total.add(amount)
            exact += amount
        if marked:
            total.mark()
            largest = max(largest, exact)
        assert (total.value, total.largest) == (exact, largest)


def test_what_was_added_and_taken_away_leaves_nothing() -> None:
    total = RunningTotal()
    for amount in (Fraction(1, 3), Fraction(1, 10**12), Fraction(2, 7)):
        total.add(amount)
        total.take(amount)
    assert total.value == 0
