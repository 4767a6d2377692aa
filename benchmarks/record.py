"""The recorded runs: one JSON file per table and system, written after every run, so that nothing is run twice."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.tables.base import PROJECT

RESULTS = PROJECT / "benchmarks" / "results"


@dataclass(frozen=True, slots=True)
class Run:
    """One run.

    Attributes:
        table: name of the table.
        system: name of the system.
        version: version of the system; for ours with a digest of its source.
        epsilon: as it was asked for.
        delta: as it was asked for.
        seed: number of the run; it fixes no noise.
        outcome: `finished`, or in words why there are no figures.
        data: digest of the codes that every system gets; for ours with one of the schema.
        figures: what the judge says.
        cost: `cpu_seconds` of fit and sample, `process_cpu_seconds` with imports, `peak_mb`, and more.
        surroundings: when, where and with which versions.
        variants: figures of other samples from the same fit, by what is different.
    """

    table: str
    system: str
    version: str
    epsilon: str
    delta: str
    seed: int
    outcome: str
    data: str = ""
    figures: dict[str, float] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    surroundings: dict[str, Any] = field(default_factory=dict)
    variants: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two runs the same, so that the later one replaces the earlier."""
        return self.table, self.system, self.epsilon, self.delta, self.seed

    @property
    def finished(self) -> bool:
        """Whether there are figures."""
        return self.outcome == "finished"


@dataclass(frozen=True, slots=True)
class Record:
    """A folder of recorded runs."""

    folder: Path = RESULTS

    def runs(self, table: str) -> list[Run]:
        """Return all recorded runs on one table."""
        return [run for file in sorted((self.folder / table).glob("*.json")) for run in _read(file)]

    def has(self, run: Run) -> bool:
        """Return whether a run of the same version on the same data is recorded, finished or not."""
        known = _read(self._file(run))
        return any((old.key, old.version, old.data) == (run.key, run.version, run.data) for old in known)

    def add(self, run: Run) -> None:
        """Write one run; an earlier one of another version makes room for it."""
        file = self._file(run)
        kept = [old for old in _read(file) if old.key != run.key]
        runs = sorted([*kept, run], key=lambda one: (float(one.epsilon), one.delta, one.seed))
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps({"runs": [asdict(one) for one in runs]}, indent=1) + "\n", encoding="utf-8")
        partial.replace(file)

    def _file(self, run: Run) -> Path:
        return self.folder / run.table / f"{run.system}.json"


def newest(runs: Iterable[Run]) -> list[Run]:
    """Return the runs of the version and the data that were run last.

    They are compared within one table, system and epsilon, so that a mean is never one over several versions.
    """
    listed = sorted(runs, key=lambda run: run.surroundings.get("when", ""))
    latest = {(run.table, run.system, run.epsilon): (run.version, run.data) for run in listed}
    return [run for run in listed if (run.version, run.data) == latest[run.table, run.system, run.epsilon]]


def _read(file: Path) -> list[Run]:
    """Return the runs of one file, none if there is no such file."""
    if not file.exists():
        return []
    return [Run(**run) for run in json.loads(file.read_text(encoding="utf-8"))["runs"]]
