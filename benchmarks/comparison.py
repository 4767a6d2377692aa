"""Runs what was asked for, one run after another, and records each before the next begins."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.process import ENDED_BY_OTHERS, Limits, run_to_the_end
from benchmarks.record import Record, Run
from benchmarks.surroundings import surroundings
from benchmarks.systems import System, systems
from benchmarks.tables.base import PROJECT, BenchmarkTable
from benchmarks.tables.registry import TABLES, TableEntry


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user asked for; None means what the table itself declares.

    Attributes:
        tables: names of tables.
        systems: names of systems.
        epsilons: as texts.
        seeds: runs of each system.
        peers: the folder of the peers' environments.
        limits: when a run is stopped.
        again: whether recorded runs are run again.
    """

    tables: Sequence[str]
    systems: Sequence[str] | None
    epsilons: Sequence[str] | None
    seeds: int | None
    peers: Path
    limits: Limits
    again: bool = False


def compare(asked: Asked, record: Record) -> None:
    """Run everything that was asked for and is not recorded yet."""
    known = systems()
    for name in asked.tables:
        entry = TABLES[name]
        table = entry.load()
        for run in _wanted(asked, entry, table, known):
            if record.has(run) and not asked.again:
                continue
            sys.stderr.write(f"{run.table}: {run.system}, epsilon {run.epsilon}, seed {run.seed}\n")
            done = one_run(run, known[run.system], table, asked)
            if done.outcome != ENDED_BY_OTHERS:
                record.add(done)
            sys.stderr.write(f"  {done.outcome} {json.dumps({**done.figures, **done.cost})}\n")


def one_run(run: Run, system: System, table: BenchmarkTable, asked: Asked) -> Run:
    """Return the run with its outcome, figures and cost."""
    command = system.command(asked.peers)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        request = {
            "system": system.algorithm,
            "epsilon": run.epsilon,
            "delta": run.delta,
            "seed": run.seed,
            "rows": table.sampled_rows,
            "domain": dict(zip(table.schema.domain.names, table.schema.domain.sizes, strict=True)),
            "group_by": table.schema.workload.group_by,
            "cpu_limit": asked.limits.cpu_seconds,
        }
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        np.save(folder / "training.npy", table.codes)
        if system.is_own:
            (folder / "schema.yaml").write_text(table.schema.to_yaml(), encoding="utf-8")
            table.cells.to_parquet(folder / "cells.parquet")
        paths = {"PYTHONPATH": str(PROJECT)} if command[0] == sys.executable else {"PYTHONPATH": ""}
        ending = run_to_the_end([*command, place], folder=folder, limits=asked.limits, settings=paths)
        known = surroundings()
        cost = {
            "process_cpu_seconds": ending.process_cpu_seconds,
            "peak_mb": ending.peak_mb,
            "seconds": ending.seconds,
        }
        if ending.outcome != "finished":
            return replace(run, outcome=ending.outcome, cost=_rounded(cost), surroundings=known)
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        known["versions"] = facts.pop("versions")
        figures = _rounded(table.judge(np.load(folder / "synthetic.npy")))
        variants = {}
        if (folder / "variant.json").exists():
            variant = json.loads((folder / "variant.json").read_text(encoding="utf-8"))
            variants[variant] = _rounded(table.judge(np.load(folder / "variant.npy")))
    cost = _rounded({**cost, **facts})
    return replace(run, outcome="finished", figures=figures, cost=cost, surroundings=known, variants=variants)


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    """Return figures with as many digits as mean something."""
    return {name: round(figure, 6) for name, figure in figures.items()}


def _wanted(asked: Asked, entry: TableEntry, table: BenchmarkTable, known: dict[str, System]) -> Iterator[Run]:
    """Yield the runs on one table, in the order of the page: by epsilon, then by system."""
    names = asked.systems or [name for name in entry.systems or known if name in known and name not in entry.without]
    for epsilon in asked.epsilons or entry.epsilons:
        for name in names:
            system = known[name]
            data = f"{table.digest}:{table.schema.digest[:12]}" if system.is_own else table.digest
            for seed in range(asked.seeds or (entry.seeds if system.is_own else 1)):
                yield Run(entry.name, name, system.version, epsilon, entry.delta, seed, outcome="not run", data=data)
