"""Progress of long work: library code reports, whoever is in charge of the screen shows.

Holds public facts only: the name of a phase and how many of its data-independent steps are done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class ProgressReporter(Protocol):
    """Something that can show phases."""

    def start(self, phase: str, total: int) -> None:
        """Begin `phase`, which has `total` steps."""

    def advance(self, phase: str, steps: int) -> None:
        """Record that `steps` further steps of `phase` are done."""

    def finish(self, phase: str) -> None:
        """End `phase`."""


_REPORTER: ContextVar[ProgressReporter | None] = ContextVar("dpsynth_progress_reporter", default=None)


@contextmanager
def reporting_to(reporter: ProgressReporter) -> Iterator[None]:
    """Send all phases begun inside this context to `reporter`."""
    token = _REPORTER.set(reporter)
    try:
        yield
    finally:
        _REPORTER.reset(token)


@contextmanager
def unreported() -> Iterator[None]:
    """Show no phase begun inside this context: it is one step of a phase that has thousands like it."""
    token = _REPORTER.set(None)
    try:
        yield
    finally:
        _REPORTER.reset(token)


@contextmanager
def phase(name: str, total: int) -> Iterator[Callable[[int], None]]:
    """Run one phase of `total` steps; yields the function that advances it. A phase that fails is never finished."""
    reporter = _REPORTER.get()
    if reporter is None:
        yield lambda steps: None  # noqa: ARG005 - nobody is watching
        return
    reporter.start(name, total)
    yield lambda steps: reporter.advance(name, steps)
    reporter.finish(name)
