"""Tables and the units that are added to them: everything that a cell may hold, and more rows than a unit may have."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import pandas as pd
from hypothesis import strategies as st

from dpsynth.schema.schema import Schema

MOST_ROWS_OF_A_UNIT = 2

FIELDS = """
name: replayed
fields:
  - {name: smoker, type: boolean}
  - {name: stage, type: string, categories: [none, early, late]}
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 99}, dpsynth: {bins: 4}}
  - {name: cost, type: number, constraints: {minimum: 0, maximum: 1000}, dpsynth: {bins: 3, spikes: [0]}}
"""
"""The columns, as a schema has them."""

ROWS = Schema.from_text(FIELDS + "dpsynth: {unit: {kind: row}, public_rows: 40}\n", source="the auditor's table")
"""Each row is a unit."""

PEOPLE = Schema.from_text(
    FIELDS + f"dpsynth: {{unit: {{id_column: person, max_rows_per_unit: {MOST_ROWS_OF_A_UNIT}}}, public_rows: 40}}\n",
    source="the auditor's table",
)
"""A unit is a person, with at most two rows that count."""

NAMES = ("smoker", "stage", "age", "cost")

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Scene:
    """Two neighbors: `larger` is `smaller` and the rows of one more unit, last.

    Attributes:
        name: what is special about the unit.
        schema: of both.
        smaller: the table without the unit.
        larger: the table with it.
    """

    name: str
    schema: Schema
    smaller: pd.DataFrame
    larger: pd.DataFrame

    @classmethod
    def of(cls, name: str, schema: Schema, rows: list[Row], unit: list[Row]) -> Scene:
        """Return the scene of some rows and the rows of one more unit, who is called last where people have names."""
        people = schema.unit.id_column is not None
        named = [{**row, "person": f"p{place // 2}"} for place, row in enumerate(rows)] if people else rows
        added = [{**row, "person": "one more"} for row in unit] if people else unit[:1]
        columns = [*NAMES, "person"] if people else [*NAMES]
        return cls(name, schema, _frame(named, columns), _frame([*named, *added], columns))

    def table(self, world: int) -> pd.DataFrame:
        """Return the table without the unit, 0, or with it, 1."""
        return self.larger if world else self.smaller


PLAIN: Row = {"smoker": True, "stage": "late", "age": 50, "cost": 10.0}

UNITS: dict[str, list[Row]] = {
    "an ordinary row": [PLAIN],
    "a category that the schema does not have": [{**PLAIN, "stage": "unheard of"}],
    "not a number": [{**PLAIN, "age": float("nan"), "cost": float("nan")}],
    "infinity": [{**PLAIN, "age": float("inf"), "cost": float("-inf")}],
    "extreme values": [{**PLAIN, "age": 10**400, "cost": -1.7e308}],
    "nothing": [dict.fromkeys(NAMES)],
    "cells of other types": [{"smoker": "perhaps", "stage": 3, "age": b"\xff", "cost": ["a", "list"]}],
    "many rows": [PLAIN] * 7,
    "many different rows": [{**PLAIN, "age": age, "stage": stage} for age in (0, 99) for stage in ("none", "late", "")],
}
"""Units that have broken real tools, by name."""

_CELLS: dict[str, st.SearchStrategy[Any]] = {
    "smoker": st.sampled_from([True, False, True, False, None, "yes", float("nan")]),
    "stage": st.sampled_from(["none", "early", "late", "none", "early", "late", "unheard of", None, "", 7]),
    "age": st.one_of(
        st.integers(0, 99), st.sampled_from([None, float("nan"), float("inf"), -1, 100, 10**400, "old", b"\x00"])
    ),
    "cost": st.one_of(
        st.floats(0, 1000),
        st.floats(allow_nan=True, allow_infinity=True),
        st.sampled_from([None, "free", datetime.date(2020, 1, 1), -0.0, 5e-324]),
    ),
}

row: st.SearchStrategy[Row] = st.fixed_dictionaries(_CELLS)
rows: st.SearchStrategy[list[Row]] = st.lists(row, max_size=12)
unit: st.SearchStrategy[list[Row]] = st.lists(row, min_size=1, max_size=5)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Draw a table, the empty one too, and one more unit."""
    schema = draw(st.sampled_from([ROWS, PEOPLE]))
    return Scene.of("drawn", schema, draw(rows), draw(unit))


def known_scenes(schema: Schema) -> tuple[Scene, ...]:
    """Return the units that have broken real tools, beside ten rows, and an ordinary one in an empty table."""
    ten = [{**PLAIN, "smoker": place % 2 == 0, "age": 9 * place, "stage": "none"} for place in range(10)]
    beside = [Scene.of(name, schema, ten, added) for name, added in UNITS.items()]
    return (*beside, Scene.of("the empty table", schema, [], [PLAIN]))


def _frame(given: list[Row], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series([one[name] for one in given], dtype=object) for name in columns})
