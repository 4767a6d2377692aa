"""What the ledger knows about a data set: as JSON for machines, and as one block per release for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from dpsynth.accounting.cost import ZERO_COST, PrivacyCost
from dpsynth.cli.console import OUT
from dpsynth.errors import BudgetNotSet
from dpsynth.ledger import EntryKind, Ledger, LedgerEntry
from dpsynth.ledger.account import cost_of_charges

_RECOVERED = "recovered at full cost"
"""The purpose of the SETTLE entries that `Ledger.recover` writes."""


@dataclass(frozen=True, slots=True)
class ReleaseLine:
    """One release in the ledger.

    Attributes:
        release: release id.
        time: when it was reserved, UTC.
        by: the account that asked.
        purpose: why, in words.
        asked: the request in the words of the user.
        costs: what counts for it now, in words.
        state: where its reservation stands.
        questions: how many questions were asked of the rows; None before it is settled, or where nobody knows.
        certifiable: whether its noise came from a source that a certificate may rest on.
    """

    release: str
    time: str
    by: str
    purpose: str
    asked: str
    costs: str
    state: str
    questions: int | None
    certifiable: bool


@dataclass(frozen=True, slots=True)
class NoteLine:
    """A remark in the ledger, such as an export."""

    time: str
    release: str
    note: str


@dataclass(frozen=True, slots=True)
class DatasetAccount:
    """One data set in the ledger.

    Attributes:
        data_set: data set id.
        protects: who is protected, in words; empty where nobody has said so.
        budget: the whole budget, in words.
        spent: what counts as spent, in words.
        left: what is left, in words.
        releases: every release, oldest first.
        notes: every remark, oldest first.
    """

    data_set: str
    protects: str
    budget: str
    spent: str
    left: str
    releases: tuple[ReleaseLine, ...]
    notes: tuple[NoteLine, ...]

    def to_json(self) -> dict[str, object]:
        """Return everything as a JSON object."""
        return asdict(self)


def account_of(ledger: Ledger, dataset: str) -> DatasetAccount:
    """Return what `ledger` knows about `dataset`."""
    entries = ledger.entries(dataset)
    try:
        whole, left = str(ledger.budget(dataset)), ledger.remaining(dataset)
    except BudgetNotSet:
        whole, left = "not set", "nothing"
    return DatasetAccount(
        data_set=dataset,
        protects=ledger.unit(dataset),
        budget=whole,
        spent=_written(ledger.spent(dataset)),
        left=left,
        releases=tuple(_line(entries, entry) for entry in entries if entry.kind is EntryKind.RESERVE),
        notes=tuple(
            NoteLine(entry.time, entry.release_id, entry.purpose) for entry in entries if entry.kind is EntryKind.NOTE
        ),
    )


def print_account(account: DatasetAccount) -> None:
    """Print one data set and one block per release."""
    OUT.print(f"\n[bold]{account.data_set}[/]  budget {account.budget}")
    _print_fact("spent", account.spent)
    _print_fact("left", account.left)
    _print_fact("protects", account.protects)
    if not account.releases:
        OUT.print("  no release yet")
    for line in account.releases:
        asked = "" if line.questions is None else f", questions asked: {line.questions}"
        seeded = "" if line.certifiable else ", seeded noise: never certifiable"
        OUT.print(f"\n  [bold]{line.release[:12]}[/]  {_moment(line.time)}", end="")
        OUT.print(f" by {line.by}: {line.purpose}", markup=False)
        _print_fact("asked", line.asked)
        _print_fact("costs", line.costs)
        _print_fact("state", line.state + asked + seeded)
        for note in account.notes:
            if note.release == line.release:
                _print_fact("note", f"{note.note}, {_moment(note.time)}")
    for note in account.notes:
        if not note.release:
            OUT.print(f"\n  note, {_moment(note.time)}: {note.note}", markup=False)


def _line(entries: Sequence[LedgerEntry], reserve: LedgerEntry) -> ReleaseLine:
    later = {entry.kind: entry for entry in entries if entry.reservation == reserve.index}
    settle = later.get(EntryKind.SETTLE)
    questions: int | None = None
    reserved = _written(cost_of_charges(reserve))
    if settle is not None and settle.purpose == _RECOVERED:
        state, costs = "settled in full after a crash", f"{reserved}, in full"
    elif settle is not None:
        questions = len(settle.charges)
        state, costs = "settled", f"{_written(cost_of_charges(settle))} of {reserved}"
    elif EntryKind.VOID in later:
        state, costs = "given back before a row was read", "nothing"
    else:
        state, costs = "open" if EntryKind.OPEN in later else "reserved", f"{reserved}, in full"
    return ReleaseLine(
        release=reserve.release_id,
        time=reserve.time,
        by=reserve.actor,
        purpose=reserve.purpose,
        asked=reserve.asked,
        costs=costs,
        state=state,
        questions=questions,
        certifiable=reserve.certifiable,
    )


def _written(cost: PrivacyCost) -> str:
    """Return a cost in words: by squared mu, where it has one, or by rho."""
    if cost == ZERO_COST:
        return "nothing"
    if cost.mu_squared is not None:
        amount = f"squared mu {float(cost.mu_squared):.6f}"
    else:
        amount = "unbounded" if cost.rho is None else f"rho {float(cost.rho):.6f}"
    return amount if cost.delta == 0 else f"{amount}, delta {float(cost.delta):g}"


def _moment(time: str) -> str:
    return f"{time[:16].replace('T', ' ')} UTC"


def _print_fact(name: str, text: str) -> None:
    if text:
        OUT.print(f"    {name:<9}{text}", markup=False, soft_wrap=True)
