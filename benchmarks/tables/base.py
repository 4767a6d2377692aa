"""One table of the benchmark, with the judge of synthetic versions of it."""

from __future__ import annotations

import hashlib
import os
import sys
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

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits of what every system gets: names and sizes of columns, and codes."""
        found = hashlib.sha256(repr(self.schema.domain).encode())
        found.update(np.ascontiguousarray(self.codes).tobytes())
        return found.hexdigest()[:12]


def shared_file(*parts: str) -> Path:
    """Return the path of a real table or of what describes it; ends the program with advice if it is not there."""
    file = SHARED.joinpath(*parts)
    if not file.exists():
        sys.exit(
            f"there is no {'/'.join(parts)} below the folder of real tables; set DPSYNTH_SHARED_DATA to that folder"
        )
    return file


def coded(schema: Schema, cells: pd.DataFrame) -> Codes:
    """Return the codes of a frame of cells."""
    return encode_cells(schema, {name: cells[name].to_numpy() for name in schema.domain.names})


def split_rows(cells: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training rows and held-out rows: 80/20, always the same ones."""
    order = np.random.default_rng(7).permutation(len(cells))
    border = int(0.8 * len(cells))
    return cells.iloc[order[:border]].reset_index(drop=True), cells.iloc[order[border:]].reset_index(drop=True)
