"""The second part of an audit: what entries say, one after the other, and what their events cost, computed again."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from dpsynth.accounting.agreement import ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE
from dpsynth.accounting.budget import PrivacyBudget, epsilon_rounded_up
from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.events import ComposedDpEvent, DpEvent
from dpsynth.errors import DpsynthError, InvalidBudget, InvalidInput
from dpsynth.ledger import EntryKind, LedgerEntry
from dpsynth.ledger.account import Account
from dpsynth.ledger.books import Books
from dpsynth.ledger.chain import GENESIS, StoredEntry, canonical_json, chain_digest
from dpsynth.ledger.curve import curve_agrees, curve_of
from dpsynth.ledger.entry import read_entry
from dpsynth.oversight.amounts import epsilon_by_sums, written
from dpsynth.oversight.audit_chain import FoundEntry
from dpsynth.oversight.audit_report import RecomputedCost

MOST_SINGLE = 500
"""Most different releases whose cost is computed one by one; their total always is."""

_ASKED = re.compile(r"epsilon ([0-9.]{1,20}), delta ([0-9.e-]{1,20})")
_SHARE = 0.99


@dataclass(frozen=True, slots=True)
class Replay:
    """The entries of a file, posted one by one.

    Attributes:
        books: what they lead to; entries that are not legal are left out.
        entries: those that are legal, in order.
        unreadable: sentences about content that is no entry.
        illegal: sentences about entries that may not stand where they stand.
        overspent: sentences about prefixes that exceed a budget; one per budget.
        curves: sentences about entries that state another cost than their events have; the first of each budget.
        missing: how many entries the file holds only the digests of.
    """

    books: Books
    entries: tuple[LedgerEntry, ...]
    unreadable: tuple[str, ...]
    illegal: tuple[str, ...]
    overspent: tuple[str, ...]
    curves: tuple[str, ...]
    missing: int


def replay(found: Iterable[FoundEntry]) -> Replay:
    """Post entries in the order of their indexes and remember everything that does not hold."""
    books, missing = Books(), 0
    entries: list[LedgerEntry] = []
    unreadable: list[str] = []
    illegal: list[str] = []
    curves: dict[str, str] = {}
    overspent: dict[str, str] = {}
    for one in found:
        if one.content is None:
            missing += 1
            continue
        try:
            entry = _entry(one)
        except DpsynthError:
            unreadable.append(
                f"entry {one.index} (line {one.line}) is not in a format that this version of dpsynth knows"
            )
            continue
        refusal = books.refusal(entry)
        if refusal is not None:
            illegal.append(f"entry {one.index} (line {one.line}) is not legal there: {refusal}")
            continue
        books.count(entry)
        entries.append(entry)
        accounts = books.accounts_of(entry.dataset)
        for account in accounts:
            if account.records and account.name not in overspent and not account.within_budget(account.spent):
                overspent[account.name] = (
                    f"entry {one.index} (line {one.line}) takes {account.title} over its budget of {account.budget}"
                )
        # One false statement makes those after it false, too.
        curves = {**_curve_problems(one, entry, accounts), **curves}
    return Replay(
        books,
        tuple(entries),
        tuple(unreadable),
        tuple(illegal),
        tuple(overspent.values()),
        tuple(curves.values()),
        missing,
    )


def recomputed(books: Books, settled: dict[int, LedgerEntry]) -> tuple[list[RecomputedCost], list[str]]:
    """Return what every data set and release costs by three accountants, and where they contradict one another.

    `settled` holds the SETTLE entry of each reservation, by the reservation's index.
    """
    totals: list[RecomputedCost] = []
    single: list[RecomputedCost] = []
    problems: list[str] = []
    for account in books.accounts.values():
        if account.budget is None:
            continue
        budget = account.budget
        events = {
            record.entry.release_id: counted(record.entry, settled.get(index))
            for index, record in account.records.items()
            if record.state.value != "void"
        }
        everything = tuple(event for one in events.values() for event in one)
        if everything:
            totals.append(_cost(account.name, "", everything, budget, problems, account.title))
        for release_id, one in list(events.items())[: max(0, MOST_SINGLE - len(single))]:
            name = f"release '{release_id}' of {account.title}"
            single.append(_cost(account.name, release_id, one, budget, problems, name))
    return [*totals, *single], problems


def counted(reserve: LedgerEntry, settle: LedgerEntry | None) -> tuple[DpEvent, ...]:
    """Return the events that count for a reservation now."""
    return tuple(charge.event for charge in (reserve if settle is None else settle).charges)


def asked_problems(entries: Iterable[LedgerEntry]) -> list[str]:
    """Return the reservations whose event is worth less than the request in words: what was asked was not charged."""
    problems = []
    for entry in entries:
        match = _ASKED.fullmatch(entry.asked) if entry.kind is EntryKind.RESERVE else None
        if match is None or entry.event is None:
            continue
        try:
            claim = PrivacyBudget(match[1], match[2])
        except InvalidBudget:
            continue
        charged = epsilon_by_sums(cost_of(entry.event), claim.delta)
        if charged < _SHARE * float(claim.epsilon):
            problems.append(
                f"entry {entry.index} charges less than was asked: {entry.asked} was asked, but its event costs "
                f"epsilon {charged:.4g} at that delta"
            )
    return problems


def _curve_problems(one: FoundEntry, entry: LedgerEntry, accounts: Sequence[Account]) -> dict[str, str]:
    """Return, by population, where the curve that an entry states is not what all events so far cost."""
    if entry.curve is None:
        return {}
    spent = {account.name: account.spent for account in accounts}
    place = f"entry {one.index} (line {one.line})"
    problems = {
        name: f"{place} states no cost, or one too many, for '{name}'" for name in entry.curve.keys() ^ spent.keys()
    }
    for name in entry.curve.keys() & spent.keys():
        if not curve_agrees(entry.curve[name], spent[name]):
            problems[name] = (
                f"{place} states that '{name}' had then spent {_points(entry.curve[name])}, but the events cost "
                f"{_points(curve_of(spent[name]))}"
            )
    return problems


def _points(curve: Mapping[str, str]) -> str:
    return (
        ", ".join(f"epsilon {epsilon} at delta {delta}" for delta, epsilon in sorted(curve.items())) or "nothing finite"
    )


def _entry(one: FoundEntry) -> LedgerEntry:
    """Return what an entry says, whether or not its digest is right, which is asked elsewhere."""
    digest = chain_digest(one.index, GENESIS, one.content_digest)
    return read_entry(StoredEntry(one.index, GENESIS, digest, canonical_json(dict(one.content or {}))))


def _cost(
    dataset: str, release: str, events: Sequence[DpEvent], budget: PrivacyBudget, problems: list[str], name: str
) -> RecomputedCost:
    event = events[0] if len(events) == 1 else ComposedDpEvent(tuple(events))
    sums = epsilon_by_sums(cost_of(event), budget.delta)
    renyi, losses = _by_accountants(event, budget.delta)
    for claimed, by in ((sums, "exact sums give"), (renyi, "Renyi accountant gives")):
        if losses > claimed * (1 + RELATIVE_TOLERANCE) + ABSOLUTE_TOLERANCE and math.isfinite(losses):
            problems.append(
                f"{name}: the {by} epsilon {claimed:.6g} at delta {float(budget.delta):g}, but its events cost "
                f"{losses:.6g} by privacy-loss distributions, which can never be more"
            )
    return RecomputedCost(
        data_set=dataset,
        release=release,
        delta=written(budget.delta),
        sums=_shown(sums),
        renyi=_shown(renyi),
        losses=_shown(losses),
        budget="" if release else written(budget.epsilon),
    )


@lru_cache(maxsize=4096)
def _by_accountants(event: DpEvent, delta: Decimal) -> tuple[float, float]:
    from dpsynth.accounting.pld import PldAccountant
    from dpsynth.accounting.rdp import RdpAccountant

    try:
        renyi, losses = RdpAccountant().compose(event), PldAccountant().compose(event)
    except InvalidInput:
        return math.inf, math.inf
    return renyi.get_epsilon(delta), losses.get_epsilon(delta)


def _shown(epsilon: float) -> str | None:
    return written(epsilon_rounded_up(epsilon)) if math.isfinite(epsilon) else None
