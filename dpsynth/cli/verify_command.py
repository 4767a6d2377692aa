"""`dpsynth verify`: check a release folder offline, without the data."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from dpsynth.certification.layout import CERTIFICATE, LEDGER
from dpsynth.certification.remembered_heads import remember_head
from dpsynth.certification.verify import verify_release
from dpsynth.cli.console import OUT, print_error, print_json
from dpsynth.errors import VerificationFailed


def verify(
    folder: Annotated[Path, typer.Argument(help="Release folder.")],
    public_key: Annotated[
        Path | None, typer.Option(help="Public key (PEM) of the signer that you trust; else the folder's own is used.")
    ] = None,
    repeat_controls: Annotated[
        bool, typer.Option("--repeat-controls", help="Attack planted leaks among the rows of the table again.")
    ] = False,
    commitment: Annotated[
        Path | None,
        typer.Option(help="For auditors: commitment.json, or the internal folder of the release, which holds it."),
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Day by which the certificate is judged, in UTC; today if not given."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
) -> None:
    """Check signature, hashes, table, ledger extract and cost of a release; needs neither data nor network."""
    now = None if at is None else at.replace(tzinfo=UTC)
    verification = verify_release(
        folder, public_key=public_key, repeat_controls=repeat_controls, commitment=commitment, now=now
    )
    failed = [check for check in verification.checks if not check.passed]
    if as_json:
        checks = [
            {"name": check.name, "passed": check.passed, "explanation": check.explanation}
            for check in verification.checks
        ]
        print_json({"release": str(folder), "verified": not failed, "checks": checks})
    else:
        for check in verification.checks:
            mark = "[green]ok  [/]" if check.passed else "[bold red]FAIL[/]"
            OUT.print(f"{mark} {check.name}: {escape(check.explanation)}")
    if failed:
        names = ", ".join(check.name for check in failed)
        print_error(f"the release does not verify: {len(failed)} of {len(verification.checks)} checks failed ({names})")
        raise typer.Exit(VerificationFailed.exit_code)
    _remember(folder)
    if not as_json:
        OUT.print(f"\n[bold green]verified[/] {escape(str(folder))}")


def _remember(folder: Path) -> None:
    """Remember the head of a ledger that a verified certificate names, should that ledger ever be opened here."""
    lines = [json.loads(line) for line in (folder / LEDGER).read_text(encoding="utf-8").splitlines()]
    certificate = json.loads((folder / CERTIFICATE).read_text(encoding="utf-8"))
    remember_head(lines, str(certificate["scope"]["release_id"]))
