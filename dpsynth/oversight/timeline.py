"""Who spent what, and when: the releases of a ledger by period, data set and account."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from html import escape
from typing import TYPE_CHECKING

from dpsynth.ledger import Ledger
from dpsynth.oversight.account import DatasetAccount, ReleaseLine, accounts
from dpsynth.oversight.amounts import bar, percent, sparkline

if TYPE_CHECKING:
    from rich.console import Group

_BAR = 12
_LONGEST_GAP = 60


class Period(StrEnum):
    """How long one line of a timeline lasts; all in UTC."""

    DAY = "day"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"

    def of(self, time: str) -> str:
        """Return the name of the period that holds `time`, such as 2026-11 or 2026-Q4; names sort by time."""
        if self is Period.QUARTER:
            return f"{time[:4]}-Q{(int(time[5:7]) + 2) // 3}"
        return time[: {Period.DAY: 10, Period.MONTH: 7, Period.YEAR: 4}[self]]

    def between(self, first: str, last: str) -> list[str]:
        """Return all periods from `first` to `last`, both included."""
        names = [first]
        while names[-1] < last and len(names) <= _LONGEST_GAP:
            names.append(self._after(names[-1]))
        return names if names[-1] == last else [first, last]

    def _after(self, name: str) -> str:
        from datetime import date, timedelta

        year = int(name[:4])
        if self is Period.YEAR:
            return f"{year + 1:04}"
        if self is Period.QUARTER:
            quarter = int(name[6:])
            return f"{year}-Q{quarter + 1}" if quarter < 4 else f"{year + 1:04}-Q1"
        if self is Period.MONTH:
            month = int(name[5:7])
            return f"{year}-{month + 1:02}" if month < 12 else f"{year + 1:04}-01"
        return (date.fromisoformat(name) + timedelta(days=1)).isoformat()


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """What one account spent on one data set in one period.

    Attributes:
        period: such as 2026-11 or 2026-Q4.
        population: whose budget was charged; the data set itself where it shares its budget with no other.
        data_set: the data set that was read.
        by: who asked.
        releases: number of releases that were reserved in the period, given-up ones left out.
        share: which part of the budget they cost; None: infinite, or there is no budget.
        share_so_far: which part of the budget is spent up to and with this row.
        epoch: which budget of the population, from 1.
    """

    period: str
    population: str
    data_set: str
    by: str
    releases: int
    share: float | None
    share_so_far: float | None
    epoch: int


@dataclass(frozen=True, slots=True)
class TimelineTotal:
    """What one budget paid for over the whole time.

    Attributes:
        data_set: the data set, or the population that several of them charge.
        budget: its budget, in words.
        share: which part of it is spent.
        left: what is left, in words.
        periods: names of all periods from the first release to the last.
        shares: spent in each of them.
    """

    data_set: str
    budget: str
    share: float | None
    left: str
    periods: tuple[str, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Spending by period, data set and account, oldest first; shows itself in terminals and notebooks.

    Attributes:
        period: how long one row lasts.
        rows: one per period, data set and account.
        totals: one per data set.
    """

    period: Period
    rows: tuple[TimelineRow, ...]
    totals: tuple[TimelineTotal, ...]

    def to_json(self) -> dict[str, object]:
        """Return everything as a JSON object."""
        return asdict(self)

    def __rich__(self) -> Group:
        """Return a table for a terminal, at least 80 columns wide."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for name in (self.period.value, "data set", "by"):
            table.add_column(name, overflow="fold")
        table.add_column("releases", justify="right")
        table.add_column("spent", justify="right", no_wrap=True)
        table.add_column("so far", justify="right", no_wrap=True)
        table.add_column("", no_wrap=True, min_width=_BAR)
        for row in self.rows:
            table.add_row(
                *(Text(name) for name in (row.period, _place(row), row.by)),
                f"{row.releases:,}",
                percent(row.share),
                percent(row.share_so_far),
                Text(bar(row.share_so_far, _BAR), style="cyan"),
            )
        totals = Table.grid(padding=(0, 2, 0, 0))
        for total in self.totals:
            totals.add_row(Text(total.data_set, style="bold"), Text(_line_of(total), style="cyan"), _summary(total))
        return Group(table if self.rows else Text("nothing was spent yet"), Text(""), totals)

    def _repr_html_(self) -> str:
        """Return a table for a notebook; it needs no network."""
        from dpsynth.oversight.page import fragment, meter

        rows = "".join(
            f"<tr><th scope='row'>{escape(row.period)}</th><td>{escape(_place(row))}</td><td>{escape(row.by)}</td>"
            f"<td class='n'>{row.releases:,}</td><td class='n'>{percent(row.share)}</td>"
            f"<td class='n'>{percent(row.share_so_far)}</td><td>{meter(row.share_so_far)}</td></tr>"
            for row in self.rows
        )
        heads = "".join(
            f"<th scope='col'{kind}>{name}</th>"
            for name, kind in (
                (self.period.value, ""),
                ("data set", ""),
                ("by", ""),
                ("releases", " class='n'"),
                ("spent", " class='n'"),
                ("so far", " class='n'"),
                ("", ""),
            )
        )
        notes = "".join(
            f"<p>{escape(total.data_set)} {_line_of(total)} {escape(_summary(total))}</p>" for total in self.totals
        )
        return fragment(f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{notes}")


def timeline(ledger: Ledger, dataset: str | None = None, *, period: Period | str = Period.MONTH) -> Timeline:
    """Return who spent what on which data set, and when.

    Args:
        ledger: the ledger; nothing is written to it.
        dataset: one data set or population; all if not given.
        period: `day`, `month`, `quarter` or `year`.
    """
    return timeline_of(accounts(ledger, dataset), Period(period))


def timeline_of(found: Sequence[DatasetAccount], period: Period) -> Timeline:
    """Return the timeline of accounts that were read before."""
    rows = sorted((row for account in found for row in _rows(account, period)), key=lambda row: row.period)
    return Timeline(period, tuple(rows), tuple(_total(account, period) for account in found))


def _rows(account: DatasetAccount, period: Period) -> Iterable[TimelineRow]:
    groups: dict[tuple[int, str, str, str], list[ReleaseLine]] = {}
    for line in account.releases:
        if any(amount != 0 for amount in line.cost.values()):
            groups.setdefault((line.epoch, period.of(line.time), line.data_set, line.by), []).append(line)
    spent: dict[int, float | None] = {}
    for (epoch, name, dataset, by), lines in sorted(groups.items()):
        share, before = _sum(lines), spent.get(epoch, 0.0)
        spent[epoch] = None if before is None or share is None else before + share
        yield TimelineRow(name, account.data_set, dataset, by, len(lines), share, spent[epoch], epoch)


def _total(account: DatasetAccount, period: Period) -> TimelineTotal:
    spent: dict[str, float] = {}
    for line in account.releases:
        name = period.of(line.time)
        spent[name] = spent.get(name, 0.0) + (line.share or 0.0)
    names = period.between(min(spent), max(spent)) if spent else []
    return TimelineTotal(
        data_set=account.data_set,
        budget=account.budget,
        share=account.spent_share,
        left=account.left,
        periods=tuple(names),
        shares=tuple(spent.get(name, 0.0) for name in names),
    )


def _sum(lines: Iterable[ReleaseLine]) -> float | None:
    shares = [line.share for line in lines]
    finite = [share for share in shares if share is not None]
    return sum(finite) if len(finite) == len(shares) else None


def _place(row: TimelineRow) -> str:
    return row.data_set if row.data_set == row.population else f"{row.population}: {row.data_set}"


def _line_of(total: TimelineTotal) -> str:
    return sparkline(list(total.shares)) if len(total.shares) > 1 else ""


def _summary(total: TimelineTotal) -> str:
    return f"{percent(total.share)} of {total.budget} is spent; left: {total.left}"
