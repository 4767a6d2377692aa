"""`dpsynth override`: a named person lets a refused release go, without paying for it again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpsynth.certification.certificate import Override
from dpsynth.cli.places import open_ledger
from dpsynth.cli.release_command import show_result
from dpsynth.export import export_withheld


def override(
    internal: Annotated[Path, typer.Argument(help="Internal folder of the refused release.")],
    by: Annotated[str, typer.Option(help="Name of the person who decides; it goes on the certificate.")],
    reason: Annotated[str, typer.Option(help="Why; it goes on the certificate.")],
    out: Annotated[Path, typer.Option(help="Release folder to make; must not exist.")],
    ledger: Annotated[
        str | None, typer.Option(help="Ledger; DPSYNTH_LEDGER or the user's own ledger if not given.")
    ] = None,
) -> None:
    """Export a release that certification refused; the verdict stays on the certificate, with name and reason."""
    with open_ledger(ledger) as books:
        made = export_withheld(internal, Override(by=by, reason=reason), out=out, ledger=books)
    show_result(made, ledger=ledger)
