"""From rules as written to cells that cannot be: three-valued, decided on codes, faults with their place."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import SchemaError
from dpsynth.schema.codec import encode_cells
from dpsynth.schema.schema import Schema

FIELDS = """
fields:
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 99}, dpsynth: {bins: [0, 15, 30, 99], spikes: [65]}}
  - {name: status, type: string, categories: [never, married, widowed]}
  - {name: stage, type: string, categories: [I, II, III], categoriesOrdered: true, constraints: {required: true}}
  - {name: smoker, type: boolean}
  - {name: low, type: integer, constraints: {minimum: 0, maximum: 3}}
  - {name: high, type: integer, constraints: {minimum: 1, maximum: 4, required: true}}
  - {name: cost, type: number, constraints: {minimum: 0, maximum: 10}, dpsynth: {bins: 2}}
  - {name: born, type: date, constraints: {minimum: 2000-01-01, maximum: 2002-12-31},
     dpsynth: {bins: [2000-01-01, 2001-01-01, 2002-01-01, 2002-12-31]}}
  - {name: seen, type: datetime, constraints: {minimum: 2000-01-01T00:00:00, maximum: 2002-12-31T00:00:00},
     dpsynth: {bins: [2000-01-01T00:00:00, 2001-01-01T00:00:00, 2002-01-01T00:00:00, 2002-12-31T00:00:00]}}
  - {name: country, type: string, categories: [a, b, c]}
  - {name: birthplace, type: string, categories: [c, b, d]}
  - {name: code, type: integer, categories: [10, 20, 31], constraints: {required: true}}
"""


def text_with(*rules: str) -> str:
    listed = "".join(f"    - {rule}\n" for rule in rules)
    return f"name: trial\ndpsynth:\n  unit: {{kind: row}}\n  constraints:\n{listed}{FIELDS}"


def schema_with(*rules: str) -> Schema:
    return Schema.from_text(text_with(*rules))


def obeys(schema: Schema, **cells: object) -> bool:
    """Return whether a record with these cells, the others missing or at a first value, is possible."""
    plain = {column.name: None for column in schema.columns} | {"stage": "I", "high": 4, "code": 10}
    row = {name: [value] for name, value in (plain | cells).items()}
    return not schema.constraints.violations(encode_cells(schema, row))[0]


@pytest.mark.parametrize(
    ("rule", "possible", "impossible"),
    [
        ("{if: age < 15, then: status == 'never'}", {"age": 10, "status": "never"}, {"age": 10, "status": "married"}),
        ("{if: age < 15, then: status == 'never'}", {"age": 15, "status": "married"}, {"age": 14, "status": "widowed"}),
        ("never: age >= 15 and age < 30 and smoker", {"age": 30, "smoker": True}, {"age": 29, "smoker": True}),
        ("never: age == 65 and not smoker", {"age": 66, "smoker": False}, {"age": 65, "smoker": False}),
        ("never: age != 65 and smoker == true", {"age": 65, "smoker": True}, {"age": 64, "smoker": True}),
        ("never: stage > 'I' and smoker", {"stage": "I", "smoker": True}, {"stage": "III", "smoker": True}),
        ("never: code > 15 and smoker", {"code": 10, "smoker": True}, {"code": 20, "smoker": True}),
        ("never: code == 20 and smoker", {"code": 31, "smoker": True}, {"code": 20, "smoker": True}),
        ("never: status == 'other' and smoker", {"status": "never", "smoker": True}, {"status": "??", "smoker": True}),
        ("never: outside(status) and smoker", {"status": "never", "smoker": True}, {"status": "??", "smoker": True}),
        ("never: low >= high", {"low": 3, "high": 4}, {"low": 3, "high": 3}),
        ("never: low == high", {"low": 3, "high": 2}, {"low": 3, "high": 3}),
        ("if: cost >= 5\n      then: smoker", {"cost": 4.9, "smoker": False}, {"cost": 5, "smoker": False}),
        ("never: born < '2001-01-01' and smoker", {"born": "2001-01-01", "smoker": True},
         {"born": "2000-12-31", "smoker": True}),
        ("{never: seen < born, undecided: possible}", {"seen": "2001-05-05", "born": "2001-07-07"},
         {"seen": "2000-05-05", "born": "2001-07-07"}),
        ("never: country == birthplace", {"country": "a", "birthplace": "b"}, {"country": "b", "birthplace": "b"}),
        ("never: country != birthplace", {"country": "c", "birthplace": "c"}, {"country": "c", "birthplace": "b"}),
        ("{column: code, determines: status, mapping: {10: never, 20: [married, widowed], 31: widowed}}",
         {"code": 20, "status": "widowed"}, {"code": 31, "status": "married"}),
    ],
)  # fmt: skip
def test_what_a_rule_allows_and_forbids(rule: str, possible: dict[str, Any], impossible: dict[str, Any]) -> None:
    schema = schema_with(rule)
    assert obeys(schema, **possible)
    assert not obeys(schema, **impossible)


@pytest.mark.parametrize(
    ("rule", "cells", "possible"),
    [
        # An absent cell contradicts nothing ...
        ("{if: age < 15, then: status == 'never'}", {"age": None, "status": "married"}, True),
        ("{if: age < 15, then: status == 'never'}", {"age": 10, "status": None}, True),
        ("never: not (age < 15) and smoker", {"age": None, "smoker": True}, True),
        ("never: low >= high", {"low": None}, True),
        ("never: status != 'never' and smoker", {"status": None, "smoker": True}, True),
        # ... unless the rule names it, or what it does not name decides.
        ("{if: age < 15, then: status == 'never' and not missing(status)}", {"age": 10, "status": None}, False),
        ("{if: missing(age), then: missing(status)}", {"age": None, "status": "never"}, False),
        ("{if: age == null, then: status == null}", {"age": 10, "status": "never"}, True),
        ("never: (age < 15 or missing(age)) and smoker", {"age": None, "smoker": True}, False),
        # Cells outside a list of texts come out as a label: a text like any other, but without a place in an order.
        ("{if: age < 15, then: status == 'never'}", {"age": 10, "status": "??"}, False),
        ("never: status != 'never' and smoker", {"status": "??", "smoker": True}, False),
        ("never: low == 3 and smoker", {"low": "??", "smoker": True}, True),
        # What another column determines is never missing.
        ("{column: code, determines: status, mapping: {10: never, 20: never, 31: widowed}}",
         {"code": 10, "status": None}, False),
    ],
)  # fmt: skip
def test_missing_and_outside_cells(rule: str, cells: dict[str, Any], possible: bool) -> None:
    assert obeys(schema_with(rule), **cells) is possible


def test_required_columns_have_no_cell_outside_unless_the_schema_says_slot() -> None:
    schema = Schema.from_text("""
