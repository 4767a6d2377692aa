"""Commands whose modules are imported when they are asked for.

A ledger is shown in less time than it takes to import what a release needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
import typer.main
from typer.core import TyperGroup

_PLACES = {
    "release": ("release_command", "release_table"),
    "resume": ("resume_command", "resume"),
    "discover": ("discover_command", "discover"),
    "verify": ("verify_command", "verify"),
    "attack": ("attack_command", "attack"),
    "override": ("override_command", "override"),
    "sample": ("sample_command", "sample"),
    "demo": ("demo_command", "demo"),
    "ledger": ("ledger_commands", "app"),
    "schema": ("schema_commands", "app"),
    "policy": ("policy_commands", "app"),
    "keys": ("keys_commands", "app"),
    "audit": ("audit_commands", "app"),
}
"""Module and name of what does each command, in the order of the help."""


class CommandsOnDemand(TyperGroup):
    """All commands of the command line."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - what all groups are asked
        """Return the names of all commands, imported or not."""
        return [*_PLACES]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command `cmd_name`; None where there is none."""
        if cmd_name in _PLACES and cmd_name not in self.commands:
            self.commands[cmd_name] = _command(cmd_name)
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that `args` begin with; where there is none, all others may be what was meant."""
        if args and args[0] not in _PLACES:
            for name in _PLACES:
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)


def _command(name: str) -> Any:
    module, attribute = _PLACES[name]
    found = getattr(import_module(f"dpsynth.cli.{module}"), attribute)
    alone = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False)
    if isinstance(found, typer.Typer):
        alone.add_typer(found, name=name)
    else:
        alone.command(name)(found)
    return typer.main.get_group(alone).commands[name]
