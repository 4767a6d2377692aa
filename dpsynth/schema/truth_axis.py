"""Declared truth values: false and true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from dpsynth.schema.cells import Reading, number_in

if TYPE_CHECKING:
    from pandas.api.extensions import ExtensionArray


@dataclass(frozen=True, slots=True)
class TruthAxis:
    """False and true, codes 0 and 1.

    Attributes:
        true_texts: cells that mean true; the first one is written to CSV files.
        false_texts: cells that mean false; the first one is written to CSV files.
    """

    true_texts: tuple[str, ...]
    false_texts: tuple[str, ...]

    @property
    def size(self) -> int:
        """Two."""
        return 2

    @property
    def storage(self) -> Literal["boolean"]:
        """The declared type."""
        return "boolean"

    @property
    def ordered(self) -> bool:
        """False: neither value comes first."""
        return False

    def place(self, reading: Reading) -> int | None:
        """Return the code of `reading`, or None where it is neither true nor false; 0 and 1 are read as such."""
        match reading:
            case bool():
                return int(reading)
            case str() if reading in self.true_texts:
                return 1
            case str() if reading in self.false_texts:
                return 0
            case str():
                return self._place_of_number(number_in(reading))
            case float():
                return self._place_of_number(reading)
            case _:
                return None

    def _place_of_number(self, number: float | None) -> int | None:
        if number is None:
            return None
        if number in map(number_in, self.true_texts):
            return 1
        if number in map(number_in, self.false_texts):
            return 0
        return int(number) if number in (0.0, 1.0) else None

    def labels(self) -> tuple[str, ...]:
        """Return one text per code, for people."""
        return (self.false_texts[0], self.true_texts[0])

    def decode(
        self,
        codes: NDArray[np.int32],
        uniform: NDArray[np.float64],  # noqa: ARG002 - one signature for all axes
        known: NDArray[np.bool_],
    ) -> ExtensionArray:
        """Return truth values; missing where not `known`."""
        import pandas as pd

        array: ExtensionArray = pd.arrays.BooleanArray(np.where(known, codes, 0) == 1, ~known)
        return array
