"""Conditions are read as nodes of our own; whatever else Python could say is refused, and nothing is run."""

from __future__ import annotations

import pytest

from dpsynth.errors import InvalidInput
from dpsynth.schema.condition import (
    LONGEST_TEXT,
    AllOf,
    AnyOf,
    ColumnName,
    Comparison,
    Condition,
    InSlot,
    NotOf,
    alternatives,
    columns_of,
    parse_condition,
)

COLUMNS = ["age", "income", "stage", "smoker", "hours-per-week"]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("age < 15", Comparison("age", "<", 15.0)),
        ("15 > age", Comparison("age", "<", 15.0)),
        ("3 <= age < 15", AllOf((Comparison("age", ">=", 3.0), Comparison("age", "<", 15.0)))),
        ("income != -9", Comparison("income", "!=", -9.0)),
        ("stage == 'late'", Comparison("stage", "==", "late")),
        ("stage in ['a', 'b']", AnyOf((Comparison("stage", "==", "a"), Comparison("stage", "==", "b")))),
        ("age not in (1,)", NotOf(AnyOf((Comparison("age", "==", 1.0),)))),
        ("age <= income", Comparison("age", "<=", ColumnName("income"))),
        ('column("hours-per-week") > 40', Comparison("hours-per-week", ">", 40.0)),
        ("smoker", Comparison("smoker", "==", other=True)),
        ("smoker == false", Comparison("smoker", "==", other=False)),
        ("not smoker", NotOf(Comparison("smoker", "==", other=True))),
        ("missing(age)", InSlot("age", "missing")),
        ("age == null", InSlot("age", "missing")),
        ("age != null", NotOf(InSlot("age", "missing"))),
        ("outside(stage)", InSlot("stage", "outside")),
        (" age < 1\n or age > 2", AnyOf((Comparison("age", "<", 1.0), Comparison("age", ">", 2.0)))),
    ],
)
def test_known_forms(text: str, meaning: Condition) -> None:
    assert parse_condition(text, COLUMNS) == meaning


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("", "cannot be read"),
        ("age <", "cannot be read"),
        ("age < 15; smoker", "cannot be read"),
        ("age = 15", "cannot be read"),
        ("age\x00", "cannot be read"),
        ("aeg < 15", "did you mean 'age'"),
        ("stage == late", "Texts need quotes"),
        ("stage in [late]", "put texts in quotes"),
        ("age in []", "list of values"),
        ("age in range(3)", "list of values"),
        ("1 < 2", "a column on at least one side"),
        ("age < null", "null has no order"),
        ("age < 1e999", "too large"),
        (f"age < {'9' * 400}", "too large"),
        ("age + 1 < 2", "expected a column name"),
        ("age < income + 1", "expected a column name"),
        ("age is None", "a condition may use"),
        ("age < 15 if smoker else 3", "a condition may use"),
        ("age < b'1'", "a condition may use"),
        ("__import__('os').system('x')", "expected a column name"),
        ("missing('age', 'income')", "expected a column name"),
        ("missing(age).x", "a condition may use"),
        ("[age < 3 for age in stage]", "a condition may use"),
        ("(lambda: age)()", "expected a column name"),
        ("age < 3 " + "or age < 3 " * LONGEST_TEXT, "at most 2000 characters"),
    ],
)
def test_everything_else_is_refused_with_a_sentence(text: str, advice: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_condition(text, COLUMNS)
    assert advice in str(refusal.value)


@pytest.mark.parametrize("text", ["(" * 900 + "age < 3" + ")" * 900, "not " * 40 + "smoker", "-" * 1900 + "age"])
def test_depth_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_condition(text, COLUMNS)


def test_a_column_may_have_the_name_of_a_constant() -> None:
    assert parse_condition("true == 3", ["true"]) == Comparison("true", "==", 3.0)


def test_alternatives_tie_together_only_what_belongs_together() -> None:
    condition = parse_condition("age < 3 and not (income == 0 and missing(stage) and not smoker)", COLUMNS)
    parts = alternatives(condition)
    assert [set(columns_of(part)) for part in parts] == [{"age", "income"}, {"age", "stage"}, {"age", "smoker"}]


def test_alternatives_of_many_alternatives_stay_together() -> None:
    text = " and ".join("(age < 3 or income == 0 or smoker)" for _ in range(8))
    condition = parse_condition(text, COLUMNS)
    assert alternatives(condition) == (condition,)
