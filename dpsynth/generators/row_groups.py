"""How a recorded loss reads a row as groups of codes, which is how noisy tables hold the columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import MissingExtra
from dpsynth.generators.noisy_tables import NoisyTables

try:
    import torch
except ImportError as missing:
    raise MissingExtra("torch", "neural") from missing

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RowGroups:
    """Columns with their codes and groups.

    Attributes:
        tables: the columns with their groups.
    """

    tables: NoisyTables

    @property
    def auxiliary(self) -> list[Floats]:
        """The matrix from codes to groups of each column that is held in groups: what `read` needs of public arrays."""
        return [
            np.eye(self.tables.domain.size(name))[self.tables.groups[name]]
            for name, grouped in zip(self.tables.domain.names, self._is_grouped, strict=True)
            if grouped
        ]

    def read(self, row: Any, groupings: tuple[Any, ...]) -> Any:
        """Return a row of one-hot codes as one-hot groups.

        Args:
            row: as a `Loss` is given it.
            groupings: the tensors of `auxiliary`.
        """
        parts, remaining, start = [], iter(groupings), 0
        for size, grouped in zip(self.tables.schema.domain.sizes, self._is_grouped, strict=True):
            codes = row[start : start + size]
            parts.append(codes @ next(remaining) if grouped else codes)
            start += size
        return torch.cat(parts)

    @property
    def _is_grouped(self) -> tuple[bool, ...]:
        pairs = zip(self.tables.domain.sizes, self.tables.schema.domain.sizes, strict=True)
        return tuple(held < size for held, size in pairs)
