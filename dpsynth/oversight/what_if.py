"""What would these releases cost together, and what would be left: asked of the ledger, not of the data.

Nothing is read but the ledger and nothing is written; the answer promises nothing, because somebody else may reserve
before you do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING

from dpsynth.accounting.budget import epsilon_rounded_up
from dpsynth.accounting.cost import ZERO_COST, PrivacyCost, cost_of
from dpsynth.accounting.events import ComposedDpEvent, DpEvent
from dpsynth.accounting.filter import AdaptiveFilter
from dpsynth.errors import InvalidInput
from dpsynth.ledger import BudgetPolicy, Ledger
from dpsynth.ledger.account import Account
from dpsynth.ledger.reservation_record import ReservationState
from dpsynth.oversight.amounts import cost_to_json, currency_of, epsilon_of, percent, written
from dpsynth.oversight.requests import ReleaseRequest, RequestLike, read_requests

if TYPE_CHECKING:
    from rich.console import Group


@dataclass(frozen=True, slots=True)
class RequestOutlook:
    """One release that is thought about.

    Attributes:
        name: what it is called.
        asked: the request in words.
        epsilon: what it costs alone, at the delta of the budget, rounded up; None: infinite.
        share: which part of the whole budget that is; None: infinite.
        fits: whether it would be granted after those before it in the list that would be.
        left_after: what would be left then, in words.
    """

    name: str
    asked: str
    epsilon: str | None
    share: float | None
    fits: bool
    left_after: str


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What releases would cost together; shows itself in terminals and notebooks.

    Every epsilon is at the delta of the budget and rounded up at the fourth decimal.

    Attributes:
        data_set: the data set.
        budget: its budget, in words.
        left_now: what is left before any of them, in words.
        requests: the releases, in the order in which they would be asked for.
        together_adaptive: what all of them cost together where each may be chosen after seeing the earlier ones.
        together_plan: what they cost together where all are fixed beforehand (privacy loss distributions).
        together_certificates: the sum of their epsilons alone, which is what adding certificates would say.
        with_spent: what they and everything spent before cost together.
        cost: what all of them cost together, in numbers.
        share: which part of the whole budget that is.
        fits: whether all of them fit.
        left_after: what would be left after those that fit, in words.
        left_epsilon: the same as the largest epsilon of one more release.
    """

    data_set: str
    budget: str
    left_now: str
    requests: tuple[RequestOutlook, ...]
    together_adaptive: str | None
    together_plan: str | None
    together_certificates: str | None
    with_spent: str | None
    cost: dict[str, float | None]
    share: float | None
    fits: bool
    left_after: str
    left_epsilon: str

    @property
    def refused(self) -> tuple[str, ...]:
        """Names of the releases that would be refused."""
        return tuple(outlook.name for outlook in self.requests if not outlook.fits)

    def to_json(self) -> dict[str, object]:
        """Return everything as a JSON object."""
        return {**asdict(self), "refused": list(self.refused)}

    def __rich__(self) -> Group:
        """Return a table for a terminal, at least 80 columns wide."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("release", overflow="fold")
        table.add_column("asked", overflow="fold")
        table.add_column("alone", justify="right", no_wrap=True)
        table.add_column("of budget", justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
        table.add_column("left after it", overflow="fold")
        for one in self.requests:
            verdict = Text("fits", style="green") if one.fits else Text("refused", style="bold red")
            table.add_row(
                Text(one.name), Text(one.asked), _shown(one.epsilon), percent(one.share), verdict, Text(one.left_after)
            )
        facts = Table.grid(padding=(0, 2, 0, 0))
        facts.add_column(style="dim", no_wrap=True)
        facts.add_column(overflow="fold")
        for name, value in self._facts():
            facts.add_row(name, Text(value))
        heading = Text.assemble((self.data_set, "bold"), f"  budget {self.budget}; left now: {self.left_now}")
        return Group(heading, Text(""), table, Text(""), facts)

    def _repr_html_(self) -> str:
        """Return the same for a notebook; it needs no network."""
        from dpsynth.oversight.page import fragment

        rows = "".join(
            f"<tr><th scope='row'>{escape(one.name)}</th><td>{escape(one.asked)}</td><td class='n'>"
            f"{_shown(one.epsilon)}</td><td class='n'>{percent(one.share)}</td>"
            f"<td class='{'good' if one.fits else 'bad'}'>{'fits' if one.fits else 'refused'}</td>"
            f"<td>{escape(one.left_after)}</td></tr>"
            for one in self.requests
        )
        facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in self._facts())
        return fragment(
            f"<h3>{escape(self.data_set)}</h3><p>budget {escape(self.budget)}; left now: {escape(self.left_now)}</p>"
            "<table><thead><tr><th scope='col'>release</th><th scope='col'>asked</th><th scope='col' class='n'>alone"
            "</th><th scope='col' class='n'>of budget</th><th scope='col'></th><th scope='col'>left after it</th></tr>"
            f"</thead><tbody>{rows}</tbody></table><dl>{facts}</dl>"
        )

    def _facts(self) -> list[tuple[str, str]]:
        verdict = "all of them fit" if self.fits else f"would be refused: {', '.join(self.refused)}"
        return [
            ("together", f"epsilon {_shown(self.together_adaptive)}, {percent(self.share)} of the budget; {verdict}"),
            ("as a fixed plan", f"epsilon {_shown(self.together_plan)}, if all were decided on beforehand"),
            ("certificates added", f"epsilon {_shown(self.together_certificates)}; what adding epsilons would say"),
            ("with what is spent", f"epsilon {_shown(self.with_spent)}"),
            ("left after", self.left_after),
            ("", "Every epsilon is at the delta of the budget. No data was read; nothing was written or reserved."),
        ]


def what_if(ledger: Ledger, dataset: str, releases: Iterable[RequestLike]) -> WhatIf:
    """Return what `releases` would cost together, which of them would be refused, and what would be left.

    Args:
        ledger: the ledger; nothing is written to it.
        dataset: the data set whose populations would be charged, or one population.
        releases: each (epsilon, delta), a `PrivacyBudget`, an event, the text `NAME:epsilon=E,delta=D`, or a mapping
            with `name`, `epsilon`, `delta`, `rho`, `mu`, `event` or `count`.

    Raises:
        BudgetNotSet: a population has no budget.
        InvalidInput: a release has another form.

    Privacy: charges nothing; rows are not touched.
    """
    requests = read_requests(releases)
    whole, spent, left_now = ledger.filter(dataset), ledger.spent(dataset), ledger.remaining(dataset)
    rooms = [_Room(account) for account in ledger.books().accounts_of(dataset)]
    costs = [cost_of(request.event) for request in requests]
    together = sum(costs, ZERO_COST)
    currency = currency_of(whole, spent + together)
    outlooks = []
    for request, cost in zip(requests, costs, strict=True):
        fits = all(room.fits(request.event, cost) for room in rooms)
        if fits:
            for room in rooms:
                room.take(request.event, cost)
        outlooks.append(
            RequestOutlook(
                name=request.name,
                asked=request.asked,
                epsilon=_written_or_none(epsilon_of(whole, cost)),
                share=currency.share(cost),
                fits=fits,
                left_after=_tightest(rooms).left(),
            )
        )
    return WhatIf(
        data_set=dataset,
        budget=str(whole.budget),
        left_now=left_now,
        requests=tuple(outlooks),
        together_adaptive=_written_or_none(epsilon_of(whole, together)),
        together_plan=_plan(requests, whole, together),
        together_certificates=_added(outlooks),
        with_spent=_written_or_none(epsilon_of(whole, spent + together)),
        cost=cost_to_json(together),
        share=currency.share(together),
        fits=all(outlook.fits for outlook in outlooks),
        left_after=_tightest(rooms).left(),
        left_epsilon=written(_tightest(rooms).largest()),
    )


class _Room:
    """What one population would have left, request after request."""

    __slots__ = ("_account", "_filter", "_free", "_granted")

    def __init__(self, account: Account) -> None:
        self._account = account
        self._filter = account.filter()
        self._granted = ZERO_COST
        self._free = Counter(account.plan.events) if account.plan is not None else Counter[DpEvent]()
        for record in account.records.values():
            if record.state is not ReservationState.VOID and record.entry.event is not None:
                self._free[record.entry.event] -= 1

    def fits(self, event: DpEvent, cost: PrivacyCost) -> bool:
        if self._account.overspent:
            return False
        if self._account.policy is BudgetPolicy.PLAN:
            return self._free[event] > 0
        return self._filter.admits(self._account.spent + self._granted, cost)

    def take(self, event: DpEvent, cost: PrivacyCost) -> None:
        self._granted = self._granted + cost
        self._free[event] -= 1

    def left(self) -> str:
        if self._account.overspent or self._account.policy is not BudgetPolicy.PLAN:
            return self._account.describe_remaining(self._granted)
        events = self._account.plan.events if self._account.plan is not None else ()
        return f"{sum(count for count in self._free.values() if count > 0)} of {len(events)} planned requests"

    def largest(self) -> Decimal:
        if self._account.overspent or self._account.policy is BudgetPolicy.PLAN:
            return Decimal(0)
        return self._filter.largest_epsilon(self._account.spent + self._granted, self._filter.budget.delta)


def _tightest(rooms: Sequence[_Room]) -> _Room:
    return rooms[0] if len(rooms) == 1 else min(rooms, key=_Room.largest)


def _plan(requests: Sequence[ReleaseRequest], whole: AdaptiveFilter, together: PrivacyCost) -> str | None:
    """Return what the list costs as a whole; never more than the filter says, whose bound holds for plans as well."""
    from dpsynth.accounting.pld import PldAccountant

    try:
        losses = PldAccountant().compose(ComposedDpEvent(tuple(request.event for request in requests)))
        found = losses.get_epsilon(whole.budget.delta)
    except InvalidInput:
        found = float("inf")
    adaptive = epsilon_of(whole, together)
    candidates = [] if adaptive is None else [adaptive]
    if found < float("inf"):
        candidates.append(epsilon_rounded_up(found))
    return _written_or_none(min(candidates, default=None))


def _added(outlooks: Sequence[RequestOutlook]) -> str | None:
    parts = [outlook.epsilon for outlook in outlooks]
    return None if None in parts else written(sum((Decimal(part) for part in parts if part is not None), Decimal(0)))


def _written_or_none(epsilon: Decimal | None) -> str | None:
    return None if epsilon is None else written(epsilon)


def _shown(epsilon: str | None) -> str:
    return "unbounded" if epsilon is None else epsilon