name: t
dpsynth: {unit: {kind: row}}
fields:
  - {name: a, type: string, categories: [x], constraints: {required: true}}
  - {name: b, type: string, categories: [x], constraints: {required: true}, dpsynth: {outside: slot}}
  - {name: c, type: string, categories: [x], constraints: {required: true}, dpsynth: {outside_label: rest}}
  - {name: d, type: integer, constraints: {minimum: 0, maximum: 1, required: true}}
  - {name: e, type: integer, constraints: {minimum: 0, maximum: 1}}
""")
    assert set(schema.constraints.masks) == {("a",), ("d",)}
    assert schema.constraints.masks["d",].tolist() == [False, False, True]


def test_rules_over_the_same_columns_are_combined_and_lists_are_taken_apart() -> None:
    schema = schema_with(
        "{if: age < 15, then: status == 'never' and not smoker and low == 0}", "never: age < 15 and low == 0"
    )
    joint = {clique: int(mask.sum()) for clique, mask in schema.constraints.masks.items() if len(clique) > 1}
    assert joint == {("age", "status"): 3, ("age", "smoker"): 1, ("age", "low"): 4}
    assert schema.constraints.atoms("age").tolist() == [0, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("never: age < 18 and smoker", "'age': '15 to 29' holds values of both kinds; put a bin edge at 18"),
        ("never: age <= 15 and smoker", "'age': '15 to 29' holds values of both kinds; put a bin edge at 16"),
        ("never: age == 16 and smoker", "'age': '15 to 29' holds values of both kinds; give 16 a code of its own"),
        ("never: cost > 5 and smoker", "'cost': '5 to 10' holds values of both kinds; say < or >=, or make 5 one"),
        ("never: age < high", "some bins of 'age' and 'high' hold values that obey and values that do not"),
        ("never: stage > 'IV'", "'IV' is not a declared value of 'stage'; did you mean"),
        ("never: status > 'never'", "'status' has no order for <="),
        ("never: smoker > true", "'smoker' has no order"),
        ("never: age == 'old'", "'age' is compared with a number"),
        ("never: born < 2001", "'born' needs a moment in quotes"),
        ("never: born < 'soon'", "'born' needs a moment in quotes"),
        ("never: status < age", "'status' and 'age' cannot be compared with <"),
        ("never: country < birthplace", "'country' and 'birthplace' cannot be compared with <"),
        ("never: code == 11", "'11' is not a declared value of 'code'"),
        ("never: age > 200", "forbids no combination of declared values"),
        ("never: missing(stage)", "forbids no combination of declared values"),
        ("never: bmi > 3", "'bmi' is not a synthesised column"),
        ("never: age >= 0 or missing(age)", "the rules together exclude every record"),
        ("never: stage in ['I', 'II', 'III']", "the rules together exclude every record"),
        ("{if: age < 15}", "a rule is `if` with `then`, or `never`, or"),
        ("{never: smoker, if: smoker}", "a rule is `if` with `then`, or `never`, or"),
        ("{column: code, determines: status}", "a rule is `if` with `then`, or `never`, or"),
        ("{column: code, determines: status, mapping: {}}", "must be a mapping from each value"),
        ("{column: code, determines: status, mapping: {10: []}}", "needs at least one value"),
        ("{column: code, determines: status, mapping: {10: never}}", "says nothing about '20', '31'; list every"),
        ("{column: code, determines: status, mapping: {10: no, 20: never, 31: never}}", "'no' is not a declared value"),
        ("{column: code, determines: status, mapping: {10: never, 20: never, 31: never, 5: never}}",
         "'5' is not a declared value of 'code'"),
        ("{column: code, determines: status, mapping: {10: never, 10.0: never, 20: never, 31: never}}",
         "'10.0' has the code of another value"),
        ("{column: code, determines: code, mapping: {10: 10}}", "does not determine itself"),
        ("{column: code, determines: nothing, mapping: {10: 10}}", "'nothing' is not a synthesised column"),
        ("{column: code, determines: cost, mapping: {10: 1, 20: 2, 31: 3}}", "holds values of both kinds; give 1 a"),
        ("{when: age < 15, then: smoker}", "unknown key; did you mean `then`?"),
    ],
)  # fmt: skip
def test_faults_are_named_with_their_place(rule: str, problem: str) -> None:
    with pytest.raises(SchemaError) as refusal:
        schema_with(rule)
    found = [str(fault) for fault in refusal.value.problems]
    assert any(problem in fault for fault in found), found
    assert all(fault.line in {4, 5} for fault in refusal.value.problems)


def test_rules_about_faulty_columns_wait_until_the_column_is_right() -> None:
    text = text_with("never: age < 15 and smoker").replace("maximum: 99", "maximun: 99")
    with pytest.raises(SchemaError) as refusal:
        Schema.from_text(text)
    assert all("dpsynth.constraints" not in problem.where for problem in refusal.value.problems)


def test_a_rule_may_not_tie_too_many_cells_together() -> None:
    fields = "".join(
        f"  - {{name: {name}, type: integer, constraints: {{minimum: 0, maximum: 199}}, dpsynth: {{bins: 200}}}}\n"
        for name in "abc"
    )
    rule = "never: a < 5 and b < 5 and c < 5"
    text = f"name: t\ndpsynth:\n  unit: {{kind: row}}\n  constraints: [{{{rule}}}]\nfields:\n{fields}"
    with pytest.raises(SchemaError, match="ties 8,120,601 combinations of a, b, c; at most 1,000,000 fit"):
        Schema.from_text(text)


def test_the_schema_reads_back_with_its_rules() -> None:
    schema = schema_with(
        "{if: age < 15, then: status == 'never', description: by law}",
        "{column: code, determines: status, mapping: {10: never, 20: [married, widowed], 31: widowed}}",
    )
    again = Schema.from_text(schema.to_yaml())
    assert again == schema
    assert again.digest == schema.digest
    assert hash(again) == hash(schema)
    for clique, mask in schema.constraints.masks.items():
        assert np.array_equal(again.constraints.masks[clique], mask)


ATOMS = st.sampled_from(
    ["a < 2", "a == 1", "b >= 1", "b != 2", "c == 'x'", "c in ['x', 'z']", "a < b", "a == b", "b <= a", "1 <= a < 3"]
)
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: f"({two[0]} and {two[1]})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]} or {two[1]})"),
        inner.map(lambda one: f"not ({one})"),
    ),
    max_leaves=5,
)
PLAIN = """
fields:
  - {name: a, type: integer, constraints: {minimum: 0, maximum: 3}}
  - {name: b, type: integer, constraints: {minimum: 0, maximum: 3}}
  - {name: c, type: string, categories: [x, y, z], dpsynth: {outside: missing}}
