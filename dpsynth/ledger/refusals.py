"""How often requests were refused: a count per population and day, beside the chain.

A refusal is no spending, so it is no entry: nobody makes a ledger longer by asking. The count tells who reads it that
somebody keeps asking. It is a note and no evidence: whoever may write the file can change it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from dpsynth.ledger.authorship import current_time

MOST_DAYS = 366
"""Days of one population that are kept apart; what is older is one number."""

EARLIER = "earlier"
"""Stands in place of all days before those."""


class RefusalCounts:
    """Counts by population and day (UTC); in memory where there is no file.

    Only what holds the write lock of the ledger may count. The file stays small however much is refused, and a failure
    to write it is passed over, because the refusal itself rests on the ledger alone.
    """

    __slots__ = ("_counted", "_path")

    def __init__(self, witness: Path | None) -> None:
        """Keep them beside `witness`."""
        self._path = None if witness is None else witness.with_suffix(".refused")
        self._counted: dict[str, dict[str, int]] = {}

    def of(self, population: str) -> Mapping[str, int]:
        """Return how many requests to `population` were refused, by day."""
        return self._all().get(population, {})

    def count(self, population: str) -> None:
        """Count one more, today."""
        counts = self._all()
        days = counts.setdefault(population, {})
        today = current_time()[:10]
        days[today] = days.get(today, 0) + 1
        dated = sorted(day for day in days if day != EARLIER)
        for day in dated[:-MOST_DAYS]:
            days[EARLIER] = days.get(EARLIER, 0) + days.pop(day)
        self._counted = counts
        if self._path is None:
            return
        with contextlib.suppress(OSError):
            draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
            draft.write_text(json.dumps(counts, sort_keys=True), encoding="utf-8")
            draft.replace(self._path)

    def _all(self) -> dict[str, dict[str, int]]:
        if self._path is None:
            return self._counted
        try:
            return _read(json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError):
            return {}


def _read(said: object) -> dict[str, dict[str, int]]:
    """Return what a file says; what is no count is passed over."""
    counts: dict[str, dict[str, int]] = {}
    for population, days in said.items() if isinstance(said, dict) else ():
        if isinstance(days, dict):
            counts[population] = {day: number for day, number in days.items() if type(number) is int and number > 0}
    return counts
