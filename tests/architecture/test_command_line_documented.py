"""Every command has help and stands in the documentation; every command that the documentation uses exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.architecture.source_tree import PACKAGE, PROJECT

DOCUMENTS = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Return (words after `dpsynth`, command) of every command below `group`."""
    for name in group.list_commands(None):
        command, here = group.get_command(None, name), (*path, name)
        if hasattr(command, "commands"):
            yield from commands(command, here)
        else:
            yield " ".join(here), command


def command_line() -> dict[str, Any]:
    if not (PACKAGE / "cli" / "app.py").exists():
        return {}
    import typer.main

    from dpsynth.cli.app import app

    return dict(commands(typer.main.get_command(app)))


COMMANDS = command_line()


def documentation() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS if "_build" not in path.parts)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_has_help(name: str) -> None:
    assert COMMANDS[name].help


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_of_a_command_has_help(name: str) -> None:
    for parameter in COMMANDS[name].params:
        assert getattr(parameter, "help", None), parameter.name


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_stands_in_the_documentation(name: str) -> None:
    assert re.search(rf"dpsynth {name}\b", documentation())


def test_the_documentation_uses_only_commands_that_exist() -> None:
    first_words = {name.split()[0] for name in COMMANDS}
    used = set(re.findall(r"^\s*(?:\$ )?dpsynth ([a-z]+)", documentation(), re.MULTILINE))
    assert used <= first_words
