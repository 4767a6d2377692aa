"""`dpsynth attack`: audit a table that any tool made, for the eyes of whoever holds the rows."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from dpsynth.attack_table import attack_table
from dpsynth.certification.audit import HTML_FILE, STAMP
from dpsynth.certification.policy import Verdict
from dpsynth.certification.policy_file import PRESETS, load_policy
from dpsynth.certification.table_audit import TableAudit
from dpsynth.cli.console import ERR, OUT, print_json, progress_bars
from dpsynth.errors import CertificationRefused, InvalidInput

_COLOURS = {Verdict.PASS: "green", Verdict.INCONCLUSIVE: "yellow", Verdict.FAIL: "bold red"}

MEANINGS = {
    Verdict.PASS: "no attack tells training rows from control rows by more than the limits, at the policy's confidence",
    Verdict.INCONCLUSIVE: "no attack was shown to succeed, but few rows, or an attack that failed, exclude nothing",
    Verdict.FAIL: "at least one attack tells training rows from control rows, by more than the limits",
}
"""What a verdict says on the screen; it says no more."""


def attack(
    synthetic: Annotated[Path, typer.Argument(help="The table to audit, whatever made it: CSV or Parquet.")],
    train: Annotated[Path, typer.Option(help="The rows that it was made from.")],
    control: Annotated[
        Path, typer.Option(help="Rows of the same population that it was not made from, kept back by chance.")
    ],
    schema: Annotated[Path, typer.Option(help="What is publicly known about all of them: YAML or JSON.")],
    reference: Annotated[
        Path | None, typer.Option(help="Further rows that are neither, public if possible; else half of the controls.")
    ] = None,
    quasi_identifiers: Annotated[
        list[str] | None,
        typer.Option(help="Columns in which others may know people, such as age,sex,zip; may be repeated."),
    ] = None,
    secrets: Annotated[
        str | None,
        typer.Option(help="Columns that nobody shall guess, such as income,diagnosis; every column if not given."),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option(help="People to look at on their own, such as 'the very old: age >= 85'; may be repeated."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to make for the internal report; SYNTHETIC-audit if not given.")
    ] = None,
    policy: Annotated[
        str, typer.Option(help=f"What the attacks are tolerated to find: {', '.join(PRESETS)}, or a file (YAML).")
    ] = "default",
    seed: Annotated[int | None, typer.Option(help="Seed; the same one makes the same report.", min=0)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Attack a table that any tool made, with the rows at hand, and write an internal report. Charges nothing."""
    folder = out or synthetic.with_name(f"{synthetic.stem}-audit")
    with progress_bars(shown=not as_json):
        found = attack_table(
            synthetic,
            train,
            control,
            schema,
            out=folder,
            reference=reference,
            policy=load_policy(policy),
            # As in a line of CSV, so that a name with a comma in it can stand in quotes.
            quasi_identifiers=list(csv.reader(quasi_identifiers or (), skipinitialspace=True)),
            secrets=[name for line in csv.reader([secrets or ""], skipinitialspace=True) for name in line],
            groups=_named(groups or ()),
            seed=seed,
        )
    if as_json:
        readings = {name: verdict.value for name, verdict in found.readings.items()}
        said = {"stamp": STAMP, "verdict": found.verdict.value, "attacks": readings, "failed": list(found.failed)}
        print_json({**said, "report": str(found.folder)})
    else:
        _show(found)
    if found.verdict is not Verdict.PASS:
        raise typer.Exit(CertificationRefused.exit_code)


def _named(groups: Sequence[str]) -> dict[str, str]:
    """Return groups of people by name and condition.

    Raises:
        InvalidInput: one is not a name, a colon and a condition, or two have one name.
    """
    found: dict[str, str] = {}
    for group in groups:
        name, colon, condition = (part.strip() for part in group.partition(":"))
        if not name or not colon or not condition or name in found:
            raise InvalidInput(f"--groups '{group}': give a name of its own, a colon and a condition, 'old: age >= 85'")
        found[name] = condition
    return found


def _show(found: TableAudit) -> None:
    """Print the verdict and one reading per attack; every number stays in the report."""
    OUT.print(f"[bold]{STAMP.upper()}[/]: for whoever may see the rows, and for nobody else\n")
    colour = _COLOURS[found.verdict]
    OUT.print(f"[{colour}]{found.verdict.value}[/]  {MEANINGS[found.verdict]}\n")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("attack")
    table.add_column("reading")
    for name, verdict in found.readings.items():
        why = "  failed while it ran" if name in found.failed else ""
        table.add_row(escape(name), f"[{_COLOURS[verdict]}]{verdict.value}[/]{why}")
    OUT.print(table)
    OUT.print(f"\n  read the report   {escape(str(found.folder / HTML_FILE))}")
    ERR.print("[dim]This is no certificate: it tells what attacks found, not what anybody promises.[/]")
