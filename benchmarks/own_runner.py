"""Fits and samples one generator of this project: `python -m benchmarks.own_runner FOLDER`.

The rows are read as a user's would be: cells go through the curator, the budget through a ledger. Noise comes from the
operating system, as in a release; the seed fixes only the public choices, so figures vary.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.peers.exchange import Exchange
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator import Curator
from dpsynth.generators.aim import AIM
from dpsynth.generators.balanced_sample import balanced_sample
from dpsynth.generators.base import Synthesizer
from dpsynth.generators.pategan import PateGan
from dpsynth.generators.registry import GENERATORS, generator
from dpsynth.ledger import Ledger
from dpsynth.schema.schema import Schema


def _dpctgan(**settings: float) -> Synthesizer[Any]:
    from dpsynth.generators.dpctgan import DPCTGAN

    return DPCTGAN(**settings)  # type: ignore[arg-type]


def _dptvae(**settings: float) -> Synthesizer[Any]:
    from dpsynth.generators.dptvae import DPTVAE

    return DPTVAE(**settings)  # type: ignore[arg-type]


VARIANTS: dict[str, Callable[[], Synthesizer[Any]]] = {
    "aim-pairs": lambda: AIM(levels=(), largest_set=2),
    "dpctgan-alone": lambda: _dpctgan(adversarial_share=1),
    "dpctgan-marginals": lambda: _dpctgan(adversarial_share=0),
    "dptvae-alone": lambda: _dptvae(training_share=1),
    "pategan-alone": lambda: PateGan(pair_share=0, column_share=0.15),
}
"""Generators with other hyperparameters than their defaults: `aim` as published, on pairs at full resolution; `dpctgan`
with critics and no pairs, and with pairs and no critics; `dptvae` with gradients and no pairs; `pategan` without pairs,
so that votes tell it all of them."""

_FOR_TRAINING = Fraction(1, 10)
"""Part of delta that is set aside for a training, for generators that may want one."""


def main() -> None:
    """Run what the folder asks for."""
    ledger = Ledger("sqlite://")  # before the clock starts, because it imports a database
    chosen = Exchange(sys.argv[1])
    asked = chosen.request
    schema = Schema.from_text((chosen.folder / "schema.yaml").read_text(encoding="utf-8"), source="schema.yaml")
    cells = pd.read_parquet(chosen.folder / "cells.parquet")  # noqa: TID251 - the rows that the curator is given
    budget = PrivacyBudget(asked["epsilon"], asked["delta"])
    may_train = any(asked["system"].startswith(entry.name) for entry in GENERATORS if entry.extra == "neural")
    event_delta = budget.delta * _FOR_TRAINING.numerator / _FOR_TRAINING.denominator if may_train else 0
    ledger.set_budget(schema.dataset, budget, unit="one row", event_delta=event_delta)
    curator = Curator.open(cells, schema, ledger=ledger)
    variant = VARIANTS.get(asked["system"])
    maker = generator(asked["system"]) if variant is None else variant()
    fitted = maker.fit(curator, budget, rng=np.random.default_rng(asked["seed"]))
    chosen.fitted()
    made = balanced_sample(fitted, asked["rows"], rng=np.random.default_rng(asked["seed"])).codes
    chosen.finish(made, packages=["numpy", "scipy", "pandas"], measurements=len(fitted.measurements))


if __name__ == "__main__":
    main()
