"""The recorded runs as Markdown tables, on the screen and in the documentation.

A page marks each of its tables with a comment that names it: `<!-- table adult-deep -->` for all systems on one table,
`<!-- table adult-deep: pategan mixture -->` for some of them, `<!-- bars -->` and so on for others.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.balanced_sampling import table_of_balance
from benchmarks.bars import bars_of
from benchmarks.deep_peers import deep_peers_of
from benchmarks.domain_layer import table_of_ways
from benchmarks.engine_choices import table_of_batches, table_of_costs, table_of_splits
from benchmarks.error_bar_accuracy import table_of_accuracy
from benchmarks.evidence import evidence_of
from benchmarks.inference_choices import table_of_aim, table_of_fits, table_of_passes
from benchmarks.limits import table_of_limits
from benchmarks.provenance import provenance_of
from benchmarks.record import Record, Run, newest
from benchmarks.systems import REFERENCES, System, systems
from benchmarks.tables.base import PROJECT
from benchmarks.tables.registry import TABLES

PAGE = PROJECT / "docs" / "benchmarks.md"
PAGES = (
    PAGE,
    *(PROJECT / "docs" / "generators" / f"{name}.md" for name in ("aim", "auto", "mst", "pategan")),
    *(
        PROJECT / "docs" / "design" / f"{name}.md"
        for name in ("balanced_sampling", "domain_layer", "error_bars", "graphical_models")
    ),
)
"""Every page with tables that `report` writes."""

COSTS = ("cpu_seconds", "process_cpu_seconds", "peak_mb")
NAMES = {
    "k_marginal": "k-marginal",
    "violations": "impossible rows",
    "auc": "AUC",
    "cpu_seconds": "CPU s",
    "process_cpu_seconds": "with imports",
    "peak_mb": "MB",
    "sample_seconds": "s to sample",
}
_WRITTEN: dict[str, Callable[[float], str]] = {
    "k_marginal": lambda mean: str(int(mean)),
    "violations": "{:.1f}".format,
    "sample_seconds": "{:.1f}".format,
}


def _of_file(name: str, written: Callable[[Mapping[str, Any]], str], record: Record) -> str:
    """Return the table of a measurement that has a record of its own."""
    file = record.folder / f"{name}.json"
    if not file.exists():
        return "Nothing is recorded yet.\n"
    return written(json.loads(file.read_text(encoding="utf-8")))


_OTHERS: dict[str, Callable[[Record], str]] = {
    "bars": bars_of,
    "provenance": provenance_of,
    "evidence": evidence_of,
    "deep-peers": deep_peers_of,
    "balance": partial(_of_file, "balanced_sampling", table_of_balance),
    "limits": partial(_of_file, "limits", table_of_limits),
    "domain-layer": partial(_of_file, "domain_layer", table_of_ways),
    "passes": partial(_of_file, "inference_choices", table_of_passes),
    "fits": partial(_of_file, "inference_choices", table_of_fits),
    "engine-costs": partial(_of_file, "engine_choices", table_of_costs),
    "batches": partial(_of_file, "engine_choices", table_of_batches),
    "mst-shares": partial(_of_file, "engine_choices", table_of_splits),
    "error-bars": partial(_of_file, "error_bar_accuracy", table_of_accuracy),
    "aim-precision": partial(_of_file, "inference_choices", table_of_aim),
}
_MARKED = re.compile(rf"(<!-- (table [\w-]+(?:: [\w -]+)?|{'|'.join(_OTHERS)}) -->\n).*?(<!-- end -->)", re.DOTALL)


def table_of(name: str, record: Record, shown_systems: Sequence[str] = ()) -> str:
    """Return what is recorded on one table: means over seeds, one line per epsilon and system.

    Args:
        name: the table.
        record: the recorded runs.
        shown_systems: the systems that are shown; all of them if empty.
    """
    entry, known = TABLES[name], systems()
    shown_runs = [run for run in record.runs(name) if not shown_systems or run.system in shown_systems]
    groups = _groups(shown_runs, list(known))
    if not groups:
        return "Nothing is recorded yet.\n"
    shown = [NAMES.get(figure, figure) for figure in (*entry.figures, *COSTS)]
    header = ["epsilon", "system", "runs", *shown, "times ours"]
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

    def made(found: re.Match[str]) -> str:
        if found[2] in _OTHERS:
            content = _OTHERS[found[2]](record)
        else:
            name, _, chosen = found[2].removeprefix("table ").partition(": ")
            content = table_of(name, record, chosen.split())
        return f"{found[1]}\n{content}\n{found[3]}"

    return _MARKED.sub(made, text)


def write_pages(record: Record, pages: Iterable[Path] = PAGES) -> None:
    """Rewrite the marked tables of the pages."""
    for page in pages:
        page.write_text(written_page(page.read_text(encoding="utf-8"), record), encoding="utf-8")


def _groups(runs: Iterable[Run], order: Sequence[str]) -> dict[tuple[str, str], list[Run]]:
    """Return the runs of the newest version of each system, by epsilon and system."""
    by_place: dict[tuple[str, str], list[Run]] = {}
    places = {name: place for place, name in enumerate(order)}
    for run in sorted(
        newest(runs), key=lambda run: (float(run.epsilon), places.get(run.system, len(places)), run.seed)
    ):
        by_place.setdefault((run.epsilon, run.system), []).append(run)
    return by_place


def _cells(runs: Sequence[Run], figures: Sequence[str], ours: float | None) -> list[str]:
    """Return number of runs, figures, costs and the ratio of times as texts."""
    finished = [run for run in runs if run.finished]
    if not finished:
        shown = ["" if (cost := _mean(runs, name)) is None else f"{cost:.0f}" for name in COSTS]
        spent = _mean(runs, "process_cpu_seconds") if "did not finish" in runs[0].outcome else None
        ratio = f"> {spent / ours:.3g} x" if ours and spent else ""
        return [str(len(runs)), _escaped(runs[0].outcome), *[""] * (len(figures) - 1), *shown, ratio]
    judged = _means([{**run.cost, **run.figures} for run in finished], figures)
    cpu, whole, peak = (_mean(finished, cost) or 0.0 for cost in COSTS)
    ratio = f"{cpu / ours:.3g} x" if ours else ""
    number = str(len(runs)) if len(finished) == len(runs) else f"{len(finished)} of {len(runs)}"
    return [number, *judged, f"{cpu:.1f}", f"{whole:.1f}", f"{peak:.0f}", ratio]


def _means(judged: Sequence[Mapping[str, float]], figures: Sequence[str]) -> list[str]:
    """Return means over runs as texts, the k-marginal score as NIST writes it; none where a run lacks the figure."""
    texts = []
    for figure in figures:
        values = [one[figure] for one in judged if figure in one]
        mean = float(np.mean(values)) if values else math.nan
        texts.append("" if math.isnan(mean) else _WRITTEN.get(figure, "{:.4f}".format)(mean))
    return texts


def _counterpart(system: str, known: dict[str, System]) -> str:
    found = known.get(system)
    return (found.counterpart if found else None) or ""


def _title(system: str, runs: Sequence[Run], known: dict[str, System]) -> str:
    """Return the name of a system, bold if it is ours, with the version of a peer."""
    found = known.get(system)
    if found is not None and found.is_own:
        return f"**{system}**"
    return REFERENCES.get(system) or f"{system} {runs[0].version}"


def _mean(runs: Sequence[Run], cost: str) -> float | None:
    """Return the mean of a cost over the runs that have it."""
    values = [run.cost[cost] for run in runs if cost in run.cost]
    return float(np.mean(values)) if values else None


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
