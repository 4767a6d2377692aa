"""`dpsynth discover`: find private categories, for a charge of their own, and write the completed schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.cli.console import OUT, print_json
from dpsynth.cli.places import open_ledger
from dpsynth.curator.discovery import discover_categories
from dpsynth.errors import BundleError
from dpsynth.schema.schema import Schema


def discover(
    data: Annotated[Path, typer.Argument(help="The private table: CSV or Parquet.")],
    schema: Annotated[Path, typer.Option(help="Schema in which some columns say `dpsynth: {categories: private}`.")],
    epsilon: Annotated[str, typer.Option(help="Most epsilon that this may cost.")],
    delta: Annotated[str, typer.Option(help="Most delta; half of it comes from the budget's event delta.")],
    out: Annotated[Path, typer.Option(help="Completed schema to write; must not exist.")],
    ledger: Annotated[
        str | None, typer.Option(help="Ledger; DPSYNTH_LEDGER or the user's own ledger if not given.")
    ] = None,
    ticket: Annotated[str, typer.Option(help="Where this was decided, for the ledger.")] = "",
    legal_basis: Annotated[str, typer.Option(help="Legal basis of the processing, for the ledger.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Find the categories that enough people share, charge that to the ledger, and write the completed schema."""
    budget = PrivacyBudget(epsilon, delta)
    if out.exists() or out.is_symlink():
        raise BundleError(f"{out} exists already; name a new file")
    if not out.absolute().parent.is_dir():
        raise BundleError(f"{out.parent} is not a folder")
    with open_ledger(ledger) as books:
        found = discover_categories(
            data, Schema.from_yaml(schema), budget, ledger=books, ticket=ticket, legal_basis=legal_basis
        )
        left = books.remaining(found.schema.dataset)
    out.write_text(found.schema.to_yaml(), encoding="utf-8")
    numbers = {name: len(named) for name, named in found.categories.items()}
    if as_json:
        print_json({"schema": str(out), "categories": numbers, "ledger_entry": found.release_id, "left": left})
        return
    OUT.print(f"completed schema in [bold]{escape(str(out))}[/]")
    for name, number in numbers.items():
        note = "" if number else "; nothing stands out from the noise, so the column is left out"
        OUT.print(f"  {name}: {number} categories{note}", markup=False)
    OUT.print(f"charged {budget}; left: {left}. The categories are public now: reuse this schema.", markup=False)
