"""AIM: parameters, the plan of its rounds, its budget, and the planted dependence."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator import Curator
from dpsynth.errors import InvalidInput
from dpsynth.generators import aim
from dpsynth.generators.aim import AIM
from dpsynth.generators.independent import Independent
from dpsynth.ledger import Ledger
from dpsynth.models import GraphicalModel
from dpsynth.models.pair_growth import pair_growth
from dpsynth.randomness import SeededNoise
from dpsynth.schema.domain import Clique
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


def test_without_room_for_a_pair_only_columns_are_measured() -> None:
    columns_alone = 5 * 5
    made = fitted(AIM(largest_model=columns_alone), open_curator())
    assert all(len(answer.clique) == 1 for answer in made.measurements)


UNEVEN = {"two": 2, "three": 3, "six": 6, "both": 2, "five": 5, "four": 4}
"""Columns, all of them tied to one another, with sizes so different that bounds on growth are rough."""


@dataclass(frozen=True)
class Round:
    """What a round begins with: cells of the model, its limit, and its cells with each pair, bounded and counted."""

    size: int
    limit: float
    bounds: tuple[float, ...]
    with_pairs: tuple[int, ...]


def rounds_within(largest: int, monkeypatch: pytest.MonkeyPatch) -> list[Round]:
    """Return the rounds of a fit that kept the promise of its page: no model outgrows the limit's share so far."""
    fields = "".join(
        f"  - {{name: {name}, type: string, categories: [{', '.join(f'{name}{code}' for code in range(size))}]}}\n"
        for name, size in UNEVEN.items()
    )
    text = f"name: planted\nfields:\n{fields}dpsynth:\n  unit: {{kind: row}}\n  public_rows: 1000\n"
    rng, budget = np.random.default_rng(3), PrivacyBudget(8, "1e-6")
    common = rng.random(1000)
    shares = {name: (common + 0.35 * rng.random(1000)) / 1.35 for name in UNEVEN}
    table = pd.DataFrame({name: [f"{name}{int(share * UNEVEN[name])}" for share in of] for name, of in shares.items()})
    books = Ledger("sqlite://")
    books.set_budget("planted", budget, unit="one row")
    curator = Curator.open(table, Schema.from_text(text), ledger=books, noise=SeededNoise(1))
    rounds: list[Round] = []
    honest = aim._candidates

    def watched(resolutions: Any, model: GraphicalModel, limit: float, together: int) -> list[Clique]:
        growth = pair_growth(model.calibrated.tree)
        offered = honest(resolutions, model, limit, together)
        pairs = [clique for clique in offered if len(clique) == 2]
        bounds = tuple(model.size + growth[pair] for pair in pairs)
        rounds.append(Round(model.size, limit, bounds, tuple(map(model.size_with, pairs))))
        return offered

    with monkeypatch.context() as patched:
        patched.setattr(aim, "_candidates", watched)
        made = AIM(largest_model=largest, rounds=12).fit(curator, budget, rng=np.random.default_rng(0))
    assert made.model.size <= largest
    for before, after in pairwise(rounds):
        assert after.size <= max(before.limit, before.size)
    assert all(size <= each.limit or size == each.size for each in rounds for size in each.with_pairs)
    assert [each.limit for each in rounds] == sorted(each.limit for each in rounds)
    assert rounds[-1].limit == largest
    return rounds


@pytest.mark.parametrize("largest", [150, 250])
def test_the_model_stays_within_its_limit_in_every_round(largest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = rounds_within(largest, monkeypatch)
    loose = [each for each in rounds if any(np.less(each.with_pairs, each.bounds))]
    assert len(loose) >= 2, "a domain on which the bound on growth is exact tries nothing"
    assert rounds[-1].size > 0.4 * largest


def test_a_bound_that_is_no_bound_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = aim.pair_growth
    monkeypatch.setattr(aim, "pair_growth", lambda tree: {pair: cells // 4 for pair, cells in honest(tree).items()})
    with pytest.raises(AssertionError):
        rounds_within(250, monkeypatch)


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
