"""The tables of the benchmark are what the page says they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.tables import adult, excerpt, generated
from benchmarks.tables.base import SHARED, split_rows
from benchmarks.tables.registry import TABLES

needs_shared_data = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the real tables are not here; name their folder in DPSYNTH_SHARED_DATA"
)


def test_the_split_is_always_the_same_and_loses_no_row() -> None:
    cells = pd.DataFrame({"a": np.arange(1_001)})
    training, held_out = split_rows(cells)
    assert (len(training), len(held_out)) == (800, 201)
    assert sorted([*training["a"], *held_out["a"]]) == list(range(1_001))
    assert training["a"].tolist() == split_rows(cells)[0]["a"].tolist()


@needs_shared_data
def test_coded_adult_keeps_the_codes_of_its_file() -> None:
    table = adult.adult_coded()
    assert table.codes.shape == (39_073, 14)
    assert (table.codes == table.cells.to_numpy()).all()


@needs_shared_data
def test_the_ten_features_are_scored_without_a_group_and_near_1000_against_themselves() -> None:
    table = excerpt.demographic()
    assert set(table.schema.domain.names) == set(excerpt.DEMOGRAPHIC)
    figures = table.judge(table.codes)
    # Ages are cut into bins and spread again, so that not even the real codes score 1000.
    assert 990 < figures["k_marginal"] < 1000
    assert figures["tvd3"] == 0


def test_rules_about_other_columns_are_left_out_and_conclusions_are_narrowed() -> None:
    rules = [
        {"if": "AGEP < 15", "then": "missing(MSP) and missing(PINCP)", "description": "ASKED OF ADULTS"},
        {"if": "HISP == 1", "then": "SEX == 1"},
        {"never": "NOC >= NPF"},
        {"never": "AGEP < 3 and MSP == 1"},
        {"column": "INDP", "determines": "SEX", "mapping": {}},
        {"column": "MSP", "determines": "SEX", "mapping": {}},
    ]
    kept = list(excerpt._narrowed(rules, {"AGEP", "MSP", "SEX"}))
    assert [rule.get("then") or rule.get("never") for rule in kept] == ["missing(MSP)", "AGEP < 3 and MSP == 1", None]
    assert kept[-1] == rules[-1]


def test_generated_columns_hang_together_and_never_change() -> None:
    codes = generated.related_columns(5_000, 6, 4)
    assert (codes == generated.related_columns(5_000, 6, 4)).all()
    joint = np.histogram2d(codes[:, 0], codes[:, 1], bins=4)[0] / len(codes)
    apart = np.abs(joint - np.outer(joint.sum(1), joint.sum(0))).sum() / 2
    assert apart > 0.1


def test_tables_declare_only_systems_and_figures_that_exist() -> None:
    from benchmarks.systems import systems

    for entry in TABLES.values():
        assert {*entry.systems, *entry.without} - {"auto"} <= set(systems())


@needs_shared_data
def test_the_real_rows_obey_the_rules_of_both_excerpts() -> None:
    for table in (excerpt.demographic(), excerpt.without_industries(), excerpt.every_feature()):
        assert table.schema.constraints
        assert not table.schema.constraints.violations(table.codes).any()


@needs_shared_data
def test_the_rows_of_an_excerpt_hold_only_what_its_schema_describes() -> None:
    ten = excerpt.demographic()
    assert list(ten.cells.columns) == list(excerpt.DEMOGRAPHIC)
    every = excerpt.excerpt_schema(None)
    assert (len(every.domain), every.workload.group_by) == (24, excerpt.GROUP)
    apart = excerpt.without_industries().schema
    assert set(every.domain.names) - set(apart.domain.names) == {excerpt.INDUSTRY}
    assert apart.workload.group_by == excerpt.GROUP
