"""Who is protected: the privacy unit and the neighboring relation.

Sampler, sensitivity and accountant all read the same object, so they cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dpsynth.errors import InvalidInput


class NeighboringRelation(Enum):
    """When two tables count as neighbors."""

    ADD_OR_REMOVE_ONE = "add-or-remove-one"
    """One privacy unit with all its (bounded) rows is added or removed; the number of rows is private."""


@dataclass(frozen=True, slots=True)
class PrivacyUnit:
    """What one person is in this table.

    Attributes:
        max_rows_per_unit: largest number of rows that one unit keeps; the curator enforces it by secret sampling.
        id_column: column that names the unit, or None where every row is its own unit.
        relation: the neighboring relation.
    """

    max_rows_per_unit: int = 1
    id_column: str | None = None
    relation: NeighboringRelation = NeighboringRelation.ADD_OR_REMOVE_ONE

    def __post_init__(self) -> None:
        """Refuse units that cannot be enforced."""
        if self.max_rows_per_unit < 1:
            raise InvalidInput(f"max_rows_per_unit must be at least 1, not {self.max_rows_per_unit}")
        if self.id_column is None and self.max_rows_per_unit != 1:
            raise InvalidInput("a unit of several rows needs an id_column that says which rows belong together")

    def describe(self) -> str:
        """Return the unit in words, for plans, certificates and reports."""
        if self.id_column is None:
            return "one row"
        return f"all rows that share a value of '{self.id_column}', at most {self.max_rows_per_unit} of them"
