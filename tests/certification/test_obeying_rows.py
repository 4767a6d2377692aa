"""Canaries are rows that a generator may make: uniform over what is possible."""

from __future__ import annotations

import itertools

import numpy as np

from dpsynth.certification.obeying_rows import obeying_combinations, obeying_rows
from dpsynth.schema.schema import Schema

FIELDS = """
fields:
  - {name: a, type: integer, constraints: {minimum: 0, maximum: 4}}
  - {name: b, type: string, categories: [x, y, z]}
  - {name: c, type: boolean, constraints: {required: true}}
"""


def schema_with(rules: str) -> Schema:
    return Schema.from_text(f"name: t\ndpsynth:\n  unit: {{kind: row}}\n  constraints: [{rules}]\n{FIELDS}")


def shares(schema: Schema, rows: int = 60_000) -> dict[tuple[int, ...], float]:
    drawn = obeying_rows(schema, rows, np.random.default_rng(0))
    assert drawn.dtype == np.int32
    assert not schema.constraints.violations(drawn).any()
    cells, counts = np.unique(drawn, axis=0, return_counts=True)
    return dict(zip(map(tuple, cells.tolist()), (counts / rows).tolist(), strict=True))


def test_rows_are_uniform_over_ordinary_values_that_obey() -> None:
    schema = schema_with('{if: a < 2, then: b == "x"}, {never: b == "z" and c}')
    expected = [
        (a, b, c)
        for a, b, c in itertools.product(range(5), range(3), range(2))
        if (a >= 2 or b == 0) and not (b == 2 and c == 1)
    ]
    found = shares(schema)
    assert sorted(found) == expected
    assert obeying_combinations(schema) == len(expected)
    # Independent draws would stray by sqrt(share / rows), here 0.001; 5 of them are a false alarm in a million.
    assert max(abs(share - 1 / len(expected)) for share in found.values()) < 0.005


def test_without_rules_every_ordinary_row_is_drawn() -> None:
    assert sorted(shares(schema_with(""))) == list(itertools.product(range(5), range(3), range(2)))


def test_special_slots_are_drawn_only_where_rules_leave_nothing_else() -> None:
    schema = schema_with("{if: c, then: missing(a)}, {if: not c, then: missing(b)}")
    drawn = obeying_rows(schema, 1000, np.random.default_rng(1))
    assert not schema.constraints.violations(drawn).any()
    assert obeying_combinations(schema) == 5 + 6
