"""What balancing a sample changes: marginals of plain rows, of balanced ones, and of ten times as many.

Run from the root of the project: `python -m benchmarks.balanced_sampling [--json FILE]`. One fit of each generator, and
of it five samples of each kind.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import RESULTS
from benchmarks.surroundings import source_version, surroundings
from benchmarks.tables.registry import TABLES
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator import Curator
from dpsynth.generators.balanced_sample import balanced_sample
from dpsynth.generators.base import FittedSynthesizer
from dpsynth.generators.registry import generator
from dpsynth.ledger import Ledger
from dpsynth.schema.table import SyntheticTable

RECORD = RESULTS / "balanced_sampling.json"
FITS = (
    ("adult-coded", "aim"),
    ("adult-coded", "mst"),
    ("adult-coded", "mixture"),
    ("nist-10", "aim"),
    ("nist-24", "aim"),
    ("excerpt-coarse", "all_marginals"),
    ("adult-binary", "all_marginals"),
)
FIGURES = ("tvd1", "tvd2", "tvd3", "k_marginal", "auc")
EPSILON = "1"
SAMPLES = 5
MORE_ROWS = 10

Sampler = Callable[[FittedSynthesizer, int, np.random.Generator], SyntheticTable]
KINDS: Mapping[str, Sampler] = {
    "plain": lambda model, rows, rng: model.sample(rows, rng=rng),
    "balanced": lambda model, rows, rng: balanced_sample(model, rows, rng=rng),
    "ten times as many rows": lambda model, rows, rng: model.sample(MORE_ROWS * rows, rng=rng),
}


def compared(name: str, system: str) -> list[dict[str, Any]]:
    """Return the mean figures of each kind of sample of one fit."""
    entry = TABLES[name]
    table, ledger, budget = entry.load(), Ledger("sqlite://"), PrivacyBudget(EPSILON, entry.delta)
    ledger.set_budget(table.schema.dataset, budget)
    curator = Curator.open(table.cells, table.schema, ledger=ledger)
    fitted = generator(system).fit(curator, budget, rng=np.random.default_rng(0))
    found: list[dict[str, Any]] = []
    for kind, sampler in KINDS.items():
        judged, seconds = list[Mapping[str, float]](), 0.0
        for seed in range(SAMPLES):
            start = time.process_time()
            made = sampler(fitted, table.sampled_rows, np.random.default_rng(seed))
            seconds += time.process_time() - start
            judged.append(table.judge(made.codes))
        means = {
            figure: round(float(np.mean([one[figure] for one in judged])), 5)
            for figure in FIGURES
            if figure in judged[0]
        }
        cost = round(seconds / SAMPLES, 2)
        found.append({"table": name, "system": system, "kind": kind, "cpu_seconds": cost, **means})
        sys.stderr.write(f"{found[-1]}\n")
    return found


def table_of_balance(record: Mapping[str, Any]) -> str:
    """Return the record as a Markdown table."""
    lines = [
        "| table | generator | rows | tvd1 | tvd2 | tvd3 | AUC | k-marginal | CPU s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in record["compared"]:
        auc = f"{one['auc']:.3f}" if "auc" in one else ""
        score = f"{one['k_marginal']:.1f}" if "k_marginal" in one else ""
        lines.append(
            f"| {one['table']} | `{one['system']}` | {one['kind']} | {one['tvd1']:.4f} | {one['tvd2']:.4f} | "
            f"{one['tvd3']:.4f} | {auc} | {score} | {one['cpu_seconds']:.2f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table; record it in one file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    record: dict[str, Any] = {"source": source_version(), **surroundings(), "samples": SAMPLES}
    record["compared"] = [line for name, system in FITS for line in compared(name, system)]
    if asked.json:
        asked.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(table_of_balance(record))


if __name__ == "__main__":
    main()
