"""AIM: parameters, the plan of its rounds, its budget, and the planted dependence."""

from __future__ import annotations

from typing import Any

import pytest

from dpsynth.curator import Curator
from dpsynth.errors import InvalidInput
from dpsynth.generators.aim import AIM
from dpsynth.generators.independent import Independent
from dpsynth.ledger import Ledger
from dpsynth.randomness import SeededNoise
from dpsynth.schema.schema import Schema
from tests.generators.planted import (
    BUDGET,
    NAMES,
    SCHEMA,
    fitted,
    open_curator,
    pair_error,
    planted_table,
    purposes,
    share_spent,
)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("rounds", 0),
        ("column_share", 0.0),
        ("column_share", 1.0),
        ("selection_share", 1.5),
        ("largest_model", 0),
        ("largest_set", 1),
        ("largest_set", 4),
        ("levels", (5, 12)),
        ("levels", (1,)),
    ],
)
def test_impossible_parameters_are_refused_by_name(parameter: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=parameter):
        AIM(**{parameter: value})


@pytest.mark.parametrize("rounds", [1, 2, 9, None])
def test_it_spends_its_budget_and_never_plays_more_rounds_than_planned(rounds: int | None) -> None:
    curator = open_curator()
    fitted(AIM(rounds=rounds), curator)
    assert 0.98 <= share_spent(curator) <= 1
    played = len(purposes(curator, "select"))
    assert 1 <= played <= (4 * len(NAMES) if rounds is None else rounds)
    assert len(purposes(curator, "measure")) == len(NAMES) + played


def test_noise_only_ever_falls_until_the_last_round() -> None:
    made = fitted(AIM(), open_curator())
    stddevs = [answer.stddev for answer in made.measurements[len(NAMES) : -1]]
    assert stddevs == sorted(stddevs, reverse=True)
    assert stddevs[0] > 1.5 * made.measurements[-1].stddev, "annealing made later rounds more precise"


def test_it_finds_the_planted_pairs() -> None:
    made = fitted(AIM(), open_curator())
    measured = {answer.clique for answer in made.measurements}
    assert {("first", "second"), ("third", "fourth")} <= measured
    assert pair_error(made) < 0.5 * pair_error(fitted(Independent(), open_curator()))


def test_the_model_stays_within_its_limit() -> None:
    columns_alone = 5 * 5
    made = fitted(AIM(largest_model=columns_alone), open_curator())
    assert all(len(answer.clique) == 1 for answer in made.measurements)
    wider = fitted(AIM(largest_model=200), open_curator())  # small domain: the bound is met exactly
    assert wider.model.size <= 200
    assert any(len(answer.clique) == 2 for answer in wider.measurements)


def test_triples_are_left_out_on_demand() -> None:
    for largest in (2, 3):
        made = fitted(AIM(largest_set=largest, rounds=12), open_curator())
        assert max(len(answer.clique) for answer in made.measurements) <= largest


def test_every_column_that_a_group_leaves_open_is_measured_within_groups() -> None:
    """`second` follows from `first`, so its pair with the group would tell nothing."""
    settings = (
        "dpsynth:\n  workload: {group_by: first}\n  constraints:\n"
        "  - {column: first, determines: second, mapping: {a: a, b: b, c: c, d: d}}\n"
    )
    schema = Schema.from_text(SCHEMA.to_yaml().replace("dpsynth:\n", settings, 1))
    ledger = Ledger("sqlite://")
    ledger.set_budget("planted", BUDGET, unit="one row")
    table = planted_table()
    table["second"] = table["first"]
    curator = Curator.open(table, schema, ledger=ledger, noise=SeededNoise(1))
    made = fitted(AIM(), curator)
    first = [answer.clique for answer in made.measurements[len(NAMES) : len(NAMES) + 3]]
    assert first == [("first", "third"), ("first", "fourth"), ("first", "fifth")]
    assert 0.98 <= share_spent(curator) <= 1
