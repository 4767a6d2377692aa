"""`dpsynth release`: from a private table to a certified release folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.certification.certificate import Override
from dpsynth.certification.layout import require_table_name
from dpsynth.certification.plan import ReleasePlan, plan_release
from dpsynth.certification.policy_file import PRESETS, load_policy
from dpsynth.cli.console import ERR, OUT, print_json, progress_bars
from dpsynth.cli.places import open_ledger
from dpsynth.curator import Curator
from dpsynth.errors import BundleError, CertificationRefused, InvalidInput
from dpsynth.export import Release
from dpsynth.generators.registry import GENERATORS
from dpsynth.generators.registry import generator as find_generator
from dpsynth.ledger import Ledger
from dpsynth.release import release
from dpsynth.schema.schema import Schema

_NAMES = ", ".join(entry.name for entry in GENERATORS)


def release_table(
    data: Annotated[Path, typer.Argument(help="The private table: CSV or Parquet.")],
    schema: Annotated[Path, typer.Option(help="What is publicly known about it: YAML or JSON.")],
    epsilon: Annotated[str, typer.Option(help="Most epsilon that this release may cost.")],
    delta: Annotated[str, typer.Option(help="Most delta; far below one over the number of people.")],
    out: Annotated[Path, typer.Option(help="Release folder to make; must not exist.")],
    generator: Annotated[str, typer.Option(help=f"One of: {_NAMES}.")] = "auto",
    rows: Annotated[int | None, typer.Option(help="Synthetic rows; the noisy total if not given.", min=0)] = None,
    table: Annotated[
        str, typer.Option(help="File name of the synthetic table: synthetic.csv or synthetic.parquet.")
    ] = "synthetic.csv",
    ledger: Annotated[
        str | None, typer.Option(help="Ledger; DPSYNTH_LEDGER or the user's own ledger if not given.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the public sampling; privacy noise cannot be seeded.")
    ] = None,
    internal: Annotated[
        Path | None, typer.Option(help="Folder for the internal audit; OUT-internal if not given.")
    ] = None,
    override_by: Annotated[
        str | None, typer.Option(help="Name of the person who orders export even without PASS.")
    ] = None,
    override_reason: Annotated[str | None, typer.Option(help="Their reason; both go on the certificate.")] = None,
    policy: Annotated[
        str, typer.Option(help=f"What the release must satisfy: {', '.join(PRESETS)}, or a file.")
    ] = "default",
    ticket: Annotated[str, typer.Option(help="Where this was decided, for the ledger.")] = "",
    legal_basis: Annotated[str, typer.Option(help="Legal basis of the processing, for the ledger.")] = "",
    recipients: Annotated[str, typer.Option(help="For whom the table is meant, for the certificate.")] = "",
    environment: Annotated[
        str, typer.Option(help="Where and under which rules it will be used, for the certificate.")
    ] = "",
    checkpoint: Annotated[
        Path | None, typer.Option(help="New folder from which `dpsynth resume` goes on with an interrupted training.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check all but the rows and show the plan; charge nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Make a synthetic table, charge it to the ledger, certify it and write the release folder."""
    claim = PrivacyBudget(epsilon, delta)
    loaded = Schema.from_yaml(schema)
    maker, rules = find_generator(generator), load_policy(policy)
    if (override_by is None) != (override_reason is None):
        raise InvalidInput("an override needs both --override-by and --override-reason")
    override = Override(by=override_by, reason=override_reason) if override_by and override_reason else None
    if not out.name:
        raise BundleError(f"{out} exists already; a release is never written over. Choose another folder.")
    findings = internal or out.with_name(f"{out.name}-internal")
    with open_ledger(ledger) as books:
        plan = plan_release(loaded, claim, ledger=books, generator=maker, policy=rules)
        if not as_json:
            show_plan(plan)
        try:
            if dry_run:
                plan.require_a_chance(override)
                _check_places(data, loaded, books, table=table, out=out, internal=findings)
                if as_json:
                    print_json({"dry_run": True, **_plan_facts(plan)})
                return
            with progress_bars(shown=not as_json), _advice_on_resuming(checkpoint):
                made = release(
                    data,
                    loaded,
                    claim,
                    out=out,
                    ledger=books,
                    generator=generator,
                    rows=rows,
                    table_name=table,
                    seed=seed,
                    policy=rules,
                    internal_folder=findings,
                    override=override,
                    ticket=ticket,
                    legal_basis=legal_basis,
                    recipients=recipients,
                    environment=environment,
                    checkpoint=checkpoint,
                )
        except CertificationRefused as refusal:
            if as_json:
                charged = override is not None or not plan.obstacles
                print_json(
                    {
                        "release": None,
                        "internal": str(findings) if charged else None,
                        "verdict": refusal.verdict,
                        "reasons": refusal.reasons,
                        "charged": charged,
                    }
                )
            raise
    if as_json:
        verdict = made.certificate.verdict.value
        print_json({"release": str(made.folder), "internal": str(made.internal_folder), "verdict": verdict})
    else:
        show_result(made, ledger=ledger)


