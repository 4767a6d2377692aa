"""`dpsynth audit`: try whether this very software keeps what it promises, on tables that it makes up itself."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.markup import escape
from rich.table import Table

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.auditing.audit_record import AuditRecord
from dpsynth.auditing.generator_audit import SMOKE_RUNS, audit_generator, due_runs
from dpsynth.cli.console import OUT, print_json, progress_bars
from dpsynth.errors import BundleError, InvalidInput, VerificationFailed
from dpsynth.generators.registry import GENERATORS
from dpsynth.generators.registry import generator as find_generator

app = typer.Typer(
    help="Experiments about this software, on made-up tables; no ledger is charged.", no_args_is_help=True
)

_AUDITED = tuple(entry.name for entry in GENERATORS)


@app.callback()
def _group() -> None:
    """Keep `implementation` a command of a group."""


@app.command()
def implementation(
    generator: Annotated[str, typer.Option(help=f"With its default options, one of: {', '.join(_AUDITED)}.")],
    epsilon: Annotated[str, typer.Option(help="Epsilon that each fit gets and claims.")] = "1",
    delta: Annotated[str, typer.Option(help="Delta of the claim.")] = "0.01",
    smoke: Annotated[
        bool, typer.Option("--smoke", help=f"A quick audit: at most {SMOKE_RUNS} fits per world.")
    ] = False,
    runs: Annotated[int | None, typer.Option(min=10, help="Fits per world; else as many as a campaign has.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write what was counted to this new JSON file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was counted as JSON.")] = False,
) -> None:
    """Play the worst-case game: can fits with and without one person be told apart better than the claim allows?

    These are two of five layers: noise (L1) and games (L2), of marginals and tables. Replay (L0), samplers (L3), one
    run of everything (L4) and what trainings and votes hide are tried by `python -m privacy_audits` in a checkout;
    certificates cite what is recorded of them.
    """
    if out is not None and out.exists():
        raise BundleError(f"{out} exists already; name a new file")
    if generator not in _AUDITED:
        raise InvalidInput(f"the game is played with one of {', '.join(_AUDITED)}; not with '{generator}'")
    fits = due_runs(generator, smoke=smoke) if runs is None else runs
    claim = PrivacyBudget(epsilon, delta)
    with progress_bars(shown=not as_json):
        record = audit_generator(find_generator(generator), claim, runs=fits, rng=np.random.default_rng())
    if out is not None:
        out.write_text(json.dumps(record.counts(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    if as_json:
        print_json({"id": record.audit_id, "passed": record.passed, "problems": record.problems, **record.counts()})
    else:
        _show(record, claim)
    if not record.passed:
        raise typer.Exit(VerificationFailed.exit_code)


def _show(record: AuditRecord, claim: PrivacyBudget) -> None:
    table = Table(
        title=f"{record.generator} at {claim}: what the Gaussian-DP parameter mu is at least (95 %)",
        caption=f"claimed: mu = {record.claimed_mu:.3f}",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("two worlds")
    for heading in ("fits each", "white box", "black box", "noise / declared"):
        table.add_column(heading, justify="right")
    for game in record.games:
        table.add_row(
            game.pair,
            f"{game.runs:,}",
            f"{game.white_box.mu_lower():.3f}",
            f"{game.black_box.mu_lower():.3f}",
            f"{game.noise.ratio:.4f}",
        )
    OUT.print(table)
    for problem in record.problems:
        OUT.print(f"[bold red]FAIL[/] {escape(problem)}", soft_wrap=True)
    if record.passed:
        power = "any claim" if math.isinf(record.refutable_mu) else f"mu = {record.refutable_mu:.3f}"
        OUT.print(
            f"[bold green]nothing refutes the claim.[/] A mechanism that leaks as much as {power} or more would have "
            "been found nine times in ten, by somebody who sees its answers.",
            soft_wrap=True,
        )
    OUT.print(f"audit id {record.audit_id}", soft_wrap=True)
