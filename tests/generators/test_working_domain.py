"""Merged columns: groups behind the door, codes in the table, at the cost of the columns that they were."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator import Curator
from dpsynth.errors import SchemaError
from dpsynth.generators.fitted_model import FittedGraphicalModel, load_fitted_model
from dpsynth.generators.registry import GENERATORS, generator
from dpsynth.generators.working_domain import largest_working_domain, measure_working_domain
from dpsynth.ledger import Ledger
from dpsynth.randomness import SeededNoise
from dpsynth.schema.merging import EqualMass, KeepCodes, MergeRare
from dpsynth.schema.schema import Schema
from tests.generators.planted import share_spent

BUDGET = PrivacyBudget(1, "1e-6")
CITIES = [f"city {place}" for place in range(300)]
ROWS = 4000


def schema(extra: str = "") -> Schema:
    return Schema.from_text(
        f"""
name: planted
fields:
  - {{name: city, type: string, categories: [{", ".join(CITIES)}]{extra}}}
  - {{name: side, type: string, categories: [north, south]}}
  - {{name: year, type: integer, constraints: {{minimum: 1800, maximum: 2023, required: true}}, dpsynth: {{bins: 224}}}}
dpsynth:
  unit: {{kind: row}}
  public_rows: 4000
""",
        source="planted.yaml",
    )


def table() -> pd.DataFrame:
    """Return rows in which the city, one of few frequent and many rare ones, decides the side."""
    rng = np.random.default_rng(4)
    weight = 1.0 / np.arange(1, 301) ** 1.3
    city = rng.choice(300, ROWS, p=weight / weight.sum())
    side = np.where(rng.random(ROWS) < 0.95, city % 2, 1 - city % 2)
    year = np.clip(rng.normal(1980, 15, ROWS).astype(int), 1800, 2023)
    return pd.DataFrame({"city": np.array(CITIES)[city], "side": np.array(["north", "south"])[side], "year": year})


def curator(declared: Schema, seed: int = 1) -> Curator:
    ledger = Ledger("sqlite://")
    ledger.set_budget("planted", BUDGET, unit="one row")
    return Curator.open(table(), declared, ledger=ledger, noise=SeededNoise(seed))


def test_a_column_is_merged_when_it_is_too_large_or_when_its_schema_says_so() -> None:
    city, side, year = schema().columns
    assert (city.merging, side.merging, year.merging) == (MergeRare(), KeepCodes(), EqualMass(64))
    assert schema(", dpsynth: {rare: keep}").column("city").merging == KeepCodes()
    small = Schema.from_text(
        "name: s\nfields: [{name: a, type: string, categories: [x, y, z], dpsynth: {rare: merge}}]\n"
        "dpsynth: {unit: {kind: row}}"
    )
    assert small.columns[0].merging == MergeRare()


def test_truth_values_have_nothing_to_merge() -> None:
    with pytest.raises(SchemaError, match="rare"):
        Schema.from_text(
            "name: s\nfields: [{name: a, type: boolean, dpsynth: {rare: merge}}]\ndpsynth: {unit: {kind: row}}"
        )


def test_the_measured_groups_fit_the_public_bound_and_cost_the_columns_share() -> None:
    opened = curator(schema())
    with opened.within(BUDGET, purpose="test") as session:
        working = measure_working_domain(session, schema(), session.mu_squared / 2)
        spent = (session.mu_squared - session.remaining_mu_squared) / session.mu_squared
        assert Fraction(49, 100) <= spent <= Fraction(1, 2)
    largest = largest_working_domain(schema())
    assert all(size <= most for size, most in zip(working.domain.sizes, largest.sizes, strict=True))
    assert set(working.merged) == set(working.groupings) == {"city", "year"}
    assert [answer.counts.shape for answer in working.columns] == [(size,) for size in working.domain.sizes]
    assert [answer.counts.size for answer in working.groundwork] == [302, 224 + 1]
    for name in working.merged:
        column, groups = schema().column(name), working.merged[name].groups
        for special in {column.missing_code, column.outside_code} - {None}:
            assert (groups == groups[special]).sum() == 1, "special slots stand alone"
    year = working.merged["year"].groups[:-1]
    assert set(np.diff(year)) <= {0, 1}, "groups of years are contiguous"


def fitted(name: str, declared: Schema, seed: int = 1) -> tuple[FittedGraphicalModel, Curator]:
    opened = curator(declared, seed)
    made = generator(name).fit(opened, BUDGET, rng=np.random.default_rng(0))
    assert isinstance(made, FittedGraphicalModel)
    return made, opened


GRAPHICAL = [entry.name for entry in GENERATORS if entry.name in {"independent", "mwem", "mst", "aim"}]


@pytest.mark.parametrize("name", GRAPHICAL)
def test_records_have_codes_again_and_rare_values_occur(name: str) -> None:
    made, opened = fitted(name, schema())
    assert 0.98 <= share_spent(opened) <= 1.0
    assert made.model.domain.size("city") < 100
    codes = made.sample(ROWS, rng=np.random.default_rng(1)).codes
    assert len(np.unique(codes[:, 0])) > 150, "merged values come back one by one"
    real = np.bincount([CITIES.index(city) for city in table()["city"]], minlength=302)
    assert 0.5 * np.abs(np.bincount(codes[:, 0], minlength=302) - real).sum() / ROWS < 0.3


@pytest.mark.parametrize("name", [name for name in GRAPHICAL if name != "independent"])
def test_the_link_of_a_merged_column_is_kept(name: str) -> None:
    made, _ = fitted(name, schema())
    codes = made.sample(ROWS, rng=np.random.default_rng(1)).codes
    frequent = codes[:, 0] < 6
    assert (codes[frequent, 0] % 2 == codes[frequent, 1]).mean() > 0.75


def test_saved_models_keep_the_merged_columns(tmp_path: Path) -> None:
    made, _ = fitted("mst", schema())
    made.save(tmp_path / "model")
    again = load_fitted_model(tmp_path / "model")
    first, second = (model.sample(200, rng=np.random.default_rng(1)).codes for model in (made, again))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", ["mst", "aim"])
def test_ten_thousand_categories_fit(name: str) -> None:
    shops = [f"shop{place}" for place in range(10_000)]
    declared = Schema.from_text(
        f"name: planted\nfields:\n  - {{name: shop, type: string, categories: [{', '.join(shops)}]}}\n"
        "  - {name: side, type: string, categories: [north, south]}\n"
        "dpsynth: {unit: {kind: row}, public_rows: 20000}"
    )
    rng = np.random.default_rng(3)
    weight = 1.0 / np.arange(1, 10_001)
    place = rng.choice(10_000, 20_000, p=weight / weight.sum())
    data = pd.DataFrame({"shop": np.array(shops)[place], "side": np.array(["north", "south"])[place % 2]})
    ledger = Ledger("sqlite://")
    ledger.set_budget("planted", BUDGET, unit="one row")
    opened = Curator.open(data, declared, ledger=ledger, noise=SeededNoise(1))
    made = generator(name).fit(opened, BUDGET, rng=np.random.default_rng(0))
    codes = made.sample(20_000, rng=np.random.default_rng(1)).codes
    frequent = codes[:, 0] < 6
    assert (codes[frequent, 0] % 2 == codes[frequent, 1]).mean() > 0.9
    assert len(np.unique(codes[:, 0])) > 3000


NUMBERS = """
name: planted
fields:
  - name: quantiles
    type: integer
    constraints: {minimum: 0, maximum: 9999}
    dpsynth: {bins: private-quantiles 20, cells: 500}
  - {name: tree, type: number, constraints: {minimum: 0, maximum: 1000}, dpsynth: {bins: private-tree, spikes: [0, -9]}}
  - name: histogram
    type: integer
    constraints: {minimum: 0, maximum: 99, required: true}
    dpsynth: {bins: 5, spread: private-histogram}
  - name: day
    type: date
    constraints: {minimum: 2000-01-01, maximum: 2019-12-31}
    dpsynth: {bins: private-quantiles 8}
  - {name: side, type: string, categories: [north, south]}
