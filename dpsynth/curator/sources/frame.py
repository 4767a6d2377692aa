"""Rows from a pandas frame."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeGuard

from dpsynth.curator.sources.arrow_cells import cells_of
from dpsynth.curator.sources.base import Cells
from dpsynth.errors import TableError

if TYPE_CHECKING:
    import pandas as pd

_BATCH_ROWS = 200_000


class Frame:
    """A pandas frame."""

    __slots__ = ("_frame",)

    def __init__(self, frame: pd.DataFrame) -> None:
        """Hold the frame; nothing is read yet."""
        self._frame = frame

    @property
    def description(self) -> str:
        """The kind of object."""
        return "the data frame"

    def column_names(self) -> tuple[str, ...]:
        """Return the frame's column names as text.

        Raises:
            TableError: when the frame has no columns.
        """
        if not len(self._frame.columns):
            raise TableError("the data frame has no columns")
        return tuple(str(name) for name in self._frame.columns)

    def batches(self) -> Iterator[list[Cells]]:
        """Yield slices of the frame, cells as the objects they are."""
        for start in range(0, len(self._frame), _BATCH_ROWS):
            part = self._frame.iloc[start : start + _BATCH_ROWS]
            yield [_cells(part.iloc[:, place]) for place in range(part.shape[1])]


def is_frame(data: object) -> TypeGuard[pd.DataFrame]:
    """Return whether `data` is a pandas frame; nobody can hold one before pandas is loaded, so this loads nothing."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(data, pandas.DataFrame)


def _cells(column: pd.Series[Any]) -> Cells:
    """Return the cells of a column; a column that pandas keeps in Arrow is read as one."""
    import pandas as pd

    kind = column.dtype
    if isinstance(kind, pd.ArrowDtype) or (isinstance(kind, pd.StringDtype) and kind.storage == "pyarrow"):
        kept = column.array.__arrow_array__()
        return [cell for chunk in getattr(kept, "chunks", [kept]) for cell in cells_of(chunk)]
    return column.to_numpy(dtype=object)
