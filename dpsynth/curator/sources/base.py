"""What the curator's ingest expects of a source of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Cells: TypeAlias = Sequence[object] | NDArray[np.generic]
"""The raw cells of one column in one batch; any Python or numpy object may occur."""


class RowSource(Protocol):
    """Rows that have not been looked at yet."""

    @property
    def description(self) -> str:
        """What the source is, for messages: a file name or a type, never a cell."""

    def column_names(self) -> tuple[str, ...]:
        """Return the column names; reads the header and not one row.

        Raises:
            TableError: when there is no usable header.
        """

    def batches(self) -> Iterator[list[Cells]]:
        """Yield batches of rows, each as one list of cells per column, in the order of `column_names`.

        Whatever a row holds, it is yielded: a bad row must not stop the others, because that would tell that it is
        there.
        """
