"""Declared numbers: a cut number line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from dpsynth.schema.bins import Bins
from dpsynth.schema.cells import Reading, number_in

if TYPE_CHECKING:
    from pandas.api.extensions import ExtensionArray


@dataclass(frozen=True, slots=True)
class NumberAxis:
    """A cut number line.

    Attributes:
        bins: the cut; whole numbers where `storage` is `integer`.
        storage: `integer` or `number`.
        clips: whether numbers outside the declared range count as the nearer end.
        decimals: decimals that decoded numbers are rounded to, where that does not move them to another code.
    """

    bins: Bins
    storage: Literal["integer", "number"]
    clips: bool
    decimals: int | None = None

    @property
    def size(self) -> int:
        """The number of bins and spikes."""
        return self.bins.size

    @property
    def ordered(self) -> bool:
        """True: numbers have an order."""
        return True

    def place(self, reading: Reading) -> int | None:
        """Return the code of `reading`, or None where it is no number or outside without clipping."""
        match reading:
            case bool() | float():
                return self.bins.place(float(reading), clip=self.clips)
            case str():
                number = number_in(reading)
                return None if number is None else self.bins.place(number, clip=self.clips)
            case _:
                return None

    def place_all(self, numbers: NDArray[np.float64]) -> NDArray[np.int32]:
        """Return `place` for every number, -1 for None; NaN is not allowed."""
        return self.bins.place_all(numbers, clip=self.clips)

    def labels(self) -> tuple[str, ...]:
        """Return one text per code, for people."""
        return tuple(f"{low:.15g}" if low == high else f"{low:.15g} to {high:.15g}" for low, high in self.bins.edges())

    def decode(
        self, codes: NDArray[np.int32], uniform: NDArray[np.float64], known: NDArray[np.bool_]
    ) -> ExtensionArray:
        """Return numbers spread inside their bins; missing where not `known`."""
        places = np.where(known, codes, 0)
        numbers = self.bins.spread(places, uniform)
        if self.decimals is not None:
            rounded = np.round(numbers, self.decimals) + 0.0  # no negative zero
            numbers = np.where(self.bins.place_all(rounded, clip=False) == places, rounded, numbers)
        return nullable_numbers(numbers, known, self.storage)


def nullable_numbers(numbers: NDArray[np.float64], known: NDArray[np.bool_], storage: str) -> ExtensionArray:
    """Return Int64 or Float64 values, missing where not `known`."""
    import pandas as pd

    values = np.where(known, numbers, 0.0)
    if storage == "integer":
        whole: pd.arrays.IntegerArray = pd.arrays.IntegerArray(values.astype(np.int64), ~known)
        return whole
    real: pd.arrays.FloatingArray = pd.arrays.FloatingArray(values, ~known)
    return real
