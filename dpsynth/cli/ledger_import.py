"""`dpsynth ledger import-spend`: what another tool has spent on the same people is charged to the same budget."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from dpsynth.accounting.events import event_to_json
from dpsynth.cli.console import OUT, print_json
from dpsynth.cli.ledger_terms import JsonOption, LedgerOption
from dpsynth.cli.places import open_ledger
from dpsynth.errors import InvalidInput

_SHORT = {"smartnoise": "smartnoise-sql"}
_LARGEST_FILE = 10_000_000


def import_spend(
    dataset: Annotated[str, typer.Argument(help="Data set that is charged.")],
    tool: Annotated[str, typer.Option(help="smartnoise, opendp, tumult, or the name of any other tool.")],
    purpose: Annotated[str, typer.Option(help="What it was for.")],
    file: Annotated[
        Path | None, typer.Option("--file", help="JSON that the tool wrote; or give --epsilon or --rho.")
    ] = None,
    epsilon: Annotated[str | None, typer.Option(help="Epsilon of the spend.")] = None,
    delta: Annotated[str, typer.Option(help="Its delta.")] = "0",
    rho: Annotated[str | None, typer.Option(help="Rho of a zero-concentrated spend.")] = None,
    ticket: Annotated[str, typer.Option(help="Name of the spend in your files; one ticket is written once.")] = "",
    legal_basis: Annotated[str, typer.Option(help="Legal basis of the processing, in words.")] = "",
    unit: Annotated[str | None, typer.Option(help="Who was protected; needed where the ledger does not know.")] = None,
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write down what another tool has spent already; it counts at its true size, whether it fits or not."""
    from dpsynth.integrations import declare_spend, exported_event, spend_event

    tool = _SHORT.get(tool, tool)
    if (file is not None) == (epsilon is not None or rho is not None or delta != "0"):
        raise InvalidInput("say what was spent: --file with the tool's JSON, or --epsilon or --rho with their --delta")
    if file is None:
        event = spend_event(epsilon=epsilon, delta=delta, rho=rho)
    else:
        event = exported_event(tool, _document(file))
    with open_ledger(ledger, create=False) as books:
        made = declare_spend(
            books,
            dataset,
            tool=tool,
            purpose=purpose,
            event=event,
            unit=unit,
            ticket=ticket,
            legal_basis=legal_basis,
        )
        left, why = books.remaining(dataset), books.overspent(dataset)
    if as_json:
        said = {"data_set": dataset, "release": made.release_id, "event": event_to_json(event)}
        print_json({**said, "overspent": made.overspent, "why": why, "left": left})
        return
    OUT.print(f"{made.release_id}: charged to data set '{dataset}'. Left: {left}.", markup=False)
    if made.overspent:
        OUT.print("[bold red]overspent[/]: the promise of the budget is broken, and whoever holds a release must know.")
        OUT.print(f"{why}", markup=False)


def _document(file: Path) -> Mapping[str, object]:
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise InvalidInput(f"{file} is too large for a list of spends")
        content = json.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as fault:
        raise InvalidInput(f"{file} cannot be read: {fault.strerror}") from fault
    except (ValueError, RecursionError) as fault:
        raise InvalidInput(f"{file} cannot be read as JSON") from fault
    if not isinstance(content, dict):
        raise InvalidInput(f"{file} holds no JSON object, such as {{'epsilon': 0.5, 'delta': 1e-9}}")
    return content
