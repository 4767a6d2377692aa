"""Declared categories: a list of values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from dpsynth.schema.cells import Moment, Reading, number_in
from dpsynth.schema.moment_axis import moment_text
from dpsynth.schema.number_axis import nullable_numbers

if TYPE_CHECKING:
    from pandas.api.extensions import ExtensionArray


@dataclass(frozen=True, slots=True)
class CategoryAxis:
    """A list of declared values, matched by text and then by number.

    Attributes:
        values: the declared values, as text.
        storage: `string`, or `integer` or `number` where decoded values are numbers.
        ordered: whether the order of the values means something.
        outside_label: text that cells outside the list decode to; None where they decode to missing.
    """

    values: tuple[str, ...]
    storage: Literal["string", "integer", "number"]
    ordered: bool
    outside_label: str | None
    _texts: dict[str, int] = field(init=False, repr=False, compare=False)
    _numbers: dict[float, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the values by text and by number."""
        texts: dict[str, int] = {}
        numbers: dict[float, int] = {}
        for code, value in enumerate(self.values):
            texts.setdefault(value, code)
        for code, value in enumerate(self.values):
            texts.setdefault(value.strip(), code)
            number = number_in(value)
            if number is not None:
                numbers.setdefault(number, code)
        object.__setattr__(self, "_texts", texts)
        object.__setattr__(self, "_numbers", numbers)

    @property
    def size(self) -> int:
        """The number of declared values."""
        return len(self.values)

    def place(self, reading: Reading) -> int | None:
        """Return the code of `reading`, or None where it is not declared."""
        match reading:
            case bool():
                texts = (str(reading), str(reading).lower(), str(reading).upper())
                found = next((self._texts[text] for text in texts if text in self._texts), None)
                return self._numbers.get(float(reading)) if found is None else found
            case float():
                return self._numbers.get(reading)
            case str():
                found = self._texts.get(reading)
                number = number_in(reading) if found is None else None
                return found if number is None else self._numbers.get(number)
            case Moment(seconds):
                return next((self._texts[text] for text in _texts_of(seconds) if text in self._texts), None)
            case _:
                return None

    def labels(self) -> tuple[str, ...]:
        """Return one text per code, for people."""
        return self.values

    def decode(
        self,
        codes: NDArray[np.int32],
        uniform: NDArray[np.float64],  # noqa: ARG002 - one signature for all axes
        known: NDArray[np.bool_],
    ) -> ExtensionArray:
        """Return values; where not `known` missing, or `outside_label` where the code is beyond the values."""
        import pandas as pd

        if self.storage == "string":
            categories = [*self.values, *([] if self.outside_label is None else [self.outside_label])]
            dtype = pd.CategoricalDtype(categories, ordered=self.ordered)
            return pd.Categorical.from_codes(np.where(known, codes, -1).tolist(), dtype=dtype)
        numbers = np.asarray([float(value) for value in self.values])[np.where(known, codes, 0)]
        return nullable_numbers(numbers, known, self.storage)


def _texts_of(seconds: int) -> tuple[str, ...]:
    """Return the usual spellings of a moment."""
    try:
        exact = moment_text(seconds, "datetime", None)
    except OverflowError:
        return ()
    day = (moment_text(seconds, "date", None),) if seconds % 86_400 == 0 else ()
    return (*day, exact.replace("T", " "), exact)
