"""Auto picks by public facts, by the rules that its page shows, and says what it picked."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.unit import PrivacyUnit
from dpsynth.errors import InvalidBudget
from dpsynth.generators.auto import RULES, Auto, PublicFacts
from dpsynth.generators.registry import generator
from dpsynth.schema.schema import Schema
from tests.generators.planted import BUDGET, fitted, open_curator

PAGE = Path(__file__).parents[2] / "docs" / "generators" / "auto.md"


def schema_of(columns: int, levels: int, *, rows: int | None = 40_000, settings: str = "") -> Schema:
    fields = "".join(
        f"  - {{name: c{place}, type: string, categories: [{', '.join(f'v{level}' for level in range(levels))}], "
        "constraints: {required: true}}\n"
        for place in range(columns)
    )
    declared = "" if rows is None else f"  public_rows: {rows}\n"
    return Schema.from_text(
        f"name: t\nfields:\n{fields}dpsynth:\n  unit: {{kind: row}}\n{declared}{settings}", source="t"
    )


@pytest.mark.parametrize(
    ("schema", "epsilon", "picked"),
    [
        (schema_of(10, 2), "1", "all_marginals"),
        (schema_of(10, 2), "0.01", "all_marginals"),
        (schema_of(10, 2, settings="  workload: {group_by: c0}\n"), "1", "all_marginals"),
        (schema_of(14, 10), "1", "aim"),
        (schema_of(14, 10), "0.1", "aim"),
        (schema_of(14, 10), "0.03", "mixture"),
        (schema_of(14, 10, rows=1_000), "1", "mixture"),
        (schema_of(14, 10, rows=None), "0.03", "aim"),
        (schema_of(14, 10, settings="  workload: {group_by: c0}\n"), "0.03", "aim"),
        (schema_of(201, 2), "0.03", "aim"),
    ],
)
def test_the_first_rule_that_applies_decides(schema: Schema, epsilon: str, picked: str) -> None:
    rule = Auto().choose(schema, PrivacyBudget(epsilon, "1e-9"))
    assert rule.generator == picked
    assert rule.make().name == picked


def test_units_of_several_rows_make_the_signal_fainter() -> None:
    rows = replace(schema_of(14, 10), unit=PrivacyUnit())
    patients = replace(rows, unit=PrivacyUnit(max_rows_per_unit=4, id_column="patient"))
    single, several = (PublicFacts.of(schema, BUDGET).signal for schema in (rows, patients))
    assert single is not None
    assert several == pytest.approx(single / 4)


def test_the_page_shows_these_rules_in_this_order() -> None:
    lines = re.findall(
        r"^\| ([^|]+) \| \[`(\w+)`\]\(\w+\.md\) \|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert lines == [(rule.reason, rule.generator) for rule in RULES]


def test_every_rule_makes_the_generator_that_the_registry_knows_by_its_name() -> None:
    assert all(rule.make() == generator(rule.generator) for rule in RULES)


def test_the_origin_says_what_was_picked_and_why() -> None:
    made = fitted(Auto(), open_curator())
    rule = Auto().choose(made.schema, BUDGET)
    assert made.provenance["generator"] == rule.generator
    assert made.provenance["chosen_by"] == f"auto: {rule.reason}"
    assert made.sample(3, rng=np.random.default_rng(0)).provenance["chosen_by"] == made.provenance["chosen_by"]


def test_a_budget_without_delta_is_refused_before_anything_is_charged() -> None:
    curator = open_curator()
    with pytest.raises(InvalidBudget):
        Auto().fit(curator, PrivacyBudget("1", "0"), rng=np.random.default_rng(0))
    assert not curator.charged
