"""Two neighboring tables that an auditor made up, as different as one unit can make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput
from dpsynth.schema.codec import encode_cells
from dpsynth.schema.schema import Schema

_LETTERS = "abcdefgh"

_CELLS = ("0", "1", None, "neither")
"""One cell of every code that a column of the auditor's has: its categories, missing, and outside."""


@dataclass(frozen=True, slots=True, eq=False)
class NeighborPair:
    """Two tables of which the second has the rows of one more unit, last.

    Attributes:
        name: a few words, for results.
        schema: of both tables.
        smaller: the table without the unit.
        larger: the same rows and the unit's.
    """

    name: str
    schema: Schema
    smaller: pd.DataFrame
    larger: pd.DataFrame

    def __post_init__(self) -> None:
        """Refuse tables that are no neighbors.

        Raises:
            InvalidInput: the larger table is not the smaller one and at least one row.
        """
        rows = len(self.smaller)
        same = len(self.larger) > rows and self.larger.iloc[:rows].reset_index(drop=True).equals(
            self.smaller.reset_index(drop=True)
        )
        if not same:
            raise InvalidInput("of two neighbors, the larger table is the smaller one and the rows of one more unit")

    def table(self, world: int) -> pd.DataFrame:
        """Return the table of a world: 0 without the unit, 1 with it."""
        return self.larger if world else self.smaller

    def codes(self, world: int) -> NDArray[np.int32]:
        """Return the codes of that table, shape (rows, columns)."""
        table = self.table(world)
        return encode_cells(self.schema, {column.name: table[column.name].tolist() for column in self.schema.columns})


def worst_case_pair(columns: int = 3, *, rows: int = 10, rows_alike: int = 0) -> NeighborPair:
    """Return two tables of `rows` equal rows, of which the second has one more row that differs in every column.

    Every marginal then moves by its full sensitivity, in a single cell, so no noise is left unused.

    Args:
        columns: how many there are, at most 8.
        rows: rows of the one kind.
        rows_alike: rows of the other kind, the unit's, that both tables hold. Where there are none, the cell that moves
            is empty, and a model that knows no negative counts hides half of what its noisy answers show.

    Source: the audits of marginal mechanisms in arXiv 2604.18352, section 5 (with no rows alike).
    """
    names = tuple(_LETTERS[:columns])
    schema = Schema.from_text(
        f"name: game\nfields:\n{_fields(names)}dpsynth:\n  unit: {{kind: row}}\n"
        f"  public_rows: {max(rows + rows_alike, 1)}\n",
        source="the auditor's table",
    )
    smaller = pd.DataFrame({name: ["0"] * rows + ["1"] * rows_alike for name in names}, dtype=object)
    larger = pd.concat([smaller, pd.DataFrame({name: ["1"] for name in names})], ignore_index=True)
    name = f"{rows} equal rows, {rows_alike} that differ from them in {columns} columns, and one more of these"
    return NeighborPair(name, schema, smaller, larger)


def full_pair(columns: int = 2, *, rows_per_cell: int = 60) -> NeighborPair:
    """Return two tables that hold every combination of codes equally often; the second has one more row.

    Every marginal moves by its full sensitivity, in a single cell. No cell is anywhere near empty, so a model that
    knows no negative counts moves none of its noisy answers, and what they show its synthetic rows show too.

    Args:
        columns: how many there are, at most 8.
        rows_per_cell: rows of each combination of codes; many standard deviations of the noise.
    """
    names = tuple(_LETTERS[:columns])
    cells = [cells for cells in product(_CELLS, repeat=columns) for _ in range(rows_per_cell)]
    schema = Schema.from_text(
        f"name: game\nfields:\n{_fields(names)}dpsynth:\n  unit: {{kind: row}}\n  public_rows: {len(cells)}\n",
        source="the auditor's table",
    )
    smaller = pd.DataFrame(cells, columns=list(names), dtype=object)
    larger = pd.concat([smaller, pd.DataFrame({name: ["1"] for name in names}, dtype=object)], ignore_index=True)
    return NeighborPair(
        f"{rows_per_cell} rows in every cell of {columns} columns, and one more row", schema, smaller, larger
    )


def unit_of_many_rows(rows_per_unit: int, *, columns: int = 2, units: int = 10) -> NeighborPair:
    """Return `units` units with one row each, and one more unit with as many equal rows as a unit may have."""
    names = tuple(_LETTERS[:columns])
    schema = Schema.from_text(
        f"name: game\nfields:\n{_fields(names)}dpsynth:\n"
        f"  unit: {{id_column: person, max_rows_per_unit: {rows_per_unit}}}\n  public_rows: {units}\n",
        source="the auditor's table",
    )
    smaller = pd.DataFrame({name: ["0"] * units for name in names}).assign(person=[f"p{i}" for i in range(units)])
    unit = pd.DataFrame({name: ["1"] * rows_per_unit for name in names}).assign(person="one more")
    larger = pd.concat([smaller, unit], ignore_index=True)
    return NeighborPair(f"{units} units of one row, and one of {rows_per_unit} rows", schema, smaller, larger)


def _fields(names: Sequence[str]) -> str:
    return "".join(f"  - {{name: {name}, type: string, categories: ['0', '1']}}\n" for name in names)
