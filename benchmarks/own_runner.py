"""Fits and samples one generator of this project: `python -m benchmarks.own_runner FOLDER`.

The rows are read as a user's would be: cells go through the curator, the budget through a ledger. Noise comes from the
operating system, as in a release; the seed fixes only the public choices, so figures vary.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from benchmarks.peers.exchange import Exchange
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator import Curator
from dpsynth.generators.aim import AIM
from dpsynth.generators.base import MarginalSynthesizer
from dpsynth.generators.registry import generator
from dpsynth.ledger import Ledger
from dpsynth.schema.schema import Schema

VARIANTS: dict[str, MarginalSynthesizer] = {"aim-pairs": AIM(levels=(), largest_set=2)}
"""Generators with other hyperparameters than their defaults: here `aim` as published, on pairs at full resolution."""


def main() -> None:
    """Run what the folder asks for."""
    ledger = Ledger("sqlite://")  # before the clock starts, because it imports a database
    chosen = Exchange(sys.argv[1])
    asked = chosen.request
    schema = Schema.from_text((chosen.folder / "schema.yaml").read_text(encoding="utf-8"), source="schema.yaml")
    cells = pd.read_parquet(chosen.folder / "cells.parquet")  # noqa: TID251 - the rows that the curator is given
    budget = PrivacyBudget(asked["epsilon"], asked["delta"])
    ledger.set_budget(schema.dataset, budget, unit="one row")
    curator = Curator.open(cells, schema, ledger=ledger)
    maker = VARIANTS.get(asked["system"]) or generator(asked["system"])
    fitted = maker.fit(curator, budget, rng=np.random.default_rng(asked["seed"]))
    chosen.fitted()
    made = fitted.sample(asked["rows"], rng=np.random.default_rng(asked["seed"])).codes
    chosen.finish(made, packages=["numpy", "scipy", "pandas"], measurements=len(fitted.measurements))


if __name__ == "__main__":
    main()
