"""How right error bars are on coded Adult: expected distances and intervals beside the true distances.

Run from the root of the project: `python -m benchmarks.error_bar_accuracy [--epsilon 1] [--json FILE]`. One release of
each generator. The true distances are exact: they are for this page, of a public table, and no release has them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.limits import DELTA
from benchmarks.surroundings import source_version, surroundings
from benchmarks.tables.adult import adult_coded
from benchmarks.tables.base import BenchmarkTable, Codes
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator import Curator
from dpsynth.generators.balanced_sample import balanced_sample
from dpsynth.generators.error_bars import ErrorBar
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.registry import generator
from dpsynth.ledger import Ledger

GENERATORS = ("aim", "mst", "mwem")


def true_distance(bar: ErrorBar, fitted: FittedGraphicalModel, real: Codes, made: Codes) -> float:
    """Return the distance that a bar is about, over the same groups."""
    groups = {
        (grouping.column, grouping.size): np.array(grouping.groups)
        for answer in fitted.measurements
        for grouping in answer.groupings.values()
    }
    domain = fitted.schema.domain
    shares = []
    for rows in (real, made):
        axes: list[NDArray[Any]] = []
        for name, size in zip(bar.columns, bar.groups, strict=True):
            codes = rows[:, domain.position(name)]
            axes.append(codes if size == domain.size(name) else groups[name, size][codes])
        cells = np.ravel_multi_index(tuple(axes), bar.groups)
        shares.append(np.bincount(cells, minlength=int(np.prod(bar.groups))) / len(rows))
    return float(0.5 * np.abs(shares[0] - shares[1]).sum())


def accuracy(name: str, epsilon: str, table: BenchmarkTable) -> list[dict[str, Any]]:
    """Return how right the bars of one release are: single columns, pairs that were measured, pairs that were not."""
    ledger, budget = Ledger("sqlite://"), PrivacyBudget(epsilon, DELTA)
    ledger.set_budget(table.schema.dataset, budget)
    curator = Curator.open(table.cells, table.schema, ledger=ledger)
    fitted = generator(name).fit(curator, budget, rng=np.random.default_rng(0))
    if not isinstance(fitted, FittedGraphicalModel):
        raise TypeError(f"{name} fits no graphical model")
    made = balanced_sample(fitted, table.sampled_rows, rng=np.random.default_rng(0))
    bars = fitted.error_bars(made, rng=np.random.default_rng(1)).bars
    found = []
    for kind, order, measured in (("single columns", 1, True), ("pairs", 2, True), ("unmeasured pairs", 2, False)):
        chosen = [bar for bar in bars if len(bar.columns) == order and (bar.basis != "model") == measured]
        if not chosen:
            continue
        true = np.array([true_distance(bar, fitted, table.codes, made.codes) for bar in chosen])
        expected = np.array([bar.expected for bar in chosen])
        upper = np.array([bar.upper for bar in chosen])
        covered = sum(bool(bar.lower <= right <= bar.upper) for bar, right in zip(chosen, true, strict=True))
        found.append(
            {
                "generator": name,
                "marginals": kind,
                "number": len(chosen),
                "true": round(float(true.mean()), 4),
                "expected": round(float(expected.mean()), 4),
                "quartiles": [round(float(part), 2) for part in np.quantile(expected / true, (0.25, 0.5, 0.75))],
                "upper": round(float(np.median(upper / true)), 1) if measured else None,
                "covered": covered if measured else None,
            }
        )
    return found


def table_of_accuracy(record: Mapping[str, Any]) -> str:
    """Return the record as a Markdown table."""
    lines = [
        "| generator | marginals | true error, mean | expected, mean | expected / true: quartiles "
        "| upper end / true, median | covered |",
        f"|{'---|' * 7}",
    ]
    for row in record["rows"]:
        quartiles = ", ".join(f"{part:.2f}" for part in row["quartiles"])
        ends = ["no bound", ""] if row["upper"] is None else [str(row["upper"]), f"{row['covered']} of {row['number']}"]
        means = [f"{row['true']:.4f}", f"{row['expected']:.4f}"]
        cells = [f"`{row['generator']}`", f"{row['number']} {row['marginals']}", *means, quartiles, *ends]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table, and record it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epsilon", default="1")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    known, table = {"source": source_version(), **surroundings()}, adult_coded()
    rows = [row for name in GENERATORS for row in accuracy(name, asked.epsilon, table)]
    record = {"epsilon": asked.epsilon, "delta": DELTA, **known, "rows": rows}
    sys.stdout.write(table_of_accuracy(record))
    if asked.json:
        asked.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