dpsynth: {unit: {kind: row}, public_rows: 4000}
"""


def numbers() -> pd.DataFrame:
    """Return rows in which every number depends on the side and is far from uniform."""
    rng = np.random.default_rng(6)
    south = rng.random(ROWS) < 0.5
    return pd.DataFrame(
        {
            "quantiles": np.where(south, rng.integers(0, 400, ROWS), rng.integers(400, 800, ROWS)),
            "tree": np.where(south, 0.0, np.where(rng.random(ROWS) < 0.5, 700.5, rng.uniform(0, 1000, ROWS))),
            "histogram": np.where(rng.random(ROWS) < 0.7, 40, rng.integers(0, 100, ROWS)),
            "day": pd.Timestamp("2010-01-01") + pd.to_timedelta(rng.integers(0, 300, ROWS), unit="D"),
            "side": np.where(south, "south", "north"),
        }
    )


def fitted_to_numbers(name: str) -> tuple[FittedGraphicalModel, Curator]:
    ledger = Ledger("sqlite://")
    ledger.set_budget("planted", BUDGET, unit="one row")
    opened = Curator.open(numbers(), Schema.from_text(NUMBERS), ledger=ledger, noise=SeededNoise(2))
    made = generator(name).fit(opened, BUDGET, rng=np.random.default_rng(0))
    assert isinstance(made, FittedGraphicalModel)
    return made, opened


@pytest.mark.parametrize("name", GRAPHICAL)
def test_numbers_are_merged_by_noisy_counts_at_the_columns_share(name: str) -> None:
    made, opened = fitted_to_numbers(name)
    assert 0.98 <= share_spent(opened) <= 1.0
    domain, schema = made.model.domain, made.schema
    assert schema.domain.sizes[:3] == (501, 1027, 101)
    assert domain.size("quantiles") <= 21
    assert domain.size("histogram") == 6
    largest = largest_working_domain(schema)
    assert all(domain.size(name) <= largest.size(name) for name in schema.domain.names)
    frame = made.sample(ROWS, rng=np.random.default_rng(1)).to_pandas()
    assert (frame["quantiles"].astype(float) < 800).mean() > 0.85, "groups are small where rows are"
    assert (frame["histogram"].astype(float) == 40).mean() > 0.4, "a heap inside a declared bin comes back"
    assert ((frame["tree"] == 0).astype(float)).mean() > 0.3, "a spike comes back exactly"
    assert (frame["tree"].astype(float).between(699, 702)).mean() > 0.1, "the tree is deep at the heap"
    assert frame["day"].between(pd.Timestamp("2010-01-01"), pd.Timestamp("2010-12-31")).mean() > 0.7


@pytest.mark.parametrize("name", ["mst", "aim"])
def test_links_of_numbers_are_found_at_private_edges(name: str) -> None:
    made, _ = fitted_to_numbers(name)
    frame = made.sample(ROWS, rng=np.random.default_rng(1)).to_pandas()
    south = frame["side"].astype(str) == "south"
    assert ((frame["quantiles"].astype(float) < 400) == south).mean() > 0.8


def test_every_level_of_a_tree_is_charged_and_kept() -> None:
    made, opened = fitted_to_numbers("independent")
    levels = [answer for answer in made.measurements if answer.clique == ("tree",)]
    assert len(levels) > 2
    assert len([purpose for purpose, _ in opened.charged if purpose == "measure tree"]) == len(levels)
    finest_first = sorted((answer.groupings["tree"].groups for answer in levels), key=max, reverse=True)
    for finer, coarser in pairwise(finest_first):
        assert len(set(zip(finer, coarser, strict=True))) == max(finer) + 1, "levels are nested"


def test_spikes_stay_alone() -> None:
    made, _ = fitted_to_numbers("independent")
    groups = made.merged["tree"].groups
    column = made.schema.column("tree")
    for spike in (0.0, -9.0):
        assert (groups == groups[column.code_of(spike)]).sum() == 1


RULED = """
name: planted
fields:
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 99}, dpsynth: {bins: private-tree}}
  - name: income
    type: number
    constraints: {minimum: 0, maximum: 1000}
    dpsynth: {bins: private-quantiles 12, cells: 200, spikes: [0]}
  - {name: place, type: string, categories: [PLACES], dpsynth: {rare: merge}}
  - {name: side, type: string, categories: [north, south]}
