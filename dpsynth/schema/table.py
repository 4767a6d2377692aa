"""A synthetic table: codes in the terms of a public schema, turned into cells when it is looked at or written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import BundleError, InvalidInput
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
        return next(self._frames(max(self.rows, 1)))

    def write(self, path: str | Path) -> None:
        """Write the table as CSV or Parquet, by the extension; the file is there completely or not at all.

        In CSV files, text that a spreadsheet would take for a formula has an apostrophe in front; reading the file with
        the schema takes it off again.

        Raises:
            InvalidInput: the extension is neither `.csv` nor `.parquet`.
            BundleError: the file cannot be written, for example because the disk is full.
        """
        from dpsynth.schema.table_files import write_csv, write_parquet

        place = Path(path)
        writers = {".csv": write_csv, ".parquet": write_parquet}
        if place.suffix.lower() not in writers:
            raise InvalidInput(f"cannot write '{place.name}': the name must end in .csv or .parquet")
        partial = place.with_name(place.name + ".partial")
        try:
            try:
                writers[place.suffix.lower()](self.schema, self._frames(_CHUNK_ROWS), partial)
                partial.replace(place)
            finally:
                partial.unlink(missing_ok=True)
        except OSError as fault:
            raise BundleError(f"cannot write {place} ({fault.strerror or 'the system refuses'})") from None

    def _frames(self, chunk_rows: int) -> Iterator[pd.DataFrame]:
        """Yield the table in pieces that together equal the whole, at least one."""
        import pandas as pd

        columns = self.schema.columns
        spreaders = [np.random.default_rng([self.spread_seed, place]) for place in range(len(columns))]
        for start in range(0, max(self.rows, 1), chunk_rows):
            codes = self.codes[start : start + chunk_rows]
            yield pd.concat(
                [column.decode(codes[:, place], spreaders[place]) for place, column in enumerate(columns)], axis=1
            )
