"""Chains of coarser versions: nested, public, exact in the model, and a gain where a fine column carries a link."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.accounting.events import GdpEvent
from dpsynth.curator import Curator
from dpsynth.curator.queries import NoisyMarginal
from dpsynth.generators.aim import AIM
from dpsynth.generators.fitted_model import load_fitted_model
from dpsynth.generators.multi_resolution import multi_resolution
from dpsynth.ledger import Ledger
from dpsynth.randomness import SeededNoise
from dpsynth.schema.schema import Schema
from tests.generators.planted import BUDGET, fitted

SCHEMA = Schema.from_text(
    """
name: planted
fields:
  - {name: fine, type: integer, constraints: {minimum: 0, maximum: 199, required: true}, dpsynth: {bins: 40}}
  - {name: place, type: string, categories: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t]}
  - {name: small, type: string, categories: [x, y]}
dpsynth:
  unit: {kind: row}
  public_rows: 3000
""",
    source="planted.yaml",
)
LEVELS = (32, 12, 5)


def marginals(seed: int = 0) -> list[NoisyMarginal]:
    rng = np.random.default_rng(seed)
    return [
        NoisyMarginal((column.name,), rng.integers(-20, 200, column.size), 5.0, GdpEvent(Fraction(1, 100)))
        for column in SCHEMA.columns
    ]


@given(st.integers(0, 10_000))
def test_versions_are_nested_no_larger_than_asked_and_contiguous_where_codes_are_ordered(seed: int) -> None:
    made = multi_resolution(SCHEMA, marginals(seed), LEVELS)
    chains: dict[str, list[np.ndarray]] = {}
    for name, coarse in made.groupings.items():
        assert coarse.size <= int(name.rsplit("/", 1)[1])
        assert made.domain.size(name) == coarse.size
        chains.setdefault(coarse.column, []).append(np.array(coarse.groups))
    assert set(chains) == {"fine", "place"}, "small columns stay as they are"
    for chain in chains.values():
        for finer, coarser in pairwise(chain):
            pairs = set(zip(finer.tolist(), coarser.tolist(), strict=True))
            assert len(pairs) == finer.max() + 1, "each finer group lies in one coarser group"
    for groups in chains["fine"]:
        assert (np.diff(groups) >= 0).all()
    links = [mask for clique, mask in made.impossible.items() if len(clique) == 2]
    assert len(links) == len(made.groupings)
    for mask in links:
        assert ((~mask).sum(axis=1) == 1).all(), "each version determines the next coarser one"


def test_frequent_codes_stay_alone_and_a_heavy_bin_does_not_use_up_the_groups() -> None:
    answers = marginals()
    answers[0].counts[:] = 1
    answers[0].counts[7] = 10_000
    answers[1].counts[:] = np.arange(len(answers[1].counts))
    made = multi_resolution(SCHEMA, answers, (5,))
    fine, place = (np.array(made.groupings[name].groups) for name in ("fine/5", "place/5"))
    assert (fine == fine[7]).sum() <= 8
    assert fine.max() >= 2
    alone = [code for code in range(len(place)) if (place == place[code]).sum() == 1]
    assert alone == list(range(len(place) - 4, len(place)))


def linked_curator() -> Curator:
    """Return a curator over a table in which `place` and `small` depend on `fine`."""
    rng = np.random.default_rng(2)
    fine = rng.integers(0, 200, 3000)
    place = np.array(list("abcdefghijklmnopqrst"))[np.where(rng.random(3000) < 0.9, fine // 10, 0)]
    small = np.where(fine < 90, "x", "y")
    ledger = Ledger("sqlite://")
    ledger.set_budget("planted", BUDGET, unit="one row")
    data = pd.DataFrame({"fine": fine, "place": place, "small": small})
    return Curator.open(data, SCHEMA, ledger=ledger, noise=SeededNoise(3))


def link(generator: AIM) -> float:
    """Return the share of rows in which `small` is on the right side of `fine`."""
    frame = fitted(generator, linked_curator()).sample(3000, rng=np.random.default_rng(1)).to_pandas()
    return float(((frame["fine"].astype(float) < 90) == (frame["small"].astype(str) == "x")).mean())


def test_links_of_fine_columns_are_measured_at_a_coarse_resolution() -> None:
    made = fitted(AIM(), linked_curator())
    assert any(answer.groupings for answer in made.measurements)
    assert link(AIM()) > 0.85


def test_coarse_columns_agree_with_fine_ones_in_the_model_and_stay_inside(tmp_path: Path) -> None:
    made = fitted(AIM(), linked_curator())
    columns = multi_resolution(SCHEMA, made.measurements[:3], LEVELS)
    for pair, mask in columns.impossible.items():
        assert made.model.marginal(pair)[mask].max() == pytest.approx(0)
    assert made.sample(10, rng=np.random.default_rng(0)).codes.shape == (10, 3)
    made.save(tmp_path / "model")
    again = load_fitted_model(tmp_path / "model")
    assert [answer.groupings for answer in again.measurements] == [answer.groupings for answer in made.measurements]
    first = made.sample(50, rng=np.random.default_rng(1)).codes
    np.testing.assert_array_equal(first, again.sample(50, rng=np.random.default_rng(1)).codes)


def test_without_levels_there_are_no_coarse_versions() -> None:
    made = fitted(AIM(levels=()), linked_curator())
    assert made.model.domain == SCHEMA.domain


RULED = Schema.from_text(
    SCHEMA.to_yaml()
    .replace(
        "  public_rows: 3000",
        """  public_rows: 3000
  constraints:
    - {if: 'fine < 15 or fine == 100', then: small == "x"}
    - {if: 'place in ["a", "b", "t"]', then: fine >= 50}
    - {never: 'missing(place) and small == "y"'}
