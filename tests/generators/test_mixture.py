"""The mixture: parameters, the split of its budget, resolutions, and the planted dependence."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.auditing.neighbors import full_pair
from dpsynth.curator import Curator
from dpsynth.errors import InvalidInput
from dpsynth.generators.independent import Independent
from dpsynth.generators.mixture import Mixture
from dpsynth.ledger import Ledger
from dpsynth.randomness import SeededNoise
from dpsynth.schema.schema import Schema
from tests.generators.planted import BUDGET, NAMES, fitted, open_curator, pair_error, purposes, share_spent

SMALL = Mixture(components=64, iterations=300)

MIXED_TEXT = """
name: planted
fields:
  - {name: fine, type: integer, constraints: {minimum: 0, maximum: 199, required: true}, dpsynth: {bins: 80}}
  - {name: many, type: integer, constraints: {minimum: 0, maximum: 199}, dpsynth: {bins: 100, rare: merge}}
  - {name: small, type: string, categories: [x, y]}
dpsynth:
  unit: {kind: row}
  public_rows: 3000
  workload: {target: small}
"""
MIXED = Schema.from_text(MIXED_TEXT, source="planted.yaml")


def mixed_curator(schema: Schema = MIXED) -> Curator:
    rng = np.random.default_rng(2)
    fine = rng.integers(0, 200, 3000)
    many = np.clip(fine + rng.integers(-20, 20, 3000), 0, 199)
    ledger = Ledger("sqlite://")
    ledger.set_budget("planted", BUDGET, unit="one row")
    small = np.where(fine < 90, "x", "y")
    many = np.where(small == "x", np.minimum(many, 149), many)
    table = pd.DataFrame({"fine": fine, "many": many, "small": small})
    return Curator.open(table, schema, ledger=ledger, noise=SeededNoise(1))


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("components", 0),
        ("iterations", 0),
        ("column_share", 0.0),
        ("column_share", 1.0),
        ("noise_in_a_pair", 0.0),
        ("information_price", -1.0),
    ],
)
def test_impossible_parameters_are_refused_by_name(parameter: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=parameter):
        Mixture(**{parameter: value})


def test_it_asks_for_every_column_and_every_pair_once_and_chooses_nothing() -> None:
    curator = open_curator()
    made = fitted(SMALL, curator)
    assert 0.98 <= share_spent(curator) <= 1
    asked = [answer.clique for answer in made.measurements]
    assert asked == [*((name,) for name in NAMES), *combinations(NAMES, 2)]
    assert purposes(curator, "select") == []


def test_it_finds_the_planted_pairs() -> None:
    made = fitted(SMALL, open_curator())
    assert pair_error(made) < 0.4 * pair_error(fitted(Independent(), open_curator()))


def test_two_columns_are_held_to_what_was_measured() -> None:
    """Their pair is the whole table, and next to nothing is left for the price on information to decide.

    24 noisy answers for 16 counts: weighted least squares misses the answers by 8 squares of their noise in all, of
    which about 4 fall on the 16 cells of the pair, .25 each. At thirteen times the price it is .70.
    """
    pair = full_pair(2, rows_per_cell=60)
    missed = []
    for seed in range(4):
        ledger = Ledger("sqlite://")
        ledger.set_budget(pair.schema.dataset, PrivacyBudget(1, "1e-2"), unit="one row")
        curator = Curator.open(pair.smaller, pair.schema, ledger=ledger, noise=SeededNoise(seed))
        made = SMALL.fit(curator, PrivacyBudget(1, "1e-2"), rng=np.random.default_rng(seed))
        answer = made.measurements[-1]
        missed.append((((made.model.marginal(answer.clique) - answer.counts) / answer.stddev) ** 2).mean())
    assert np.mean(missed) < 0.4


def test_resolutions_follow_the_budget_and_codes_come_back() -> None:
    made = fitted(SMALL, mixed_curator())
    held = dict(zip(made.model.domain.names, made.model.domain.sizes, strict=True))
    fine, many = MIXED.columns[0], MIXED.columns[1]
    assert 12 <= held["fine"] < fine.size
    assert held["many"] < many.size
    assert held["small"] == MIXED.columns[2].size
    rows = made.sample(4000, rng=np.random.default_rng(0)).to_pandas()
    left = rows["fine"] < 90
    assert (rows["small"] == "x")[left].mean() - (rows["small"] == "x")[~left].mean() > 0.7
    assert rows["fine"].astype(float).corr(rows["many"].astype(float)) > 0.6
    assert rows["fine"].nunique() > 100, "every bin and not only every group"
    some = made.sample(500, rng=np.random.default_rng(0), given={"fine": 17}).to_pandas()
    assert some["fine"].between(15, 20).all()
    assert (some["small"] == "x").mean() > 0.7


def test_pairs_that_matter_more_are_measured_more_precisely() -> None:
    made = fitted(SMALL, mixed_curator())
    per_cell = {answer.clique: answer.stddev * answer.counts.size ** (1 / 6) for answer in made.measurements}
    assert per_cell["fine", "small"] < 0.95 * per_cell["fine", "many"]


def test_rules_hold_exactly_and_cut_groups_at_their_borders() -> None:
    rules = """
  constraints:
    - {if: fine < 50, then: small == "x"}
    - {if: many >= 150, then: small == "y"}
"""
    curator = mixed_curator(Schema.from_text(MIXED_TEXT.rstrip() + rules, source="planted.yaml"))
    made = fitted(SMALL, curator)
    assert 12 <= made.model.domain.size("fine") < MIXED.columns[0].size
    rows = made.sample(4000, rng=np.random.default_rng(0)).to_pandas()
    assert not (rows["small"][rows["fine"] < 50] == "y").any()
    assert not (rows["small"][rows["many"].fillna(0) >= 150] == "x").any()
    assert (rows["fine"] < 50).sum() > 600


def test_a_single_column_takes_the_whole_budget() -> None:
    schema = Schema.from_text(
        "{name: one, dpsynth: {unit: {kind: row}}, fields: [{name: a, type: string, categories: [x, y]}]}"
    )
    ledger = Ledger("sqlite://")
    ledger.set_budget("one", BUDGET, unit="one row")
    curator = Curator.open(pd.DataFrame({"a": ["x"] * 90 + ["y"] * 10}), schema, ledger=ledger, noise=SeededNoise(1))
    made = fitted(SMALL, curator)
    assert 0.98 <= share_spent(curator) <= 1
    assert made.sample(100, rng=np.random.default_rng(0)).to_pandas()["a"].eq("x").sum() > 70


def test_more_columns_than_can_be_paired_are_refused_before_anything_is_charged() -> None:
    fields = "".join(f"  - {{name: c{place}, type: boolean}}\n" for place in range(201))
    schema = Schema.from_text(f"name: wide\nfields:\n{fields}dpsynth:\n  unit: {{kind: row}}\n")
    ledger = Ledger("sqlite://")
    ledger.set_budget("wide", BUDGET, unit="one row")
    table = pd.DataFrame({f"c{place}": [True, False] for place in range(201)})
    curator = Curator.open(table, schema, ledger=ledger, noise=SeededNoise(1))
    with pytest.raises(InvalidInput, match="use mst or aim"):
        Mixture().fit(curator, PrivacyBudget(1, "1e-6"), rng=np.random.default_rng(0))
    assert curator.charged == ()
