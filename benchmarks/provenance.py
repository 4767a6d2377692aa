"""When, where and with which versions the runs of the page were made."""

from __future__ import annotations

from benchmarks.record import Record, Run, newest
from benchmarks.systems import systems
from benchmarks.tables.registry import TABLES


def provenance_of(record: Record) -> str:
    """Return machines and versions of all runs that the page shows, as Markdown."""
    shown = [run for name in TABLES if name != "tiny" for run in newest(record.runs(name))]
    if not shown:
        return "Nothing is recorded yet.\n"
    machines = sorted({_machine(run) for run in shown})
    days = sorted(run.surroundings["when"][:10] for run in shown)
    lines = [
        f"Runs from {days[0]} to {days[-1]} on {'; '.join(machines)}.",
        "",
        "| system | versions | commit |",
        "|---|---|---|",
    ]
    for name, system in systems().items():
        runs = [run for run in shown if run.system == name]
        own = [f"dpsynth {run.version}" for run in runs if system.is_own]
        packages = [
            ", ".join(f"{key} {value}" for key, value in run.surroundings.get("versions", {}).items()) for run in runs
        ]
        versions = "; ".join(dict.fromkeys(filter(None, [*own, *packages])))
        commits = ", ".join(dict.fromkeys(run.surroundings["commit"][:10] for run in runs))
        if runs:
            lines.append(f"| {name} | {versions} | {commits} |")
    return "\n".join(lines) + "\n"


def _machine(run: Run) -> str:
    where = run.surroundings
    return (
        f"{where['processor']}, {where['cores']} cores, {where['memory_gb']} GB, {where['system']}, "
        f"Python {where['python']}, OMP_NUM_THREADS {where['threads']}"
    )
