"""Groups of people and quasi-identifiers in a schema: taken at their word, or refused with the place in the file."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.errors import InvalidInput, SchemaError
from dpsynth.schema.people_group import PeopleGroup
from dpsynth.schema.schema import Schema

TEXT = """
name: clinic
fields:
  - {name: sex, type: string, categories: [f, m]}
  - {name: stage, type: string, categories: [none, early, late], categoriesOrdered: true}
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 99}, dpsynth: {bins: 10}}
  - {name: town, type: string, dpsynth: {categories: private}}
dpsynth:
  unit: {kind: row}
  public_rows: 100
"""


def declared(audit: str) -> Schema:
    return Schema.from_text(f"{TEXT}  audit: {audit}\n")


def problems(audit: str) -> str:
    with pytest.raises(SchemaError) as refusal:
        declared(audit)
    return str(refusal.value)


def test_what_is_declared_is_read_and_written_back() -> None:
    schema = declared(
        "{quasi_identifiers: [[age, sex]], groups: [{name: old and ill, who: \"age >= 90 and stage == 'late'\"}]}"
    )
    assert schema.quasi_identifiers == (("age", "sex"),)
    (group,) = schema.groups
    assert (group.name, group.clique) == ("old and ill", ("stage", "age"))
    assert np.argwhere(group.holds).tolist() == [[2, 9]]
    again = Schema.from_text(schema.to_yaml())
    assert again == schema
    assert again.digest == schema.digest != Schema.from_text(TEXT).digest


def test_a_schema_that_declares_nothing_is_what_it_was() -> None:
    schema = Schema.from_text(TEXT)
    assert (schema.quasi_identifiers, schema.groups) == ((), ())
    assert "audit" not in schema.to_yaml()


def test_missing_and_outside_cells_belong_where_the_condition_says_so() -> None:
    schema = declared("{groups: [{name: nobody knows, who: missing(age) or age < 10}]}")
    (group,) = schema.groups
    age = schema.column("age")
    assert np.flatnonzero(group.holds).tolist() == [0, age.missing_code]


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("age >= 85", "put a bin edge at 85"),
        ("age >= 0 or missing(age) or outside(age)", "everybody"),
        ("age < 0", "nobody"),
        ("height > 3", "not a synthesised column"),
        ("stage == 'lat'", "not a declared value"),
        ("age >", "cannot be read"),
        ("missing(town)", "still to be found"),
    ],
)
def test_conditions_that_name_no_group_are_refused(who: str, said: str) -> None:
    found = problems(f'{{groups: [{{name: them, who: "{who}"}}]}}')
    assert "line 11" in found
    assert said in found
    with pytest.raises(InvalidInput):
        PeopleGroup.where("them", who, Schema.from_text(TEXT).columns)


@pytest.mark.parametrize(
    ("audit", "said"),
    [
        ("{quasi_identifiers: [[age, height]]}", "'height' is not a column"),
        ("{quasi_identifiers: [[]]}", "at least one"),
        ("{quasi_identifiers: [[age, age]]}", "twice"),
        ("{quasi_identifiers: [[age, sex], [sex, age]]}", "another list"),
        ("{quasi_identifiers: [[town, sex]]}", "still to be found"),
        ("{quasi_identifiers: [age]}", "list"),
        ("{groups: [{name: a, who: age < 10}, {name: a, who: age >= 90}]}", "twice"),
        ("{groups: [{name: a}]}", "who"),
        ("{group: []}", "group"),
    ],
)
def test_what_cannot_be_meant_is_refused(audit: str, said: str) -> None:
    assert said in problems(audit)


def test_a_condition_may_not_tie_the_whole_domain_together() -> None:
    fields = "".join(f"  - {{name: c{i}, type: string, categories: [a, b]}}\n" for i in range(17))
    schema = Schema.from_text(f"name: wide\nfields:\n{fields}dpsynth: {{unit: {{kind: row}}}}\n")
    with pytest.raises(InvalidInput, match="at most 100,000 fit"):
        PeopleGroup.where("them", " and ".join(f"c{i} == 'a'" for i in range(17)), schema.columns)
