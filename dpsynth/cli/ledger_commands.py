"""`dpsynth ledger`: set a budget once, see what was spent and by which release, check the chain."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.cli.console import OUT, print_json
from dpsynth.cli.ledger_account import account_of, print_account
from dpsynth.cli.places import open_ledger
from dpsynth.errors import InvalidInput
from dpsynth.schema.validation import DATASET_ID

app = typer.Typer(help="See and set what may be spent on a data set.", no_args_is_help=True)

LedgerOption = Annotated[str | None, typer.Option(help="Ledger; DPSYNTH_LEDGER or the user's own ledger if not given.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def budget(
    dataset: Annotated[str, typer.Argument(help="Data set id, as the schema declares it.")],
    epsilon: Annotated[str, typer.Option(help="Epsilon for all releases of this data set together, for ever.")],
    delta: Annotated[str, typer.Option(help="Delta for all of them together.")],
    event_delta: Annotated[
        str, typer.Option(help="Part of delta for finding private categories, such as half of it; 0 allows none.")
    ] = "0",
    ledger: LedgerOption = None,
) -> None:
    """Set the budget of a data set, once; it cannot be changed afterwards."""
    if not DATASET_ID.fullmatch(dataset):
        raise InvalidInput(
            "a data set id has letters, digits, '.', '_' and '-' and starts with a letter or digit; use the one in the "
            "schema (dpsynth.dataset, or name)"
        )
    whole = PrivacyBudget(epsilon, delta)
    with open_ledger(ledger) as books:
        books.set_budget(dataset, whole, event_delta=event_delta)
        OUT.print(f"data set '{dataset}': budget {whole}, for ever. Left: {books.remaining(dataset)}.", markup=False)


@app.command()
def show(
    dataset: Annotated[str | None, typer.Argument(help="One data set; all if not given.")] = None,
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show budgets, what was spent, by which release, and what is left."""
    with open_ledger(ledger, create=False) as books:
        datasets = books.datasets() if dataset is None else (dataset,)
        if dataset is not None:
            books.budget(dataset)
        accounts = [account_of(books, name) for name in datasets]
        if as_json:
            found = [account.to_json() for account in accounts]
            print_json({"data_sets": found, "head": {"index": books.head().index, "digest": books.head().digest}})
            return
        if not accounts:
            OUT.print("nothing is recorded yet. Begin with: dpsynth ledger budget DATASET --epsilon E --delta D")
        for account in accounts:
            print_account(account)


@app.command()
def verify(ledger: LedgerOption = None, as_json: JsonOption = False) -> None:
    """Read the whole ledger again and check digests, chain, order of entries and budgets."""
    with open_ledger(ledger, create=False) as books:
        head = books.verify()
    if as_json:
        print_json({"verified": True, "index": head.index, "digest": head.digest})
    else:
        OUT.print(f"[bold green]verified[/] {head.index} entries; head {head.digest}")


@app.command()
def recover(
    ledger: LedgerOption = None,
    older_than_minutes: Annotated[
        int,
        typer.Option(
            min=0,
            help="Leave alone what was opened less than so many minutes ago: a release that still runs would be "
            "charged in full. Use 0 only when none is running.",
        ),
    ] = 60,
) -> None:
    """Settle at full cost what a crash left open; frees nothing, and makes plain in the ledger that it is over."""
    with open_ledger(ledger, create=False) as books:
        settled = books.recover(older_than=timedelta(minutes=older_than_minutes))
    for entry in settled:
        OUT.print(f"settled in full: release {entry.release_id} of data set '{entry.dataset}'", markup=False)
    OUT.print(f"settled {len(settled)} interrupted release(s) at full cost")