""",
    )
    .replace("bins: 40", "bins: 40, spikes: [100]"),
    source="planted.yaml",
)


@given(st.integers(0, 10_000), st.sampled_from([(32, 12, 5), (5,), (3, 2), ()]))
def test_rules_stand_on_versions_that_no_rule_is_too_coarse_for(seed: int, levels: tuple[int, ...]) -> None:
    """Put back onto codes, the masks say exactly what the schema says."""
    rng = np.random.default_rng(seed)
    answers = [
        NoisyMarginal((column.name,), rng.integers(-20, 200, column.size), 5.0, GdpEvent(Fraction(1, 100)))
        for column in RULED.columns
    ]
    made = multi_resolution(RULED, answers, levels)
    versions = {column.name: np.arange(column.size) for column in RULED.columns}
    versions |= {name: np.array(coarse.groups) for name, coarse in made.groupings.items()}
    found = {clique: np.zeros(mask.shape, dtype=bool) for clique, mask in RULED.constraints.masks.items()}
    ruled = [clique for clique in made.impossible if len({made.column(name) for name in clique}) == len(clique)]
    for clique in ruled:
        columns = tuple(made.column(name) for name in clique)
        found[columns] |= made.impossible[clique][np.ix_(*(versions[name] for name in clique))]
    alone = {name: mask for (name, *others), mask in RULED.constraints.masks.items() if not others}
    for clique, mask in RULED.constraints.masks.items():
        reachable = np.ix_(*(np.flatnonzero(~alone[name]) if name in alone else versions[name] for name in clique))
        if len(clique) > 1:
            assert np.array_equal(found[clique][reachable], mask[reachable])
        else:
            assert np.array_equal(found[clique], mask)
    assert all(made.domain.size(name) <= 12 for clique in ruled if len(clique) > 1 for name in clique)


def test_rules_hold_whatever_is_merged() -> None:
    for merging in ("bins: 40", "bins: 40\n    rare: merge"):
        schema = Schema.from_text(RULED.to_yaml().replace("bins: 40", merging), source="planted.yaml")
        ledger = Ledger("sqlite://")
        ledger.set_budget("planted", BUDGET, unit="one row")
        rng = np.random.default_rng(2)
        data = pd.DataFrame({"fine": rng.integers(0, 200, 900), "place": rng.choice(list("abcdt"), 900)})
        data["small"] = rng.choice(["x", "y"], 900)
        made = fitted(AIM(), Curator.open(data, schema, ledger=ledger, noise=SeededNoise(3)))
        frame = made.sample(2000, rng=rng).to_pandas()
        fine, place, small = (frame[name].astype(object) for name in ("fine", "place", "small"))
        assert fine.notna().all()
        assert (small[(fine < 15) | (fine == 100)].dropna() == "x").all()
        assert (fine[place.isin(["a", "b", "t"])] >= 50).all()
        assert not (place.isna() & (small == "y")).any()


def test_a_fine_column_that_determines_a_coarse_one_ties_few_cells_together() -> None:
    """270 industries in 18 branches: the mask stands on one group for each branch, and coarser versions cross them."""
    industries = [f"i{place:03}" for place in range(270)]
    mapping = {name: f"b{place // 15:02}" for place, name in enumerate(industries)}
    document = {
        "name": "work",
        "dpsynth": {
            "unit": {"kind": "row"},
            "constraints": [{"column": "industry", "determines": "branch", "mapping": mapping}],
        },
        "fields": [
            {"name": "industry", "type": "string", "categories": industries, "dpsynth": {"rare": "keep"}},
            {"name": "branch", "type": "string", "categories": sorted(set(mapping.values()))},
        ],
    }
    schema = Schema.from_text(json.dumps(document))
    answers = [
        NoisyMarginal((column.name,), np.arange(column.size) % 7, 5.0, GdpEvent(Fraction(1, 100)))
        for column in schema.columns
    ]
    made = multi_resolution(schema, answers, LEVELS)
    sizes = dict(zip(made.domain.names, made.domain.sizes, strict=True))
    assert sizes == {
        "industry": 272, "industry/32": 32, "industry/19": 19, "industry/12": 12, "industry/5": 5,
        "branch": 20, "branch/12": 12, "branch/5": 5,
    }  # fmt: skip
