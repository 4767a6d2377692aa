"""The account of a data set on the screen: one block per release."""

from __future__ import annotations

from collections.abc import Mapping

from rich.markup import escape

from dpsynth.cli.console import OUT
from dpsynth.oversight.account import DatasetAccount, NoteLine, ReleaseLine
from dpsynth.oversight.amounts import bar, percent

_BAR = 30


def print_account(account: DatasetAccount) -> None:
    """Print one budget and one block per release that the account lists."""
    OUT.print(f"\n[bold]{account.data_set}[/]  budget {account.budget}")
    if account.budget_epsilon is not None:
        OUT.print(f"    used     [cyan]{bar(account.spent_share, _BAR)}[/] {percent(account.spent_share)}")
    _print_fact("spent", account.spent)
    _print_fact("left", account.left)
    if account.overspent:
        OUT.print(f"    [bold red]{'OVER':<9}[/]{escape(account.overspent)}", soft_wrap=True)
    _print_fact("refused", _refused(account.refused))
    _print_terms(account)
    if not account.releases:
        OUT.print("  no release yet")
    hidden = account.release_count - len(account.releases)
    if hidden:
        OUT.print(f"\n  {hidden:,} earlier releases; --last 0 shows all of them")
    notes: dict[str, list[NoteLine]] = {}
    for note in account.notes:
        notes.setdefault(note.release, []).append(note)
    for line in account.releases:
        _print_release(line, notes.get(line.release, []), on="" if line.data_set == account.data_set else line.data_set)
    for note in notes.get("", []):
        OUT.print(f"\n  note, {_moment(note.time)}: {note.note}", markup=False)


def _print_terms(account: DatasetAccount) -> None:
    _print_fact("protects", account.protects)
    if account.data_sets != (account.data_set,):
        _print_fact("members", ", ".join(account.data_sets) or "none yet")
    if account.epoch > 1:
        _print_fact("epoch", f"{account.epoch}; all epochs together spent {account.lifetime}")
    if account.policy != "adaptive":
        listed = "no list is locked yet" if account.plan_epsilon is None else f"epsilon {account.plan_epsilon} in all"
        _print_fact("policy", f"{account.policy}: {listed}")


def _refused(days: Mapping[str, int]) -> str:
    count = sum(days.values())
    return f"{count:,} request{'' if count == 1 else 's'}, the last on {max(days, key=_by_date)}" if count else ""


def _by_date(day: str) -> str:
    return day if day[:1].isdigit() else ""


def _print_release(line: ReleaseLine, notes: list[NoteLine], *, on: str) -> None:
    asked = "" if line.questions is None else f", questions asked: {line.questions}"
    seeded = "" if line.certifiable or line.declared else ", seeded noise: never certifiable"
    OUT.print(f"\n  [bold]{line.release[:12]}[/]  {_moment(line.time)}", end="")
    OUT.print(f" by {line.by}: {line.purpose}", markup=False)
    _print_fact("data set", on)
    _print_fact("ticket", line.ticket)
    _print_fact("basis", line.legal_basis)
    _print_fact("asked", line.asked)
    _print_fact("costs", line.costs)
    _print_fact("state", line.state + asked + seeded)
    for note in notes:
        _print_fact("note", f"{note.note}, {_moment(note.time)}")


def _moment(time: str) -> str:
    return f"{time[:16].replace('T', ' ')} UTC"


def _print_fact(name: str, text: str) -> None:
    if text:
        OUT.print(f"    {name:<9}{text}", markup=False, soft_wrap=True)
