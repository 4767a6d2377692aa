"""A synthetic table: codes in the terms of a public schema, turned into cells when it is looked at or written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput
from dpsynth.schema.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

_CHUNK_ROWS = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticTable:
    """Rows that belong to nobody.

    Attributes:
        schema: what the columns mean.
        codes: shape (rows, columns), columns in the order of the schema.
        spread_seed: decides where inside its bin each number falls; the same seed gives the same cells.
        provenance: how the table came about, in words; public.
    """

    schema: Schema
    codes: NDArray[np.int32]
    spread_seed: int
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse codes that the schema does not have."""
        sizes = np.asarray(self.schema.domain.sizes)
        if self.codes.ndim != 2 or self.codes.shape[1] != len(sizes):
            raise InvalidInput(f"a table of this schema has {len(sizes)} columns of codes")
        if len(self.codes) and bool(((self.codes < 0) | (self.codes >= sizes)).any()):
            raise InvalidInput("a table holds only codes that its schema has")
        if self.spread_seed < 0:
            raise InvalidInput("spread_seed must not be negative")

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.codes)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.rows

    def select(self, mask: NDArray[np.bool_]) -> SyntheticTable:
        """Return the rows where `mask`, shape (rows,), is true."""
        if mask.dtype != np.bool_ or mask.shape != (self.rows,):
            raise InvalidInput("a selection needs one truth value per row")
        return replace(self, codes=self.codes[mask])

    def to_pandas(self) -> pd.DataFrame:
        """Return the table as a frame of categories, Int64, Float64, boolean and datetime64, missing cells missing."""
        from dpsynth.schema.table_files import decoded

        return next(decoded(self.schema, [self.codes], self.spread_seed))

    def write(self, path: str | Path) -> None:
        """Write the table as CSV or Parquet, by the extension; the file is there completely or not at all.

        In CSV files, text that a spreadsheet would take for a formula has an apostrophe in front; reading the file with
        the schema takes it off again.

        Raises:
            InvalidInput: the extension is neither `.csv` nor `.parquet`.
            BundleError: the file cannot be written, for example because the disk is full.
        """
        from dpsynth.schema.table_files import write_codes

        pieces = (self.codes[start : start + _CHUNK_ROWS] for start in range(0, self.rows, _CHUNK_ROWS))
        write_codes(self.schema, pieces, self.spread_seed, path)


def spread_seed_from(rng: np.random.Generator) -> int:
    """Return a fresh `spread_seed`; drawn before the rows, so that rows which arrive in pieces get the same."""
    return int(rng.integers(np.iinfo(np.int64).max))
