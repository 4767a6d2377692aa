"""`dpsynth ledger budget`, `link` and `plan lock`: what is said about a population once, before anything is spent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.cli.console import OUT, print_json
from dpsynth.cli.places import open_ledger
from dpsynth.errors import InvalidInput
from dpsynth.ledger import BudgetPolicy
from dpsynth.oversight.account import accounts
from dpsynth.oversight.public_key import read_public_key
from dpsynth.oversight.requests import requests_in

LedgerOption = Annotated[str | None, typer.Option(help="Ledger; DPSYNTH_LEDGER or the user's own ledger if not given.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

plans = typer.Typer(help="Lock everything that a budget of the policy `plan` will ever pay for.", no_args_is_help=True)


def budget(
    dataset: Annotated[str, typer.Argument(help="Data set id, as the schema declares it, or a population.")],
    epsilon: Annotated[str, typer.Option(help="Epsilon for all releases of this data set together, for ever.")],
    delta: Annotated[str, typer.Option(help="Delta for all of them together.")],
    event_delta: Annotated[
        str, typer.Option(help="Part of delta for finding private categories, such as half of it; 0 allows none.")
    ] = "0",
    policy: Annotated[
        BudgetPolicy, typer.Option(help="adaptive: pays for what fits. plan: for the list of `plan lock`, and no more.")
    ] = BudgetPolicy.ADAPTIVE,
    approver: Annotated[
        list[Path] | None,
        typer.Option(help="Public key (PEM) of somebody who may renew it; repeat it, two have to agree. None: nobody."),
    ] = None,
    unit: Annotated[str, typer.Option(help="Who is protected, in words; else the first release says it.")] = "",
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set the budget of a data set, once; it cannot be changed afterwards."""
    _require_id(dataset)
    whole = PrivacyBudget(epsilon, delta)
    keys = [read_public_key(path) for path in approver or ()]
    with open_ledger(ledger) as books:
        books.set_budget(dataset, whole, unit, event_delta=event_delta, policy=policy, approvers=keys)
        if as_json:
            print_json(accounts(books, dataset)[0].to_json())
            return
        OUT.print(f"data set '{dataset}': budget {whole}, for ever. Left: {books.remaining(dataset)}.", markup=False)
        if policy is BudgetPolicy.PLAN and books.plan(dataset) is None:
            OUT.print(f"Next: dpsynth ledger plan lock {dataset} --file PLAN.yaml", markup=False)
        if keys:
            OUT.print(f"It may be renewed by two of {len(keys)} approvers.")


def link(
    dataset: Annotated[str, typer.Argument(help="Data set id, as the schema declares it.")],
    population: Annotated[
        list[str], typer.Option(help="Population whose people it is about, and whose budget it charges; repeat it.")
    ],
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whose data a data set is, once, before anything else is said about it."""
    for name in (dataset, *population):
        _require_id(name)
    with open_ledger(ledger) as books:
        books.link(dataset, population)
        named = books.populations(dataset)
    if as_json:
        print_json({"data_set": dataset, "populations": list(named)})
    else:
        OUT.print(f"data set '{dataset}' charges the budget of {' and '.join(map(repr, named))}", markup=False)


@plans.command("lock")
def lock(
    population: Annotated[str, typer.Argument(help="Population, or data set, whose budget has the policy `plan`.")],
    file: Annotated[
        Path, typer.Option("--file", help="YAML or JSON list, as for `what-if`: name, epsilon and delta, or events.")
    ],
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lock the list of a plan, once: each of its releases will be paid for, and nothing else."""
    requests = requests_in(file)
    with open_ledger(ledger, create=False) as books:
        plan = books.lock_plan(
            population, [(request.name, event) for request in requests for event in request.single_events]
        )
    if as_json:
        listed = [{"name": request.name, "asked": request.asked} for request in requests]
        said = {"population": population, "budget": str(plan.budget), "plan_epsilon": f"{plan.total_epsilon:f}"}
        print_json({**said, "events": len(plan.events), "requests": listed})
        return
    for request in requests:
        OUT.print(f"  {request.name}: {request.asked}", markup=False)
    OUT.print(
        f"locked {len(plan.events)} events for '{population}': together epsilon {plan.total_epsilon} of {plan.budget}",
        markup=False,
    )


def _require_id(name: str) -> None:
    from dpsynth.schema.validation import DATASET_ID

    if not DATASET_ID.fullmatch(name):
        raise InvalidInput(
            "a data set id has letters, digits, '.', '_' and '-' and starts with a letter or digit; use the one in the "
            "schema (dpsynth.dataset, or name)"
        )
