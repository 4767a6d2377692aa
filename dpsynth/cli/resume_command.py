"""`dpsynth resume`: go on with a release that was interrupted, at no further charge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpsynth.certification.certificate import Override
from dpsynth.certification.policy_file import PRESETS, load_policy
from dpsynth.cli.console import print_json, progress_bars
from dpsynth.cli.places import open_ledger
from dpsynth.cli.release_command import show_result
from dpsynth.errors import InvalidInput
from dpsynth.resume import resume_release


def resume(
    folder: Annotated[Path, typer.Argument(help="What `dpsynth release --checkpoint` made.")],
    data: Annotated[Path | None, typer.Option(help="The private table, if it was moved; the same rows.")] = None,
    ledger: Annotated[
        str | None, typer.Option(help="Ledger; DPSYNTH_LEDGER or the user's own ledger if not given.")
    ] = None,
    internal: Annotated[
        Path | None, typer.Option(help="Folder for the internal audit, if the interrupted release had written one.")
    ] = None,
    policy: Annotated[
        str, typer.Option(help=f"The policy of the release: {', '.join(PRESETS)}, or a file.")
    ] = "default",
    override_by: Annotated[
        str | None, typer.Option(help="Name of the person who orders export even without PASS.")
    ] = None,
    override_reason: Annotated[str | None, typer.Option(help="Their reason; both go on the certificate.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Go on with a release that was interrupted, at no further charge: train, sample, judge, certify."""
    if (override_by is None) != (override_reason is None):
        raise InvalidInput("an override needs both --override-by and --override-reason")
    override = Override(by=override_by, reason=override_reason) if override_by and override_reason else None
    with open_ledger(ledger) as books, progress_bars(shown=not as_json):
        made = resume_release(
            folder, ledger=books, data=data, policy=load_policy(policy), internal_folder=internal, override=override
        )
    if as_json:
        verdict = made.certificate.verdict.value
        print_json({"release": str(made.folder), "internal": str(made.internal_folder), "verdict": verdict})
    else:
        show_result(made, ledger=ledger)