dpsynth:
  unit: {kind: row}
  public_rows: 4000
  constraints:
    - if: age < 18
      then: income == 0
    - never: place == "p7" and side == "north"
""".replace("PLACES", ", ".join(f"p{place}" for place in range(40)))


@pytest.mark.parametrize("name", [*GRAPHICAL, "mixture"])
def test_no_group_hides_the_border_of_a_rule(name: str) -> None:
    rng = np.random.default_rng(8)
    age = rng.integers(0, 100, ROWS)
    place = rng.choice(40, ROWS, p=np.r_[0.5, np.full(39, 0.5 / 39)])
    data = pd.DataFrame(
        {
            "age": age,
            "income": np.where(age < 18, 0.0, rng.uniform(0, 1000, ROWS)),
            "place": [f"p{code}" for code in place],
            "side": np.where((place == 7) | (rng.random(ROWS) < 0.5), "south", "north"),
        }
    )
    ledger = Ledger("sqlite://")
    ledger.set_budget("planted", BUDGET, unit="one row")
    opened = Curator.open(data, Schema.from_text(RULED), ledger=ledger, noise=SeededNoise(3))
    made = generator(name).fit(opened, BUDGET, rng=np.random.default_rng(0))
    frame = made.sample(ROWS, rng=np.random.default_rng(1)).to_pandas()
    young = frame["age"].astype(float) < 18
    assert not (young & (frame["income"].astype(float) > 0)).any()
    assert not ((frame["place"].astype(str) == "p7") & (frame["side"].astype(str) == "north")).any()
    assert young.sum() > 0
