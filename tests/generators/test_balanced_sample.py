"""Balanced samples: nearer to the model than plain ones, the same where that cannot be, and within all rules."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from dpsynth.errors import InvalidInput
from dpsynth.generators import balanced_sample as balanced
from dpsynth.generators.balanced_sample import balanced_sample, is_balanced
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.models import CliqueVector, GraphicalModel
from dpsynth.schema.domain import Clique
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable

COLUMNS = tuple("abcdef")
ROWS = 2000


def schema_of(workload: str = "") -> Schema:
    fields = "\n".join(f"  - {{name: {name}, type: string, categories: [{', '.join('tuvwxyz')}]}}" for name in COLUMNS)
    return Schema.from_text(
        f"name: t\nfields:\n{fields}\n"
        f"dpsynth:\n  unit: {{kind: row}}\n  public_rows: 1000\n{workload}"
        "  constraints:\n  - {if: a == 't', then: c != 'u', description: d}\n"
    )


def model_of(schema: Schema) -> FittedGraphicalModel:
    potentials = CliqueVector.zeros(
        schema.domain, [(first, second) for first, second in zip("abde", "bcef", strict=True)]
    )
    potentials.buffer[:] = np.random.default_rng(1).normal(0, 1, potentials.buffer.shape)
    model = GraphicalModel.from_potentials(potentials, 500.0)
    mask = {("a", "c"): np.zeros(schema.domain.shape(("a", "c")), dtype=bool)}
    mask["a", "c"][0, 1] = True
    zeroed = CliqueVector.zeros(schema.domain, [("a", "b", "c"), ("d", "e"), ("e", "f")])
    for clique in (("a", "b", "c"), ("d", "e"), ("e", "f")):
        shares = np.log(np.maximum(model.marginal(clique), 1e-9))
        if clique == ("a", "b", "c"):
            shares[0, :, 1] = -np.inf
        zeroed[clique].values[...] = shares
    return FittedGraphicalModel(
        schema, GraphicalModel.from_potentials(zeroed, 500.0), (), provenance={"generator": "x"}
    )


@pytest.fixture(scope="module")
def model() -> FittedGraphicalModel:
    return model_of(schema_of())


def distance(model: FittedGraphicalModel, table: SyntheticTable, cliques: list[Clique]) -> float:
    """Return the mean total variation distance between a table and its model."""
    domain, found = model.schema.domain, []
    for clique in cliques:
        columns = tuple(table.codes[:, domain.position(name)] for name in clique)
        cells = np.ravel_multi_index(columns, domain.shape(clique))
        shares = np.bincount(cells, minlength=domain.cells(clique)) / table.rows
        true = model.model.marginals([clique])[clique].ravel()
        found.append(0.5 * np.abs(shares - true / true.sum()).sum())
    return float(np.mean(found))


def test_pairs_are_nearer_to_the_model_than_in_a_plain_sample(model: FittedGraphicalModel) -> None:
    pairs = [*combinations(COLUMNS, 2)]
    for seed in range(3):
        plain = distance(model, model.sample(ROWS, rng=np.random.default_rng(seed)), pairs)
        near = distance(model, balanced_sample(model, ROWS, rng=np.random.default_rng(seed)), pairs)
        assert near < 0.75 * plain


def test_within_the_groups_of_the_workload_pairs_are_nearer_too() -> None:
    grouped = model_of(schema_of("  workload: {group_by: f}\n"))
    triples: list[Clique] = [(*pair, "f") for pair in combinations("abcde", 2)]
    rng = np.random.default_rng(0)
    plain, near = grouped.sample(ROWS, rng=rng), balanced_sample(grouped, ROWS, rng=rng)
    assert distance(grouped, near, triples) < 0.85 * distance(grouped, plain, triples)


def test_rules_conditions_and_the_number_of_rows_hold(model: FittedGraphicalModel) -> None:
    table = balanced_sample(model, 777, rng=np.random.default_rng(0), given={"d": ["t", "w"]})
    assert table.codes.shape == (777, len(COLUMNS))
    assert not model.schema.constraints.violations(table.codes).any()
    assert set(np.unique(table.codes[:, 3])) == {0, 3}
    assert table.provenance == {"generator": "x"}


def test_the_same_seed_makes_the_same_table(model: FittedGraphicalModel) -> None:
    first, second = (balanced_sample(model, 500, rng=np.random.default_rng(8)) for _ in range(2))
    np.testing.assert_array_equal(first.codes, second.codes)
    assert first.spread_seed == second.spread_seed
    assert len(np.unique(first.codes[:250], axis=0)) > 100, "the table repeats a few rows"


def test_a_generator_that_sorts_its_rows_is_balanced_as_well(model: FittedGraphicalModel) -> None:
    class Sorted:
        schema = model.schema

        def sample(self, rows: int, *, rng: np.random.Generator, given: object = None) -> SyntheticTable:
            drawn = model.sample(rows, rng=rng)
            return replace(drawn, codes=drawn.codes[np.lexsort(drawn.codes.T)])

    table = balanced_sample(Sorted(), ROWS, rng=np.random.default_rng(0))  # type: ignore[arg-type]
    plain = model.sample(ROWS, rng=np.random.default_rng(0))
    pairs = [*combinations(COLUMNS, 2)]
    assert distance(model, table, pairs) < 0.75 * distance(model, plain, pairs)
    early, late = np.split(table.codes[:, -1], 2)
    assert abs(early.mean() - late.mean()) < 0.5, "the table is still sorted"  # sorted, they differ by 1.6


@pytest.mark.parametrize(
    ("limit", "value"), [("MOST_ROWS", ROWS - 1), ("_MOST_LOOKS", ROWS * 15 - 1)], ids=["rows", "looks"]
)
def test_beyond_the_limits_it_is_a_plain_sample(
    model: FittedGraphicalModel, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    assert is_balanced(model.schema, ROWS)
    monkeypatch.setattr(balanced, limit, value)
    assert not is_balanced(model.schema, ROWS)
    plain = model.sample(ROWS, rng=np.random.default_rng(2))
    np.testing.assert_array_equal(balanced_sample(model, ROWS, rng=np.random.default_rng(2)).codes, plain.codes)


def test_of_few_rows_columns_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a cell is takes a number for each column and marginal, however few rows are asked for."""
    columns, rows, marginals = 12, 9, 66
    fields = "\n".join(
        f"  - {{name: c{place}, type: boolean, constraints: {{required: true}}}}" for place in range(columns)
    )
    schema = Schema.from_text(f"name: t\nfields:\n{fields}\ndpsynth: {{unit: {{kind: row}}, public_rows: 1000}}\n")
    assert set(schema.domain.sizes) == {3}
    monkeypatch.setattr(balanced, "_MOST_LOOKS", columns * marginals)
    assert is_balanced(schema, rows)
    monkeypatch.setattr(balanced, "_MOST_LOOKS", columns * marginals - 1)
    assert not is_balanced(schema, rows)


def test_where_the_model_rounds_nearly_every_cell_it_is_a_plain_sample(model: FittedGraphicalModel) -> None:
    enough = -(-model.schema.domain.cells() // 4)
    assert is_balanced(model.schema, enough - 1)
    assert not is_balanced(model.schema, enough)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_tables_of_hardly_any_rows(model: FittedGraphicalModel, rows: int) -> None:
    assert balanced_sample(model, rows, rng=np.random.default_rng(0)).rows == rows


def test_impossible_requests_are_refused(model: FittedGraphicalModel) -> None:
    with pytest.raises(InvalidInput, match="at least 0, not -5"):
        balanced_sample(model, -5, rng=np.random.default_rng(0))
    with pytest.raises(InvalidInput, match="chance"):
        balanced_sample(model, 5, rng=np.random.default_rng(0), given={"a": "t", "c": "u"})
