"""What keeps `aim` from coded Adult at each epsilon: the rows that are drawn, the noise, or the size of the model.

Run from the root of the project: `python -m benchmarks.limits [--epsilons 0.1 1 10] [--json FILE]`. One fit for each
epsilon and size of the model, then one cause of error after the other is taken away. **Models of exact counts are not
private.** They are made here, of a public table, and nowhere else: no generator has such a setting.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import RESULTS
from benchmarks.surroundings import source_version, surroundings
from benchmarks.tables.adult import adult_coded
from benchmarks.tables.base import BenchmarkTable, Codes
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator import Curator
from dpsynth.curator.queries import NoisyMarginal
from dpsynth.generators.aim import AIM
from dpsynth.generators.balanced_sample import balanced_sample
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.multi_resolution import multi_resolution
from dpsynth.ledger import Ledger
from dpsynth.models import Measurement, estimate

RECORD = RESULTS / "limits.json"
DELTA = "1e-9"
MORE_ROWS = 10
LARGER = 600_000
"""Cells; three times what `aim` allows itself."""

_PRECISION = 0.05
"""Exact counts are fitted as if they had this part of the noise of the real answers."""


def exact_counts(codes: Codes, names: tuple[str, ...], answer: NoisyMarginal) -> NoisyMarginal:
    """Return the answer that a curator without noise would have given: not private."""
    axes = []
    for name in answer.clique:
        grouping = answer.groupings.get(name)
        column = codes[:, names.index(grouping.column if grouping else name)]
        axes.append(np.array(grouping.groups)[column] if grouping else column)
    cells = np.ravel_multi_index(tuple(axes), answer.counts.shape)
    counts = np.bincount(cells, minlength=answer.counts.size).reshape(answer.counts.shape)
    return NoisyMarginal(answer.clique, counts, answer.stddev, answer.event, answer.groupings)


def without_noise(fitted: FittedGraphicalModel, table: BenchmarkTable) -> FittedGraphicalModel:
    """Return a model of the same cliques, fitted to exact counts: not private."""
    names = table.schema.domain.names
    resolutions = multi_resolution(table.schema, fitted.measurements[: len(names)], AIM().levels)
    exact = [exact_counts(table.codes, names, answer) for answer in fitted.measurements]
    model = estimate(
        resolutions.domain,
        [Measurement(one.clique, one.counts.astype(np.float64), _PRECISION * one.stddev) for one in exact],
        warm_start=fitted.model,
        iterations=500,
        tolerance=1e-4,
        impossible=resolutions.impossible,
    )
    return FittedGraphicalModel(table.schema, model, ())


def limits_at(epsilon: str, table: BenchmarkTable) -> list[dict[str, Any]]:
    """Return what each step takes away at one epsilon."""
    rows, many = table.sampled_rows, MORE_ROWS * table.sampled_rows
    found: list[dict[str, Any]] = []

    def judge(fitted: FittedGraphicalModel, drawn: int, what: str) -> None:
        figures = table.judge(balanced_sample(fitted, drawn, rng=np.random.default_rng(0)).codes)
        rounded = {name: round(figure, 5) for name, figure in figures.items()}
        found.append({"epsilon": epsilon, "what": what, "rows": drawn, "cells": fitted.model.size, **rounded})
        sys.stderr.write(f"{found[-1]}\n")

    fitted = fitted_at(epsilon, table, AIM())
    judge(fitted, rows, "as released")
    judge(fitted, many, "sampling taken away")
    judge(without_noise(fitted, table), many, "sampling and noise taken away")
    larger = fitted_at(epsilon, table, AIM(largest_model=LARGER))
    judge(larger, rows, "larger model, as released")
    judge(without_noise(larger, table), many, "larger model, sampling and noise taken away")
    return found


def fitted_at(epsilon: str, table: BenchmarkTable, generator: AIM) -> FittedGraphicalModel:
    """Return a private fit."""
    ledger, budget = Ledger("sqlite://"), PrivacyBudget(epsilon, DELTA)
    ledger.set_budget(table.schema.dataset, budget)
    curator = Curator.open(table.cells, table.schema, ledger=ledger)
    return generator.fit(curator, budget, rng=np.random.default_rng(0))


def table_of_limits(record: Mapping[str, Any]) -> str:
    """Return the record as a Markdown table."""
    lines = [
        "| epsilon | `aim` | rows drawn | cells of the model | tvd2 | tvd3 | AUC |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one['epsilon']} | {one['what']} | {one['rows']:,} | {one['cells']:,} | {one['tvd2']:.4f} | "
        f"{one['tvd3']:.4f} | {one['auc']:.4f} |"
        for run in record["runs"]
        for one in run["limits"]
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table; record each epsilon as soon as it is done, in place of what was recorded of it before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epsilons", nargs="+", default=["0.1", "1", "10"])
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    table, runs = adult_coded(), list[dict[str, Any]]()
    if asked.json and asked.json.exists():
        runs = json.loads(asked.json.read_text(encoding="utf-8"))["runs"]
    for epsilon in asked.epsilons:
        known, start = {"source": source_version(), **surroundings()}, time.process_time()
        found = limits_at(epsilon, table)
        spent = round(time.process_time() - start)
        others = [run for run in runs if run["epsilon"] != epsilon]
        run = {"epsilon": epsilon, **known, "cpu_seconds": spent, "limits": found}
        runs = sorted([*others, run], key=lambda run: float(run["epsilon"]))
        if asked.json:
            asked.json.write_text(json.dumps({"runs": runs}, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(table_of_limits({"runs": runs}))


if __name__ == "__main__":
    main()