"""


def three_valued(text: str, row: dict[str, Any]) -> bool | None:
    """Evaluate a condition on cells by another route: Python's own, once for every value an absent cell could have."""
    absent = [name for name, cell in row.items() if cell is None]
    choices = {"a": range(-50, 50, 7), "b": range(-51, 50, 7), "c": ["x", "y", "z", "?"]}
    found = {
        bool(eval(text, {}, {**row, **dict(zip(absent, values, strict=True))}))
        for values in itertools.product(*(choices[name] for name in absent))
    }
    return found.pop() if len(found) == 1 else None


@given(CONDITIONS)
def test_rules_agree_with_the_condition_on_every_record(condition: str) -> None:
    text = f'name: t\ndpsynth:\n  unit: {{kind: row}}\n  constraints:\n    - never: "{condition}"\n{PLAIN}'
    records = [
        dict(zip("abc", cells, strict=True))
        for cells in itertools.product([0, 1, 2, 3, None], [0, 1, 2, 3, None], ["x", "y", "z", None])
    ]
    try:
        schema = Schema.from_text(text)
    except SchemaError:
        with pytest.raises(SchemaError, match=r"forbids no combination|exclude every record"):
            Schema.from_text(text)
        return
    codes = encode_cells(schema, {name: [record[name] for record in records] for name in "abc"})
    for record, broken in zip(records, schema.constraints.violations(codes).tolist(), strict=True):
        if None not in record.values():
            assert broken == three_valued(condition, record)
        elif broken:  # Kleene's logic may leave open what is certain, and never the other way round
            assert three_valued(condition, record) is True
