"""Generated tables: wide, long, with very many levels, and tiny. Nobody stands in them; they never change."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.distances import distances
from benchmarks.tables.base import BenchmarkTable, Codes, coded
from dpsynth.schema.schema import Schema

MARGINALS = 300
"""Marginals of two and three columns that are compared; tables of 100 columns have 4,950 and 161,700."""


def related_columns(rows: int, columns: int, levels: int) -> Codes:
    """Return a table whose columns hang together in a tree.

    Each column but the first is, in every second cell, a fixed relabelling of one of the five columns before it, and
    drawn from a skewed distribution otherwise.
    """
    rng = np.random.default_rng(columns)
    skewed = rng.dirichlet(np.full(levels, 1.0), size=columns)
    codes = np.column_stack([rng.choice(levels, size=rows, p=shares) for shares in skewed]).astype(np.int32)
    for place in range(1, columns):
        parent = int(rng.integers(max(0, place - 5), place))
        copied = rng.random(rows) < 0.5
        codes[copied, place] = rng.permutation(levels)[codes[copied, parent]]
    return codes


def wide() -> BenchmarkTable:
    """Return 100 columns of 10 levels, 100,000 rows."""
    return _generated("wide", related_columns(100_000, 100, 10))


def long() -> BenchmarkTable:
    """Return 50 columns of 10 levels, 50,000 rows, of which a million synthetic ones are asked for."""
    return _generated("long", related_columns(50_000, 50, 10), sampled_rows=1_000_000)


def many_levels() -> BenchmarkTable:
    """Return 9 columns of 10 levels and one of 10,000 that follows the first of them; 100,000 rows."""
    codes = related_columns(100_000, 9, 10)
    rng = np.random.default_rng(10_000)
    shares = 1 / np.arange(1, 1_001)
    within = rng.choice(1_000, size=len(codes), p=shares / shares.sum())
    return _generated("many-levels", np.column_stack([codes, codes[:, 0] * 1_000 + within]).astype(np.int32))


def tiny() -> BenchmarkTable:
    """Return 5 columns of 4 levels, 1,000 rows: to try the harness, not the systems."""
    return _generated("tiny", related_columns(1_000, 5, 4))


def _generated(name: str, codes: Codes, *, sampled_rows: int | None = None) -> BenchmarkTable:
    columns = [f"c{place:02}" for place in range(codes.shape[1])]
    # Levels of every column are public: those that the generator can make, whether or not it made them.
    fields = "".join(
        f"  - {{name: {column}, type: integer, categories: {list(range(size))}, constraints: {{required: true}}}}\n"
        for column, size in zip(columns, _levels(codes), strict=True)
    )
    settings = f"dpsynth:\n  unit: {{kind: row}}\n  public_rows: {len(codes)}\n"
    schema = Schema.from_text(f"name: {name}\nfields:\n{fields}{settings}", source=name)
    cells = pd.DataFrame(codes, columns=columns)
    real = coded(schema, cells)

    def judge(made: Codes) -> dict[str, float]:
        return distances(real, schema.domain.sizes, made, at_most=MARGINALS)

    return BenchmarkTable(name, schema, cells, real, judge, sampled_rows=sampled_rows or len(codes))


def _levels(codes: Codes) -> list[int]:
    """Return the number of levels of every column: the next round number, which the generators above were asked for."""
    return [next(size for size in (4, 10, 10_000) if largest < size) for largest in codes.max(axis=0)]
