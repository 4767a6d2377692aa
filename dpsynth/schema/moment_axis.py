"""Declared dates and times: a cut time line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from dpsynth.schema.bins import Bins
from dpsynth.schema.cells import Moment, Reading, moment_of

if TYPE_CHECKING:
    from pandas.api.extensions import ExtensionArray

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - times without a zone are kept as they stand


@dataclass(frozen=True, slots=True)
class MomentAxis:
    """A cut time line.

    Attributes:
        bins: the cut, in whole units since 1970-01-01.
        storage: `date` or `datetime`.
        clips: whether moments outside the declared range count as the nearer end.
        unit: seconds of one unit: the finest that the format can write.
        pattern: how text cells are written, in strptime's letters; None for ISO 8601.
    """

    bins: Bins
    storage: Literal["date", "datetime"]
    clips: bool
    unit: int
    pattern: str | None

    @property
    def size(self) -> int:
        """The number of bins and spikes."""
        return self.bins.size

    @property
    def ordered(self) -> bool:
        """True: moments have an order."""
        return True

    def place(self, reading: Reading) -> int | None:
        """Return the code of `reading`, or None where it is no moment or outside without clipping."""
        moment: Reading | Moment = reading
        if isinstance(reading, float) and reading.is_integer():
            moment = seconds_in(str(int(reading)), self.pattern)  # 20240131, where text was taken for a number
        elif isinstance(reading, str):
            moment = seconds_in(reading, self.pattern)
        return self.bins.place(moment.seconds // self.unit, clip=self.clips) if isinstance(moment, Moment) else None

    def labels(self) -> tuple[str, ...]:
        """Return one text per code, for people."""
        texts = [(self.text_of(int(low)), self.text_of(int(high))) for low, high in self.bins.edges()]
        return tuple(first if first == last else f"{first} to {last}" for first, last in texts)

    def text_of(self, units: int) -> str:
        """Return how a cell writes the moment `units` after 1970-01-01."""
        return moment_text(units * self.unit, self.storage, self.pattern)

    def decode(
        self, codes: NDArray[np.int32], uniform: NDArray[np.float64], known: NDArray[np.bool_]
    ) -> ExtensionArray:
        """Return moments spread inside their bins; missing where not `known`."""
        import pandas as pd

        units = self.bins.spread(np.where(known, codes, 0), uniform).astype(np.int64)
        moments = (units * self.unit).astype("datetime64[s]")
        moments[~known] = np.datetime64("NaT")
        array: ExtensionArray = pd.array(moments, dtype="datetime64[s]")
        return array


def seconds_in(text: str, pattern: str | None) -> Moment | None:
    """Return the moment that `text` spells in `pattern` (ISO 8601 if None), or None."""
    stripped = text.strip()
    try:
        if pattern is None:
            return moment_of(datetime.fromisoformat(stripped))
        return moment_of(datetime.strptime(stripped, pattern))  # noqa: DTZ007 - the pattern says if there is a zone
    except (ValueError, OverflowError):
        return None


def moment_text(seconds: int, storage: Literal["date", "datetime"], pattern: str | None) -> str:
    """Return how a cell of this type and pattern writes a moment."""
    moment = _EPOCH + timedelta(seconds=seconds)
    if pattern is not None:
        return moment.strftime(pattern)
    return moment.date().isoformat() if storage == "date" else moment.isoformat()
