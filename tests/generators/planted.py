"""A table with a planted dependence that single columns do not show, and what a fit on it costs and makes."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.curator import Curator
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.ledger import Ledger
from dpsynth.randomness import SeededNoise
from dpsynth.schema.schema import Schema

BUDGET = PrivacyBudget(1, "1e-6")

NAMES = ("first", "second", "third", "fourth", "fifth")

SCHEMA = Schema.from_text(
    "name: planted\nfields:\n"
    + "".join(f"  - {{name: {name}, type: string, categories: [a, b, c, d]}}\n" for name in NAMES)
    + "dpsynth:\n  unit: {kind: row}\n  public_rows: 3000\n",
    source="planted.yaml",
)


def planted_table(rows: int = 3000) -> pd.DataFrame:
    """Return columns in which `second` mostly repeats `first`, `fourth` mostly `third`, and `fifth` is alone."""
    rng = np.random.default_rng(11)
    made = {name: rng.integers(0, 4, rows) for name in NAMES}
    for source, target in (("first", "second"), ("third", "fourth")):
        made[target] = np.where(rng.random(rows) < 0.85, made[source], made[target])
    return pd.DataFrame({name: np.array(list("abcd"))[codes] for name, codes in made.items()})


def open_curator(seed: int = 1) -> Curator:
    """Return a curator over the planted table with a budget of exactly `BUDGET`."""
    ledger = Ledger("sqlite://")
    ledger.set_budget("planted", BUDGET, unit="one row")
    return Curator.open(planted_table(), SCHEMA, ledger=ledger, noise=SeededNoise(seed))


def fitted(generator: Any, curator: Curator) -> FittedGraphicalModel:
    """Return `generator` fitted to `curator`."""
    made = generator.fit(curator, BUDGET, rng=np.random.default_rng(0))
    assert isinstance(made, FittedGraphicalModel)
    return made


def share_spent(curator: Curator) -> float:
    """Return the charged part of the squared mu that the budget buys."""
    charged = sum((cost_of(event).mu_squared or Fraction(0) for _, event in curator.charged), Fraction(0))
    return float(charged / mu_squared_from_budget(BUDGET))


def pair_error(made: FittedGraphicalModel) -> float:
    """Return the mean total-variation distance of the model's pairs from the planted table's."""
    table = planted_table()
    distances = []
    for first, second in combinations(NAMES, 2):
        real = pd.crosstab(table[first], table[second], normalize=True).to_numpy()
        model = made.model.marginal((first, second))[:4, :4] / made.total
        distances.append(0.5 * np.abs(real - model).sum())
    return float(np.mean(distances))


def purposes(curator: Curator, verb: str) -> list[str]:
    """Return the purposes of all charged questions that begin with `verb`."""
    return [purpose for purpose, _ in curator.charged if purpose.startswith(verb)]
