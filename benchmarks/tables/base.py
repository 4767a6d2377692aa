"""One table of the benchmark, with the judge of synthetic versions of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpsynth.schema.codec import encode_cells
from dpsynth.schema.schema import Schema

PROJECT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("DPSYNTH_SHARED_DATA", PROJECT.parent / "shared" / "data"))

Codes = NDArray[np.int32]
"""Integer codes, shape (rows, columns), columns in the order of the schema."""

Judge = Callable[[Codes], dict[str, float]]
"""From synthetic codes to named figures."""


@dataclass(frozen=True, slots=True)
class BenchmarkTable:
    """Real rows, what is publicly known about them, and a judge.

    Attributes:
        name: what the command line calls it.
        schema: what is publicly known; every system gets the codes of this schema, slots for missing cells included.
        cells: the training rows as they are read from a file.
        codes: the same rows, coded.
        judge: compares synthetic codes with real rows.
        sampled_rows: how many rows every system is asked for.
    """

    name: str
    schema: Schema
    cells: pd.DataFrame
    codes: Codes
    judge: Judge
    sampled_rows: int


def coded(schema: Schema, cells: pd.DataFrame) -> Codes:
    """Return the codes of a frame of cells."""
    return encode_cells(schema, {name: cells[name].to_numpy() for name in schema.domain.names})


def split_rows(cells: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training rows and held-out rows: 80/20, always the same ones."""
    order = np.random.default_rng(7).permutation(len(cells))
    border = int(0.8 * len(cells))
    return cells.iloc[order[:border]].reset_index(drop=True), cells.iloc[order[border:]].reset_index(drop=True)
