"""`dpsynth ledger`: set a budget once, see what was spent and by which release, check the chain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.table import Table

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.cli.console import OUT, print_json
from dpsynth.cli.places import open_ledger
from dpsynth.errors import BudgetNotSet
from dpsynth.ledger import EntryKind, Ledger, LedgerEntry

app = typer.Typer(help="See and set what may be spent on a data set.", no_args_is_help=True)

LedgerOption = Annotated[str | None, typer.Option(help="Ledger; DPSYNTH_LEDGER or the user's own ledger if not given.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def budget(
    dataset: Annotated[str, typer.Argument(help="Data set id, as the schema declares it.")],
    epsilon: Annotated[str, typer.Option(help="Epsilon for all releases of this data set together, for ever.")],
    delta: Annotated[str, typer.Option(help="Delta for all of them together.")],
    ledger: LedgerOption = None,
) -> None:
    """Set the budget of a data set, once; it cannot be changed afterwards."""
    whole = PrivacyBudget(epsilon, delta)
    with open_ledger(ledger) as books:
        books.set_budget(dataset, whole)
        OUT.print(f"data set '{dataset}': budget {whole}, for ever. Left: {books.remaining(dataset)}.")


@app.command()
def show(
    dataset: Annotated[str | None, typer.Argument(help="One data set; all if not given.")] = None,
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show budgets, what was spent, by which release, and what is left."""
    with open_ledger(ledger) as books:
        datasets = books.datasets() if dataset is None else (dataset,)
        if dataset is not None:
            books.budget(dataset)
        facts = [_facts(books, name) for name in datasets]
        if as_json:
            print_json({"data_sets": facts, "head": {"index": books.head().index, "digest": books.head().digest}})
            return
        if not facts:
            OUT.print("nothing is recorded yet. Begin with: dpsynth ledger budget DATASET --epsilon E --delta D")
        for fact in facts:
            _print_facts(fact)


@app.command()
def verify(ledger: LedgerOption = None, as_json: JsonOption = False) -> None:
    """Read the whole ledger again and check digests, chain, order of entries and budgets."""
    with open_ledger(ledger) as books:
        head = books.verify()
    if as_json:
        print_json({"verified": True, "index": head.index, "digest": head.digest})
    else:
        OUT.print(f"[bold green]verified[/] {head.index} entries; head {head.digest}")


@app.command()
def recover(ledger: LedgerOption = None) -> None:
    """Settle at full cost what was opened and never settled, for example after a crash."""
    with open_ledger(ledger) as books:
        settled = books.recover()
    OUT.print(f"settled {len(settled)} interrupted release(s) at full cost")


def _facts(books: Ledger, dataset: str) -> dict[str, object]:
    entries = books.entries(dataset)
    try:
        whole, left = str(books.budget(dataset)), books.remaining(dataset)
    except BudgetNotSet:
        whole, left = "not set", "nothing"
    return {
        "data_set": dataset,
        "protects": books.unit(dataset),
        "budget": whole,
        "left": left,
        "releases": [_release(entries, reserve) for reserve in entries if reserve.kind is EntryKind.RESERVE],
        "notes": [
            {"time": entry.time, "release": entry.release_id, "note": entry.purpose}
            for entry in entries
            if entry.kind is EntryKind.NOTE
        ],
    }


def _release(entries: Iterable[LedgerEntry], reserve: LedgerEntry) -> dict[str, object]:
    later = [entry for entry in entries if entry.reservation == reserve.index]
    kinds = {entry.kind for entry in later}
    if EntryKind.SETTLE in kinds:
        state = "settled"
    elif EntryKind.OPEN in kinds:
        state = "open, counted in full"
    else:
        state = "given back" if EntryKind.VOID in kinds else "reserved, counted in full"
    settle = next((entry for entry in later if entry.kind is EntryKind.SETTLE), None)
    return {
        "release": reserve.release_id,
        "time": reserve.time,
        "by": reserve.actor,
        "purpose": reserve.purpose,
        "asked": reserve.asked,
        "state": state,
        "questions": len(settle.charges) if settle is not None else None,
        "certifiable": reserve.certifiable,
    }


def _print_facts(fact: dict[str, object]) -> None:
    OUT.print(f"\n[bold]{fact['data_set']}[/]  budget {fact['budget']}")
    OUT.print(f"  left: {fact['left']}")
    if fact["protects"]:
        OUT.print(f"  protects: {fact['protects']}")
    table = Table("release", "when (UTC)", "by", "purpose", "charged", "questions", "state", box=None, padding=(0, 2))
    releases = fact["releases"]
    if not isinstance(releases, list) or not releases:
        OUT.print("  no release yet")
        return
    for line in releases:
        table.add_row(
            str(line["release"])[:12],
            str(line["time"])[:19].replace("T", " "),
            str(line["by"]),
            str(line["purpose"]),
            str(line["asked"]),
            "" if line["questions"] is None else str(line["questions"]),
            str(line["state"]) + ("" if line["certifiable"] else ", seeded noise"),
        )
    OUT.print(table)
