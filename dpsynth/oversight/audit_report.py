"""What an audit of a ledger found: what holds, what does not and where, and every epsilon computed again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING

from dpsynth.ledger import Head

if TYPE_CHECKING:
    from rich.console import Group

_MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """One kind of check.

    Attributes:
        name: what was checked.
        passed: whether it holds everywhere.
        explanation: what was looked at, in one sentence.
        problems: what does not hold and where, one sentence each.
    """

    name: str
    passed: bool
    explanation: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecomputedCost:
    """What events cost by four ways of computing, each at the delta of the budget.

    The first three are rounded up at the fourth decimal.

    Attributes:
        data_set: whose events.
        release: the release; empty for all of them together.
        delta: the delta of the data set's budget.
        sums: epsilon by exact sums, which is what the ledger counts with; None: infinite.
        renyi: epsilon by Renyi divergences; None: infinite.
        losses: epsilon by privacy-loss distributions; None: infinite, or too many different events.
        audited: the best guess of another method, rounded neither up nor down; None: it does not know all the events.
        budget: epsilon of the budget; empty for a single release.
    """

    data_set: str
    release: str
    delta: str
    sums: str | None
    renyi: str | None
    losses: str | None
    audited: str | None
    budget: str


@dataclass(frozen=True, slots=True)
class LedgerAudit:
    """The result of `audit_ledger`; shows itself in terminals and notebooks.

    Attributes:
        source: name of the file.
        entries: number of entries in it.
        head: its last entry.
        checks: all checks, in the order in which they build on one another.
        costs: what was computed again, data sets first.
    """

    source: str
    entries: int
    head: Head
    checks: tuple[AuditCheck, ...]
    costs: tuple[RecomputedCost, ...]

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong and where, one sentence each; empty where nothing is."""
        return tuple(problem for check in self.checks for problem in check.problems)

    def to_json(self) -> dict[str, object]:
        """Return everything as a JSON object."""
        return {
            "source": self.source,
            "ok": self.ok,
            "entries": self.entries,
            "head": {"index": self.head.index, "digest": self.head.digest},
            "checks": [asdict(check) for check in self.checks],
            "problems": list(self.problems),
            "costs": [asdict(cost) for cost in self.costs],
        }

    def __str__(self) -> str:
        """Return the verdict and every problem, a line each."""
        return "\n".join([self._verdict(), *(f"- {problem}" for problem in self.problems)])

    def __rich__(self) -> Group:
        """Return checks, problems and costs for a terminal, at least 80 columns wide."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        checks = Table.grid(padding=(0, 2, 0, 0))
        for check in self.checks:
            mark = Text("ok", style="green") if check.passed else Text("FAIL", style="bold red")
            checks.add_row(mark, Text(check.name), Text(check.explanation))
            for problem in check.problems[:_MOST_SHOWN]:
                checks.add_row("", "", Text(f"- {problem}", style="red"))
            if len(check.problems) > _MOST_SHOWN:
                checks.add_row("", "", Text(f"- and {len(check.problems) - _MOST_SHOWN:,} more", style="red"))
        costs = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for name in ("data set", "release"):
            costs.add_column(name, overflow="fold")
        for name in ("at delta", "sums", "Renyi", "losses", "audit", "budget"):
            costs.add_column(name, justify="right", no_wrap=True)
        for cost in self.costs[:_MOST_SHOWN]:
            costs.add_row(*map(Text, _cells(cost)))
        verdict = Text(self._verdict(), style="bold green" if self.ok else "bold red")
        return Group(verdict, Text(""), checks, Text(""), *([costs] if self.costs else []))

    def _repr_html_(self) -> str:
        """Return the same for a notebook; it needs no network."""
        from dpsynth.oversight.page import fragment

        checks = "".join(
            f"<tr><td class='{'good' if check.passed else 'bad'}'>{'ok' if check.passed else 'FAIL'}</td>"
            f"<th scope='row'>{escape(check.name)}</th><td>{escape(check.explanation)}"
            + "".join(f"<p class='bad'>{escape(problem)}</p>" for problem in check.problems[:_MOST_SHOWN])
            + "</td></tr>"
            for check in self.checks
        )
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td{'' if place < 2 else ' class=n'}>{escape(cell)}</td>" for place, cell in enumerate(_cells(cost))
            )
            + "</tr>"
            for cost in self.costs[:_MOST_SHOWN]
        )
        heads = "".join(f"<th scope='col'>{name}</th>" for name in ("data set", "release"))
        heads += "".join(
            f"<th scope='col' class='n'>{name}</th>"
            for name in ("at delta", "sums", "Renyi", "losses", "audit", "budget")
        )
        return fragment(
            f"<h3 class='{'good' if self.ok else 'bad'}'>{escape(self._verdict())}</h3><table>{checks}</table>"
            f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def _verdict(self) -> str:
        if self.ok:
            return f"{self.source}: {self.entries:,} entries, and every check holds"
        count = len(self.problems)
        return f"{self.source}: {count} problem{'' if count == 1 else 's'} in {self.entries:,} entries"


def _cells(cost: RecomputedCost) -> tuple[str, ...]:
    bounds = ("-" if amount is None else amount for amount in (cost.sums, cost.renyi, cost.losses, cost.audited))
    return (cost.data_set, cost.release[:12] or "all together", f"{float(cost.delta):g}", *bounds, cost.budget)
