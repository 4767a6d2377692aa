"""The screen: where text goes, how phases are shown, and how an error becomes one message and an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from dpsynth.progress import reporting_to

_WIDTH_WITHOUT_TERMINAL = 160


def _console(*, stderr: bool) -> Console:
    """Return a console that keeps tables readable in files and pipes, where there is no width to fit."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else _WIDTH_WITHOUT_TERMINAL)


OUT = _console(stderr=False)
ERR = _console(stderr=True)


def print_json(document: Mapping[str, object]) -> None:
    """Print `document` for machines, on standard output."""
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")


def print_error(message: str) -> None:
    """Print one error, the first line marked, on standard error."""
    ERR.print(f"[bold red]error:[/] {escape(message)}")


class _Bars:
    """One progress bar per phase, on standard error."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._open: list[str] = []

    def start(self, phase: str, total: int) -> None:
        self._tasks[phase] = self._progress.add_task(phase, total=max(total, 1))
        self._open.append(phase)

    def advance(self, phase: str, steps: int) -> None:
        self._progress.advance(self._tasks[phase], steps)

    def finish(self, phase: str) -> None:
        task = self._tasks[phase]
        total = next(part.total for part in self._progress.tasks if part.id == task)
        self._open.remove(phase)
        # A phase inside another is gone with its last step; dozens of them would push the others off the screen.
        self._progress.update(task, completed=total, visible=not self._open)


@contextmanager
def progress_bars(*, shown: bool) -> Iterator[None]:
    """Show a bar for every phase inside this context; bars are drawn on terminals only."""
    if not shown:
        yield
        return
    columns = (
        TextColumn("  {task.description:<28}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=ERR) as progress, reporting_to(_Bars(progress)):
        yield
