"""The second part of an audit: what entries say, one after the other, and what their events cost, computed again."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from dpsynth.accounting.accountant import simple_events
from dpsynth.accounting.agreement import ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE
from dpsynth.accounting.budget import PrivacyBudget, epsilon_rounded_up
from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.events import ComposedDpEvent, DpEvent
from dpsynth.errors import DpsynthError, InvalidBudget, InvalidInput
from dpsynth.ledger import EntryKind, LedgerEntry
from dpsynth.ledger.account import Account
from dpsynth.ledger.books import Books
from dpsynth.ledger.chain import Head, StoredEntry, chain_digest
from dpsynth.ledger.curve import curve_agrees, curve_of
from dpsynth.ledger.entry import read_entry
from dpsynth.ledger.reservation_record import ReservationState
from dpsynth.oversight.amounts import epsilon_by_sums, written
from dpsynth.oversight.audit_chain import FoundEntry
from dpsynth.oversight.audit_report import RecomputedCost

if TYPE_CHECKING:
    from dpsynth.accounting.loss_audit import AuditedEpsilon

MOST_RELEASES = 200
"""Most releases whose cost is computed one by one, unless more are asked for; their total always is."""

_MOST_KINDS = 2000
"""Most different events that privacy-loss distributions are composed of; more would take minutes."""

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
    for one in found:
        previous, books.head = books.head, Head(one.index, one.digest)
        if not one.text:
            missing += 1
            continue
        try:
            entry = _entry(one, previous)
        except DpsynthError:
            unreadable.append(
                f"entry {one.index} (line {one.line}) is not in a format that this version of dpsynth knows"
            )
            continue
        # A signature of a head is one of the entry before it.
        books.head = previous
        refusal = books.refusal(entry)
        books.head = entry.head
        if refusal is not None:
            illegal.append(f"entry {one.index} (line {one.line}) is not legal there: {refusal}")
            continue
        books.count(entry)
        entries.append(entry)
        # One false statement makes those after it false, too.
        curves = {**_curve_problems(one, entry, books.accounts_of(entry.dataset)), **curves}
    return Replay(
        books,
        tuple(entries),
        tuple(unreadable),
        tuple(illegal),
        _overspent(books, entries),
        tuple(curves.values()),
        missing,
    )


def _overspent(books: Books, entries: Sequence[LedgerEntry]) -> tuple[str, ...]:
    """Return, for each budget that was exceeded, the first entry after which it was."""
    if books.budgets_kept():
        return ()
    again, found = Books(), dict[str, str]()
    for entry in entries:
        again.count(entry)
        for account in again.accounts_of(entry.dataset):
            if account.records and account.name not in found and not account.within_budget(account.spent):
                found[account.name] = f"entry {entry.index} takes {account.title} over its budget of {account.budget}"
    return tuple(found.values())


def recomputed(
    books: Books, entries: Iterable[LedgerEntry], most: int = MOST_RELEASES
) -> tuple[list[RecomputedCost], list[str]]:
    """Return what every budget and release costs by several accountants, and where they contradict one another.

    At most `most` releases are computed one by one, the newest of each budget.
    """
    settled: dict[int, LedgerEntry] = {}
    terms: dict[str, list[LedgerEntry]] = {}
    for entry in entries:
        if entry.kind is EntryKind.SETTLE:
            settled[entry.reservation or 0] = entry
        elif entry.kind in {EntryKind.BUDGET, EntryKind.EPOCH}:
            terms.setdefault(entry.dataset, []).append(entry)
    totals: list[RecomputedCost] = []
    single: list[RecomputedCost] = []
    problems: list[str] = []
    for account in books.accounts.values():
        for epoch, term in enumerate(terms.get(account.name, ()), start=1):
            events = {
                record.entry.release_id: counted(record.entry, settled.get(index))
                for index, record in account.records.items()
                if record.epoch == epoch and record.state is not ReservationState.VOID
            }
            which = f", epoch {epoch}" if account.epoch > 1 else ""
            everything = tuple(event for one in events.values() for event in one)
            if term.budget is None or not everything:
                continue
            totals.append(_cost(account.name + which, "", everything, term.budget, problems, account.title + which))
            newest = list(events.items())[max(0, len(events) - (most - len(single))) :]
            for release_id, one in newest:
                name = f"release '{release_id}' of {account.title}"
                single.append(_cost(account.name, release_id, one, term.budget, problems, name))
    return [*totals, *single], problems


def counted(reserve: LedgerEntry, settle: LedgerEntry | None) -> tuple[DpEvent, ...]:
    """Return the events that count for a reservation now."""
    return (reserve if settle is None else settle).events


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


def _entry(one: FoundEntry, previous: Head) -> LedgerEntry:
    """Return what an entry says, with the digests that it claims; whether they are right is asked elsewhere."""
    digest = chain_digest(one.index, previous.digest, one.content_digest)
    entry = read_entry(StoredEntry(one.index, previous.digest, digest, one.text))
    return replace(entry, digest=one.digest)


def _cost(
    dataset: str, release: str, events: Sequence[DpEvent], budget: PrivacyBudget, problems: list[str], name: str
) -> RecomputedCost:
    event = events[0] if len(events) == 1 else ComposedDpEvent(tuple(events))
    sums = epsilon_by_sums(cost_of(event), budget.delta)
    renyi, losses, audited = _by_accountants(event, budget.delta)
    at = f"at delta {float(budget.delta):g}"
    for claimed, by in ((sums, "exact sums give"), (renyi, "Renyi accountant gives")):
        if losses is not None and _is_above(losses, claimed):
            problems.append(
                f"{name}: the {by} epsilon {claimed:.6g} {at}, but its events cost {losses:.6g} by privacy-loss "
                "distributions, which can never be more"
            )
    for bound, by in ((sums, "exact sums give"), (losses, "privacy-loss distributions give")):
        if audited is not None and bound is not None and _is_above(audited.lowest, bound):
            problems.append(
                f"{name}: the {by} epsilon {bound:.6g} {at}, but another method finds no less than {audited.lowest:.6g}"
            )
    return RecomputedCost(
        data_set=dataset,
        release=release,
        delta=written(budget.delta),
        sums=_shown(sums),
        renyi=_shown(renyi),
        losses=None if losses is None else _shown(losses),
        audited=None if audited is None else _shown(audited.epsilon),
        budget="" if release else written(budget.epsilon),
    )


def _is_above(found: float, claimed: float) -> bool:
    return math.isfinite(found) and found > claimed * (1 + RELATIVE_TOLERANCE) + ABSOLUTE_TOLERANCE


@lru_cache(maxsize=4096)
def _by_accountants(event: DpEvent, delta: Decimal) -> tuple[float, float | None, AuditedEpsilon | None]:
    """Return epsilon by Renyi divergences, by privacy losses, and by the audit of those; None: not computed."""
    from dpsynth.accounting.loss_audit import audit_epsilon
    from dpsynth.accounting.pld import PldAccountant
    from dpsynth.accounting.rdp import RdpAccountant

    try:
        kinds = len(simple_events(event))
        renyi = RdpAccountant().compose(event).get_epsilon(delta)
    except InvalidInput:
        return math.inf, None, None
    losses = PldAccountant().compose(event).get_epsilon(delta) if kinds <= _MOST_KINDS else None
    try:
        return renyi, losses, audit_epsilon(event, delta)
    except (InvalidInput, InvalidBudget):
        return renyi, losses, None


def _shown(epsilon: float) -> str | None:
    return written(epsilon_rounded_up(epsilon)) if math.isfinite(epsilon) else None
