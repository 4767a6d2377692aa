"""Adult census income: as the integer codes that papers use, and as raw cells with a public schema."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from benchmarks.distances import distances
from benchmarks.prediction import area_under_curve
from benchmarks.tables.base import PROJECT, BenchmarkTable, Codes, coded, shared_file, split_rows
from dpsynth.schema.schema import Schema

ORDERED = {"age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week"}


def coded_schema() -> Schema:
    """Return the schema of the coded table, made from its public domain file; every column has an outside slot more."""
    sizes = json.loads(shared_file("adult", "adult_coded_domain.json").read_text(encoding="utf-8"))
    fields = "".join(
        f"  - {{name: '{name}', type: integer, categories: {list(range(size))}, "
        f"categoriesOrdered: {str(name in ORDERED).lower()}, constraints: {{required: true}}}}\n"
        for name, size in sizes.items()
    )
    text = f"name: adult\nfields:\n{fields}dpsynth:\n  unit: {{kind: row}}\n  public_rows: 40000\n"
    return Schema.from_text(text, source="adult_coded_domain.json")


def adult_coded(name: str = "adult-coded") -> BenchmarkTable:
    """Return the coded table, split 80/20 by `default_rng(7)`."""
    whole = pd.read_csv(shared_file("adult", "adult_coded.csv"))  # noqa: TID251 - the judge compares with the real rows
    return _adult(name, coded_schema(), *split_rows(whole), target="income>50K")


def adult_raw() -> BenchmarkTable:
    """Return the raw table: trained on the published training file, tested on the published test file."""
    schema = Schema.from_yaml(PROJECT / "docs" / "examples" / "adult.schema.yaml")
    files = [shared_file("adult", f"adult_{part}.csv") for part in ("train", "test")]
    training, held_out = (pd.read_csv(file, dtype=str) for file in files)  # noqa: TID251 - as above
    return _adult("adult-raw", schema, training, held_out, target="income")


def _adult(name: str, schema: Schema, training: pd.DataFrame, held_out: pd.DataFrame, *, target: str) -> BenchmarkTable:
    real, tested = coded(schema, training), coded(schema, held_out)
    sizes, place = schema.domain.sizes, schema.domain.position(target)

    def judge(made: Codes) -> dict[str, float]:
        return {**distances(real, sizes, made), "auc": area_under_curve(made.astype(np.int64), tested, place)}

    return BenchmarkTable(name, schema, training, real, judge, sampled_rows=len(training))
