"""Seconds and memory for millions of synthetic rows, as codes and as files; each case in a process of its own.

Run from the root of the project: `python -m benchmarks.sampling [--json FILE]`. The model is generated: columns of all
kinds, a chain of pairs with some triples, random potentials. Peak memory is that of the whole process, imports and
model included, as the operating system counts it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.surroundings import source_version, surroundings
from benchmarks.tables.base import PROJECT
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.sample_files import write_samples
from dpsynth.models import CliqueVector, GraphicalModel
from dpsynth.schema.schema import Schema

CASES = (
    (1_000_000, 50, "codes"),
    (1_000_000, 50, "parquet"),
    (1_000_000, 50, "csv"),
    (1_000_000, 50, "parquet, one condition"),
    (10_000_000, 20, "parquet"),
)

KINDS = (
    "type: string, categories: [{categories}]",
    "type: integer, constraints: {{minimum: 0, maximum: 99}}, dpsynth: {{bins: 20}}",
    "type: number, constraints: {{minimum: 0, maximum: 1000}}, dpsynth: {{bins: 30, spikes: [0]}}",
    "type: boolean",
    "type: date, constraints: {{minimum: 2020-01-01, maximum: 2024-12-31}}, dpsynth: {{bins: 20}}",
)
ORDER = (0, 0, 1, 2, 0, 3, 0, 1, 2, 4)
"""Four of ten columns are texts, two integers, two reals, one a truth value, one a date."""

HEADER = f"{'rows':>12}{'columns':>9}  {'output':<26}{'wall s':>9}{'cpu s':>9}{'peak MB':>9}{'file MB':>9}"


def generated_schema(columns: int) -> Schema:
    """Return a schema of `columns` columns of all kinds."""
    fields = []
    for place in range(columns):
        categories = ", ".join(f"value {value}" for value in range(4 + place % 12))
        fields.append(f"  - {{name: c{place}, {KINDS[ORDER[place % 10]].format(categories=categories)}}}")
    return Schema.from_text(
        "\n".join(["name: generated", "fields:", *fields, "dpsynth: {unit: {kind: row}, public_rows: 1000000}"])
    )


def generated_model(columns: int) -> FittedGraphicalModel:
    """Return a model over `generated_schema(columns)`: pairs of neighbours, and every fifth pair of next neighbours."""
    schema = generated_schema(columns)
    names = schema.domain.names
    cliques = [*pairwise(names), *zip(names[::5], names[2::5], strict=False)]
    potentials = CliqueVector.zeros(schema.domain, cliques)
    potentials.buffer[:] = np.random.default_rng(0).normal(0, 1, potentials.buffer.shape)
    return FittedGraphicalModel(schema, GraphicalModel.from_potentials(potentials, 1e6), ())


def run_case(rows: int, columns: int, output: str) -> dict[str, object]:
    """Return what one case costs in this process."""
    model = generated_model(columns)
    rng = np.random.default_rng(1)
    given = {"c0": "value 1"} if "condition" in output else None
    wall, cpu, written = time.perf_counter(), time.process_time(), 0
    with tempfile.TemporaryDirectory() as folder:
        if output == "codes":
            drawn = Counter[str]()
            for chunk in model.sample_chunks(rows, rng=rng, given=given):
                drawn["rows"] += len(chunk)
        else:
            path = Path(folder) / f"sample.{output.partition(',')[0]}"
            write_samples(model, path, rows, rng=rng, given=given)
            written = path.stat().st_size
        spent = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "rows": rows,
        "columns": columns,
        "output": output,
        "model_cells": model.model.size,
        "wall_seconds": round(spent[0], 2),
        "cpu_seconds": round(spent[1], 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "file_mb": round(written / 1e6),
    }


def main() -> None:
    """Print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--case", type=int, help="run this case in this process and print it as JSON")
    asked = parser.parse_args()
    if asked.case is not None:
        sys.stdout.write(json.dumps(run_case(*CASES[asked.case])) + "\n")
        return
    sys.stdout.write(HEADER + "\n")
    runs = []
    for case in range(len(CASES)):
        child = [sys.executable, "-m", "benchmarks.sampling", "--case", str(case)]
        made = subprocess.run(child, cwd=PROJECT, capture_output=True, text=True, check=True)  # noqa: S603
        run = json.loads(made.stdout)
        runs.append(run)
        sys.stdout.write(
            f"{run['rows']:>12,}{run['columns']:>9}  {run['output']:<26}{run['wall_seconds']:>9.1f}"
            f"{run['cpu_seconds']:>9.1f}{run['peak_mb']:>9,}{run['file_mb']:>9,}\n"
        )
        sys.stdout.flush()
    if asked.json:
        versions = {name: version(name) for name in ("numpy", "pandas", "pyarrow")}
        document = {"source": source_version(), "versions": versions, "surroundings": surroundings(), "runs": runs}
        asked.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
