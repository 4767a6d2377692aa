"""One column: every possible cell has a code, every code has cells.

Codes 0 to k - 1 are the declared values, in their order. Then comes the missing slot, if cells may be empty, and then
the slot for cells outside the declared domain, if there is one. At least one of the two exists, so there is always
somewhere for a bad cell to go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput
from dpsynth.schema.axes import Axis, CategoryAxis, NumberAxis
from dpsynth.schema.cells import Cells, encode_each, listed_cells, number_in, plain_array, read_cell
from dpsynth.schema.formulas import as_declared
from dpsynth.schema.merging import Merging, default_merging

if TYPE_CHECKING:
    import pandas as pd


class ColumnKind(Enum):
    """How a column is coded."""

    CATEGORICAL = "categorical"
    ORDINAL = "ordinal"
    INTEGER = "integer"
    CONTINUOUS = "continuous"
    DATETIME = "datetime"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class MissingCells:
    """What an empty cell looks like, besides None, NaN, NaT, NA and blank text.

    Attributes:
        texts: declared missing values; the first one is written to CSV files.
    """

    texts: tuple[str, ...] = ("",)
    _numbers: frozenset[float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the values by number."""
        numbers = frozenset(number for number in map(number_in, self.texts) if number is not None)
        object.__setattr__(self, "_numbers", numbers)

    @property
    def numbers(self) -> frozenset[float]:
        """Those of the texts that spell a number."""
        return self._numbers

    @property
    def written(self) -> str:
        """The text of a missing cell in a CSV file."""
        return self.texts[0] if self.texts else ""

    def has_text(self, text: str) -> bool:
        """Return whether a text cell is empty: blank, or a declared missing value by text or by number."""
        if not text.strip() or text in self.texts:
            return True
        return bool(self._numbers) and number_in(text) in self._numbers


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a schema.

    Attributes:
        name: the column's name.
        kind: how it is coded.
        axis: its declared values.
        missing: what an empty cell looks like.
        has_missing_slot: whether empty cells have a code of their own.
        has_outside_slot: whether cells outside the declared domain have a code of their own.
        provenance: where the declared domain was taken from, in words.
        declared_merging: how codes are merged before pairs are measured, where the schema says so.
        outside_is_possible: whether a synthetic cell may be in the outside slot; a required column keeps one only for
            real cells that do not fit.
    """

    name: str
    kind: ColumnKind
    axis: Axis
    missing: MissingCells
    has_missing_slot: bool
    has_outside_slot: bool
    provenance: str | None = None
    declared_merging: Merging | None = None
    outside_is_possible: bool = True

    def __post_init__(self) -> None:
        """Refuse a column without somewhere for bad cells to go."""
        if not (self.has_missing_slot or self.has_outside_slot):
            raise InvalidInput(f"column '{self.name}' needs a missing slot or an outside slot")

    @property
    def declared_size(self) -> int:
        """The number of codes of declared values; they come first."""
        return self.axis.size

    @property
    def size(self) -> int:
        """The number of all codes."""
        return self.axis.size + self.has_missing_slot + self.has_outside_slot

    @property
    def missing_code(self) -> int | None:
        """The code of empty cells, or None where they count as outside."""
        return self.axis.size if self.has_missing_slot else None

    @property
    def outside_code(self) -> int | None:
        """The code of cells outside the declared domain, or None where they count as missing."""
        return self.axis.size + self.has_missing_slot if self.has_outside_slot else None

    @property
    def is_ordered(self) -> bool:
        """Whether the codes of declared values are in a meaningful order."""
        return self.axis.ordered

    @property
    def merging(self) -> Merging:
        """How codes are merged before pairs of columns are measured."""
        return self.declared_merging or default_merging(self.size, ordered=self.is_ordered)

    @property
    def labels(self) -> tuple[str, ...]:
        """One text per code, for tables and charts."""
        outside = self.axis.outside_label if isinstance(self.axis, CategoryAxis) else None
        special = ["(missing)"] * self.has_missing_slot + [outside or "(outside)"] * self.has_outside_slot
        return (*self.axis.labels(), *special)

    def code_of(self, cell: object) -> int:
        """Return the code of one cell: total, and a function of this cell and the schema alone."""
        reading = read_cell(cell)
        if reading is None or (isinstance(reading, float) and reading in self.missing.numbers):
            return self._slot(self.missing_code, self.outside_code)
        if not isinstance(reading, str):
            place = self.axis.place(reading)
            return self._slot(self.outside_code, self.missing_code) if place is None else place
        for text in dict.fromkeys((reading, reading.strip(), as_declared(reading))):
            if self.missing.has_text(text):
                return self._slot(self.missing_code, self.outside_code)
            place = self.axis.place(text)
            if place is not None:
                return place
        return self._slot(self.outside_code, self.missing_code)

    def encode(self, cells: Cells) -> NDArray[np.int32]:
        """Return `code_of` every cell, shape (cells,)."""
        cells = plain_array(cells)
        if not isinstance(self.axis, NumberAxis):
            return encode_each(cells, self.code_of)
        if isinstance(cells, np.ndarray) and cells.dtype in _PLAIN_NUMBERS:
            return self._encode_numbers(self.axis, cells.astype(np.float64))
        listed = listed_cells(cells)
        kinds = set(map(type, listed))
        if kinds == {float}:
            return self._encode_numbers(self.axis, np.array(listed, dtype=np.float64))
        if kinds <= {str, float}:
            return self._encode_spelled_numbers(self.axis, cast("Sequence[str | float]", listed))
        return encode_each(listed, self.code_of)

    def decode(self, codes: NDArray[np.integer], rng: np.random.Generator) -> pd.Series:
        """Return one cell per code: exact where a code stands for one value, spread evenly where for many.

        Args:
            codes: codes of this column, shape (rows,).
            rng: gives exactly one number per row, so that decoding in pieces gives the same as decoding at once.

        Raises:
            InvalidInput: a code that this column does not have.
        """
        import pandas as pd

        if codes.ndim != 1 or (len(codes) and not (codes.min() >= 0 and codes.max() < self.size)):
            raise InvalidInput(f"column '{self.name}' has codes 0 to {self.size - 1}")
        uniform = rng.random(len(codes))
        places = codes.astype(np.int32)
        known = places < self.axis.size
        if isinstance(self.axis, CategoryAxis) and self.axis.outside_label is not None and self.has_outside_slot:
            outside = places == self.outside_code
            places, known = np.where(outside, self.axis.size, places), known | outside
        return pd.Series(self.axis.decode(places, uniform, known), name=self.name)

    def _encode_numbers(self, axis: NumberAxis, numbers: NDArray[np.float64]) -> NDArray[np.int32]:
        """Encode without a Python object per cell; agrees with `code_of` on every number."""
        absent = np.isnan(numbers) | np.isin(numbers, list(self.missing.numbers))
        codes = axis.place_all(np.where(absent, axis.bins.minimum, numbers))
        codes[codes < 0] = self._slot(self.outside_code, self.missing_code)
        codes[absent] = self._slot(self.missing_code, self.outside_code)
        return codes

    def _encode_spelled_numbers(self, axis: NumberAxis, cells: Sequence[str | float]) -> NDArray[np.int32]:
        """Encode texts and floats, each distinct one read once; agrees with `code_of` on every cell."""
        read = {cell: number_in(cell) if isinstance(cell, str) else cell for cell in set(cells)}
        codes = self._encode_numbers(axis, np.array([read[cell] for cell in cells], dtype=np.float64))
        others = {cell: self.code_of(cell) for cell, number in read.items() if number is None}
        if others:
            for place, cell in enumerate(cells):
                codes[place] = others.get(cell, codes[place])
        return codes

    def _slot(self, first: int | None, second: int | None) -> int:
        slot = first if first is not None else second
        if slot is None:
            raise InvalidInput(f"column '{self.name}' needs a missing slot or an outside slot")
        return slot


_PLAIN_NUMBERS = [np.dtype(code) for code in ("?", "b", "h", "i", "l", "q", "B", "H", "I", "L", "Q", "d")]
