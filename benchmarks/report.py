"""The recorded runs as Markdown tables, on the screen and in the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.record import Record, Run
from benchmarks.systems import System, systems
from benchmarks.tables.base import PROJECT
from benchmarks.tables.registry import TABLES

PAGE = PROJECT / "docs" / "benchmarks.md"
COSTS = {"cpu_seconds": "CPU s", "process_cpu_seconds": "with imports", "peak_mb": "MB"}
NAMES = {"k_marginal": "k-marginal", "auc": "AUC"}
_MARKED = re.compile(r"(<!-- table ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table_of(name: str, record: Record) -> str:
    """Return what is recorded on one table: means over seeds, one line per epsilon and system."""
    entry, known = TABLES[name], systems()
    groups = _groups(record.runs(name), list(known))
    shown = [NAMES.get(figure, figure) for figure in entry.figures]
    header = ["epsilon", "system", "runs", *shown, *COSTS.values(), "time of ours"]
    lines = [_line(header), _line(["---"] * len(header))]
    for (epsilon, system), runs in groups.items():
        ours = _mean(groups.get((epsilon, _counterpart(system, known)), []), "cpu_seconds")
        lines.append(_line([epsilon, _title(system, runs, known), *_cells(runs, entry.figures, ours)]))
        for variant in dict.fromkeys(variant for run in runs for variant in run.variants):
            judged = [run.variants[variant] for run in runs if variant in run.variants]
            cells = [str(len(judged)), *_means(judged, entry.figures), *[""] * (len(COSTS) + 1)]
            lines.append(_line([epsilon, f"{system}, {variant}", *cells]))
    return "\n".join(lines) + "\n"


def written_page(text: str, record: Record) -> str:
    """Return the text of the page with every marked table made anew."""
    return _MARKED.sub(lambda found: f"{found[1]}\n{table_of(found[2], record)}\n{found[3]}", text)


def write_page(record: Record, page: Path = PAGE) -> None:
    """Rewrite the marked tables of the page."""
    page.write_text(written_page(page.read_text(encoding="utf-8"), record), encoding="utf-8")


def _groups(runs: Iterable[Run], order: Sequence[str]) -> dict[tuple[str, str], list[Run]]:
    """Return the runs of the newest version of each system, by epsilon and system."""
    by_place: dict[tuple[str, str], list[Run]] = {}
    places = {name: place for place, name in enumerate(order)}
    for run in sorted(runs, key=lambda run: (float(run.epsilon), places.get(run.system, len(places)), run.seed)):
        by_place.setdefault((run.epsilon, run.system), []).append(run)
    return {
        place: [run for run in group if run.version == max(group, key=lambda one: one.surroundings["when"]).version]
        for place, group in by_place.items()
    }


def _cells(runs: Sequence[Run], figures: Sequence[str], ours: float | None) -> list[str]:
    """Return number of runs, figures, costs and the ratio of times as texts."""
    finished = [run for run in runs if run.finished]
    if not finished:
        costs = [_mean(runs, cost) for cost in COSTS]
        shown = ["" if cost is None else f"{cost:.0f}" for cost in costs]
        return [str(len(runs)), _escaped(runs[0].outcome), *[""] * (len(figures) - 1), *shown, ""]
    judged = _means([run.figures for run in finished], figures)
    cpu, whole, peak = (_mean(finished, cost) or 0.0 for cost in COSTS)
    ratio = f"{cpu / ours:.3g} x" if ours else ""
    number = str(len(runs)) if len(finished) == len(runs) else f"{len(finished)} of {len(runs)}"
    return [number, *judged, f"{cpu:.1f}", f"{whole:.1f}", f"{peak:.0f}", ratio]


def _means(judged: Sequence[Mapping[str, float]], figures: Sequence[str]) -> list[str]:
    """Return means over runs as texts, the k-marginal score as NIST writes it."""
    means = {figure: float(np.mean([one[figure] for one in judged])) for figure in figures}
    return [f"{int(mean)}" if figure == "k_marginal" else f"{mean:.4f}" for figure, mean in means.items()]


def _counterpart(system: str, known: dict[str, System]) -> str:
    found = known.get(system)
    return (found.counterpart if found else None) or ""


def _title(system: str, runs: Sequence[Run], known: dict[str, System]) -> str:
    """Return the name of a system, bold if it is ours, with the version of a peer."""
    found = known.get(system)
    if found is not None and found.is_own:
        return f"**{system}**"
    return system if system == "resampled" else f"{system} {runs[0].version}"


def _mean(runs: Sequence[Run], cost: str) -> float | None:
    """Return the mean of a cost over the runs that have it."""
    values = [run.cost[cost] for run in runs if cost in run.cost]
    return float(np.mean(values)) if values else None


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
