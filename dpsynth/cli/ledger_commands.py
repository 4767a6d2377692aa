"""`dpsynth ledger`: set a budget once, see what was spent and by which release, check the chain."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli import ledger_renewal
from dpsynth.cli.console import OUT, print_json
from dpsynth.cli.ledger_account import print_account
from dpsynth.cli.ledger_files import audit, export
from dpsynth.cli.ledger_import import import_spend
from dpsynth.cli.ledger_terms import JsonOption, LedgerOption, budget, link, plans
from dpsynth.cli.places import default_ledger_url, open_ledger, unchanged_view
from dpsynth.cli.signing_key_file import signing_key
from dpsynth.errors import InvalidInput
from dpsynth.ledger import load_or_create_key
from dpsynth.ledger.store import is_postgres, make_store
from dpsynth.oversight.account import accounts
from dpsynth.oversight.last_view import LAST, LastView
from dpsynth.oversight.public_key import read_public_key
from dpsynth.oversight.requests import requests_in
from dpsynth.oversight.timeline import Period, timeline
from dpsynth.oversight.what_if import what_if as outlook

app = typer.Typer(help="See and set what may be spent on a data set.", no_args_is_help=True)

app.command("budget")(budget)
app.command("link")(link)
app.add_typer(plans, name="plan")
app.add_typer(ledger_renewal.app, name="renew")
app.command("import-spend")(import_spend)


@app.command()
def init(
    ledger: LedgerOption = None,
    writer: Annotated[
        str | None,
        typer.Option(help="PostgreSQL: the role that may append. Run as the owner of the tables; entries stay."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an empty ledger, bring an older one up to date, or check the one that is there; budgets come next."""
    url = default_ledger_url() if ledger is None else ledger
    if is_postgres(url):
        make_store(url, writer=writer)
        said = f"made; open it as {writer or 'the role that appends'}, not as its owner"
        print_json({"made": True, "writer": writer}) if as_json else OUT.print(said, markup=False)
        return
    if writer is not None:
        raise InvalidInput("only a ledger on PostgreSQL has a role that writes; a file has permissions")
    with open_ledger(ledger) as books:
        head, found = books.head(), books.datasets()
        if as_json:
            print_json({"ledger": books.name, "entries": head.index, "data_sets": list(found)})
            return
        OUT.print(f"{books.name}: {head.index:,} entries", markup=False)
        if not found:
            OUT.print("Next: dpsynth ledger budget DATASET --epsilon E --delta D")


@app.command()
def show(
    dataset: Annotated[str | None, typer.Argument(help="One data set; all if not given.")] = None,
    last: Annotated[int, typer.Option(min=0, help="How many releases to print for each data set; 0: all.")] = LAST,
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show budgets, what was spent, by which release, and what is left."""
    view = None if as_json or last != LAST else unchanged_view(ledger)
    if view is not None and _print_view(view, dataset):
        return
    with open_ledger(ledger, create=False) as books:
        if dataset is not None:
            books.budget(dataset)
        found = accounts(books, dataset, last=0 if as_json else last)
        if as_json:
            head = {"index": books.head().index, "digest": books.head().digest}
            print_json({"data_sets": [account.to_json() for account in found], "head": head})
            return
        if not found:
            OUT.print("nothing is recorded yet. Begin with: dpsynth ledger budget DATASET --epsilon E --delta D")
        for account in found:
            print_account(account)


def _print_view(view: LastView, dataset: str | None) -> bool:
    """Print what was last shown, and say so; False where it does not tell about `dataset` by itself."""
    found = [
        account
        for account in view.accounts
        if dataset is None or account.data_sets == (dataset,) == (account.data_set,)
    ]
    if not found:
        return False
    for account in found:
        print_account(account)
    checked = view.checked[:16].replace("T", " ")
    OUT.print(
        f"\n  Unchanged since every entry was decided about, {checked} UTC: digests were computed\n"
        "  again, sums were not. For sums too: dpsynth ledger verify",
        markup=False,
    )
    return True


@app.command("timeline")
def show_timeline(
    dataset: Annotated[str | None, typer.Argument(help="One data set; all if not given.")] = None,
    period: Annotated[Period, typer.Option(help="How long one line lasts.")] = Period.MONTH,
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who spent what and when, by period, data set and account."""
    with open_ledger(ledger, create=False) as books:
        if dataset is not None:
            books.budget(dataset)
        found = timeline(books, dataset, period=period)
    if as_json:
        print_json(found.to_json())
    else:
        OUT.print(found)


@app.command("what-if")
def what_if(
    dataset: Annotated[str, typer.Argument(help="Data set that would be charged.")],
    release: Annotated[
        list[str] | None,
        typer.Option(help="NAME:epsilon=E,delta=D or NAME:rho=R or NAME:mu=M, perhaps with ,count=N; repeat it."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="YAML or JSON list of releases, by name, epsilon and delta or events.")
    ] = None,
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what releases would cost together and what would be left; reads no data and writes nothing."""
    asked = [*(requests_in(file) if file is not None else ()), *(release or ())]
    with open_ledger(ledger, create=False) as books:
        found = outlook(books, dataset, asked)
    if as_json:
        print_json(found.to_json())
    else:
        OUT.print(found)


@app.command()
def sign(
    key: Annotated[
        Path | None, typer.Option(help="Private key (PEM), best of somebody who cannot write the ledger.")
    ] = None,
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Vouch for the last entry, and so for all before it, with a key; that of DPSYNTH_HOME if none is given."""
    signer = load_or_create_key() if key is None else signing_key(key)
    with open_ledger(ledger, create=False) as books:
        head = books.sign_head(signer)
    if as_json:
        said = {"index": head.index, "digest": head.digest, "key": signer.public_hex, "signed_by": signer.key_id}
        print_json(said)
    else:
        OUT.print(f"entry {head.index} and all before it are signed by the key {signer.public_hex[:16]}")


@app.command()
def verify(
    public_key: Annotated[
        Path | None, typer.Option(help="Public key (PEM) that has to have signed a head, got from elsewhere.")
    ] = None,
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read the whole ledger again and check digests, chain, order of entries, budgets and signatures."""
    pem = None if public_key is None else read_public_key(public_key)
    with open_ledger(ledger, create=False) as books:
        head = books.verify(public_key=pem)
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
    as_json: JsonOption = False,
) -> None:
    """Settle at full cost what a crash left open; frees nothing, and makes plain in the ledger that it is over."""
    with open_ledger(ledger, create=False) as books:
        settled = books.recover(older_than=timedelta(minutes=older_than_minutes))
    if as_json:
        releases = [{"release": entry.release_id, "data_set": entry.dataset} for entry in settled]
        print_json({"settled": len(settled), "releases": releases})
        return
    for entry in settled:
        OUT.print(f"settled in full: release {entry.release_id} of data set '{entry.dataset}'", markup=False)
    OUT.print(f"settled {len(settled)} interrupted release(s) at full cost")


app.command("export")(export)
app.command("audit")(audit)
