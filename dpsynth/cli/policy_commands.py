"""`dpsynth policy`: what a release must satisfy before it may leave."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dpsynth.certification.policy_file import PRESETS, load_policy, policy_text
from dpsynth.cli.console import OUT

app = typer.Typer(help="What a release must satisfy before it may leave.", no_args_is_help=True)


@app.command()
def show(policy: Annotated[str, typer.Argument(help=f"One of {', '.join(PRESETS)}, or a file.")] = "default") -> None:
    """Print a policy whole, as a file: every threshold with its reason and its source."""
    sys.stdout.write(policy_text(load_policy(policy)))


@app.command("list")
def list_presets() -> None:
    """List the policies that come with the package."""
    for name in PRESETS:
        loaded = load_policy(name)
        OUT.print(f"{name:<10} {loaded.purpose}", markup=False)
        OUT.print(f"{'':<10} digest {loaded.digest}", markup=False)
