"""Who spent what and when: periods, people, and sums that agree with the account."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dpsynth.accounting.events import GdpEvent
from dpsynth.ledger import Ledger
from dpsynth.oversight import Period, timeline
from tests.oversight.spending import reserve, spend


@pytest.fixture
def spent(ledger: Ledger, pretend: Callable[[str, str], None]) -> Ledger:
    for actor, day, release_id in (
        ("ada", "2025-11-30", "a"),
        ("ada", "2025-12-01", "b"),
        ("grace", "2025-12-31", "c"),
        ("ada", "2026-03-01", "d"),
    ):
        pretend(actor, day)
        spend(ledger, "patients", release_id, "1/100")
    return ledger


def test_rows_are_by_period_data_set_and_account(spent: Ledger) -> None:
    found = timeline(spent, "patients")
    assert [(row.period, row.by, row.releases) for row in found.rows] == [
        ("2025-11", "ada", 1), ("2025-12", "ada", 1), ("2025-12", "grace", 1), ("2026-03", "ada", 1),
    ]  # fmt: skip
    (total,) = found.totals
    assert found.rows[-1].share_so_far == pytest.approx(total.share)
    assert total.periods == ("2025-11", "2025-12", "2026-01", "2026-02", "2026-03")
    assert [share > 0 for share in total.shares] == [True, True, False, False, True]
    assert sum(total.shares) == pytest.approx(total.share)


def test_quarters_and_years_add_months_up(spent: Ledger) -> None:
    quarters = timeline(spent, "patients", period="quarter")
    assert [(row.period, row.by, row.releases) for row in quarters.rows] == [
        ("2025-Q4", "ada", 2), ("2025-Q4", "grace", 1), ("2026-Q1", "ada", 1),
    ]  # fmt: skip
    assert quarters.totals[0].periods == ("2025-Q4", "2026-Q1")
    assert [row.releases for row in timeline(spent, period=Period.YEAR).rows] == [2, 1, 1]


def test_what_was_given_back_is_no_spending(ledger: Ledger) -> None:
    ledger.void(reserve(ledger, "patients", "x", GdpEvent(Fraction(1, 100))))
    assert timeline(ledger).rows == ()


@given(first=st.dates(), days=st.integers(0, 2000), period=st.sampled_from(Period))
def test_periods_between_two_times_are_ordered_and_end_where_they_should(
    first: object, days: int, period: Period
) -> None:
    from datetime import date, timedelta

    start = max(first, date(1, 1, 1))  # type: ignore[type-var]
    end = min(date.max - timedelta(days=days), start) + timedelta(days=days)  # type: ignore[type-var]
    names = period.between(period.of(f"{min(start, end)}T"), period.of(f"{end}T"))
    assert names == sorted(set(names))
    assert names[-1] == period.of(f"{end}T")


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits_a_terminal_and_nothing_in_it_is_markup(
    ledger: Ledger, pretend: Callable[[str, str], None], width: int
) -> None:
    pretend("[red]<b>eve</b>", "2026-01-01")
    spend(ledger, "patients", "a", "1/100")
    console = Console(width=width, record=True, force_terminal=False, file=io.StringIO())
    console.print(timeline(ledger))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    assert "[red]<b>eve</b>" in "\n".join(lines)
    page = timeline(ledger)._repr_html_()
    assert "<b>eve" not in page
    assert "[red]&lt;b&gt;eve" in page


def test_a_timeline_is_json(spent: Ledger) -> None:
    written = json.loads(json.dumps(timeline(spent).to_json()))
    assert set(written) == {"period", "rows", "totals"}
    assert set(written["rows"][0]) == {
        "period", "population", "data_set", "by", "releases", "share", "share_so_far", "epoch",
    }  # fmt: skip
