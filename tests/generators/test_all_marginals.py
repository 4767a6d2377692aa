"""All marginals: parameters, which tables are measured, possible codes only, rules, and the planted dependence."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator import Curator
from dpsynth.errors import InvalidInput
from dpsynth.generators.all_marginals import AllMarginals, possible_cells
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.independent import Independent
from dpsynth.ledger import Ledger
from dpsynth.randomness import SeededNoise
from dpsynth.schema.schema import Schema
from tests.generators.planted import BUDGET, NAMES, fitted, open_curator, pair_error, purposes, share_spent

QUESTIONS = "abcd"


def questions(extra: str = "") -> Schema:
    fields = "".join(
        f"  - {{name: {name}, type: string, categories: ['no', 'yes'], constraints: {{required: true}}}}\n"
        for name in QUESTIONS
    )
    return Schema.from_text(
        f"name: questions\nfields:\n{fields}dpsynth:\n  unit: {{kind: row}}\n  public_rows: 3000\n{extra}",
        source="questions.yaml",
    )


def answered(schema: Schema, epsilon: str, *, rows: int = 3000) -> FittedGraphicalModel:
    """Fit to four fair coins, of which an even number always shows yes: all triples are independent."""
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 2, (rows, 4))
    codes[:, 3] = codes[:, :3].sum(axis=1) % 2
    table = pd.DataFrame(np.array(["no", "yes"])[codes], columns=list(QUESTIONS))
    budget = PrivacyBudget(epsilon, "1e-6")
    ledger = Ledger("sqlite://")
    ledger.set_budget("questions", budget, unit="one row")
    curator = Curator.open(table, schema, ledger=ledger, noise=SeededNoise(1))
    return AllMarginals().fit(curator, budget, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("largest_table", 0), ("column_share", 0.0), ("column_share", 1.0), ("noise_in_a_table", -0.1)],
)
def test_impossible_parameters_are_refused_by_name(parameter: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=parameter):
        AllMarginals(**{parameter: value})


def test_with_little_budget_it_asks_for_every_column_and_every_pair_once() -> None:
    curator = open_curator()
    made = fitted(AllMarginals(), curator)
    assert 0.98 <= share_spent(curator) <= 1
    asked = [answer.clique for answer in made.measurements]
    assert asked == [*((name,) for name in NAMES), *combinations(NAMES, 2)]
    assert purposes(curator, "select") == []
    assert pair_error(made) < 0.4 * pair_error(fitted(Independent(), open_curator()))


def test_a_larger_budget_measures_larger_tables_and_shows_what_no_triple_shows() -> None:
    orders = {
        epsilon: {len(answer.clique) for answer in answered(questions(), epsilon).measurements}
        for epsilon in ("0.03", "3")
    }
    assert orders == {"0.03": {1, 2}, "3": {1, 4}}
    codes = answered(questions(), "3").sample(1000, rng=np.random.default_rng(0)).codes
    assert (codes.sum(axis=1) % 2 == 0).mean() > 0.98


def test_codes_that_no_record_has_are_no_cells() -> None:
    schema = questions()
    assert schema.domain.sizes == (3, 3, 3, 3)
    assert possible_cells(schema) == 16
    made = answered(schema, "1")
    assert made.model.domain.sizes == (2, 2, 2, 2)
    rows = made.sample(500, rng=np.random.default_rng(0)).to_pandas()
    assert set(np.unique(rows.astype(str))) == {"no", "yes"}
    some = made.sample(50, rng=np.random.default_rng(0), given={"b": "yes"}).to_pandas()
    assert some["b"].eq("yes").all()


def test_rules_hold_exactly() -> None:
    rules = '  constraints:\n    - {if: a == "yes", then: b == "yes"}\n    - {never: c == "no" and d == "no"}\n'
    made = answered(questions(rules), "1")
    rows = made.sample(2000, rng=np.random.default_rng(0)).to_pandas()
    assert rows["b"][rows["a"] == "yes"].eq("yes").all()
    assert not (rows["c"].eq("no") & rows["d"].eq("no")).any()
    assert rows["a"].eq("yes").sum() > 200


def test_merged_columns_are_held_in_their_groups() -> None:
    schema = Schema.from_text(
        """
name: merged
fields:
  - name: place
    type: string
    categories: [a, b, c, d, e, f, g, h]
    constraints: {required: true}
    dpsynth: {rare: merge}
  - {name: small, type: boolean}
dpsynth: {unit: {kind: row}, public_rows: 3000}
"""
    )
    rng = np.random.default_rng(3)
    place = rng.choice(list("abcdefgh"), 3000, p=[0.6, 0.39, *[0.01 / 6] * 6])
    ledger = Ledger("sqlite://")
    ledger.set_budget("merged", BUDGET, unit="one row")
    table = pd.DataFrame({"place": place, "small": place == "a"})
    curator = Curator.open(table, schema, ledger=ledger, noise=SeededNoise(1))
    made = AllMarginals().fit(curator, BUDGET, rng=np.random.default_rng(0))
    assert made.model.domain.size("place") < 6
    rows = made.sample(3000, rng=np.random.default_rng(0)).to_pandas()
    assert rows["small"].eq(True)[rows["place"] == "a"].mean() > 0.9
    assert set(rows["place"]) <= set("abcdefgh")


def test_a_table_with_too_many_cells_is_refused_before_anything_is_charged() -> None:
    curator = open_curator()
    with pytest.raises(InvalidInput, match=r"7,776|3,125"):
        AllMarginals(largest_table=1000).fit(curator, BUDGET, rng=np.random.default_rng(0))
    assert curator.charged == ()