@contextmanager
def _advice_on_resuming(checkpoint: Path | None) -> Iterator[None]:
    """Say after `Ctrl-C` how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        if checkpoint is not None and checkpoint.is_dir():
            ERR.print(
                f"To go on with a training that was begun, for nothing: dpsynth resume {checkpoint}", markup=False
            )
        raise


def _check_places(data: Path, schema: Schema, ledger: Ledger, *, table: str, out: Path, internal: Path) -> None:
    """Refuse what the release itself would refuse: the file's header, the table's name, folders that exist."""
    Curator.open(data, schema, ledger=ledger)
    require_table_name(table)
    for folder in (out, internal):
        if folder.exists() or folder.is_symlink():
            raise BundleError(f"{folder} exists already; a release is never written over. Choose another folder.")
    if not out.parent.is_dir():
        raise BundleError(f"{out.parent} is not a folder; make it first, or choose another place for the release")


def show_plan(plan: ReleasePlan) -> None:
    """Print what is going to be charged, to whom, and what will be left."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    for name, value in _plan_facts(plan).items():
        grid.add_row(name.replace("_", " "), escape(str(value)))
    ERR.print("[bold]Plan[/]")
    ERR.print(grid)


def _plan_facts(plan: ReleasePlan) -> dict[str, object]:
    return {
        "data_set": plan.dataset,
        "protects": plan.unit,
        "generator": plan.generator,
        "will_be_charged": f"{plan.claim}, before the first row is read",
        "in_terms_of_squared_mu": f"{plan.mu_squared:.6f}; costs add up by squared mu, not by epsilon",
        "budget": str(plan.budget),
        "left_now": plan.left_before,
        "left_after": plan.left_after,
        "policy": plan.policy,
        "gate": plan.gate,
        "audits": plan.audits,
        "table": f"{plan.columns} columns, {plan.cells:.3g} value combinations",
    }


def show_result(made: Release, *, ledger: str | None) -> None:
    """Print the verdict, what was written and what to do next."""
    named = "" if ledger is None else f" --ledger {ledger}"
    verdict = made.certificate.verdict.value
    colour = {"PASS": "green", "INCONCLUSIVE": "yellow"}.get(verdict, "red")
    OUT.print(f"\n[bold {colour}]{verdict}[/]  {made.rows:,} synthetic rows in [bold]{escape(str(made.folder))}[/]")
    decision = made.certificate.document.override
    if decision is not None:
        OUT.print(f"  exported because {decision.by} decided so; the verdict stays {verdict}", markup=False)
    for file in sorted(made.folder.iterdir()):
        OUT.print(f"  {file.name:<24} {file.stat().st_size:>12,} bytes")
    OUT.print("\n[bold]Next[/]")
    OUT.print(f"  read the report      {escape(str(made.folder / 'report.html'))}")
    OUT.print(f"  check the release    dpsynth verify {escape(str(made.folder))}")
    OUT.print(f"  see what was spent   dpsynth ledger show{escape(named)}")
    OUT.print(f"  [dim]internal audit, never to be shared: {escape(str(made.internal_folder))}[/]")
