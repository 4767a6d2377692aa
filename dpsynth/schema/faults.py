"""Where problems of one field go: passed on at once, and remembered."""

from __future__ import annotations

from collections.abc import Callable

from dpsynth.schema.yaml_source import Path


class Faults:
    """Collects what is wrong with one field, so that all of it can be said at once."""

    __slots__ = ("_count", "_report")

    def __init__(self, report: Callable[[Path, str], None]) -> None:
        """Pass every problem to `report`, with its place within the field."""
        self._report = report
        self._count = 0

    def add(self, path: Path, message: str) -> None:
        """Report one problem."""
        self._count += 1
        self._report(path, message)

    def none(self) -> bool:
        """Return whether nothing was wrong so far."""
        return self._count == 0
