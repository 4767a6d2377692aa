"""Networks as small as can be, trained on rows of a small table: for tests of what they see, and of where they run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator import Curator, recorded_loss
from dpsynth.generators import latent_encoder
from dpsynth.generators.dpctgan import DPCTGAN
from dpsynth.generators.dptvae import DPTVAE
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.ledger import Ledger
from dpsynth.randomness import SeededNoise
from dpsynth.schema.schema import Schema

SCHEMA = Schema.from_text("""
name: clinic
fields:
  - {name: smoker, type: boolean}
  - {name: stage, type: string, categories: [none, early, late]}
  - {name: ward, type: string, categories: [a, b]}
dpsynth: {unit: {kind: row}, public_rows: 400}
""")
WIDTH = sum(SCHEMA.domain.sizes)
BUDGET = PrivacyBudget(3, "1e-5")
TINY: dict[str, Any] = {"components": 12, "hidden": 8, "units": 3, "warm_steps": 2, "last_steps": 4}
CRITICS = DPCTGAN(adversarial_share=1, critics=3, generator_steps=2, **TINY)
GATES = DPCTGAN(adversarial_share=1, critics=1, gates=1, generator_steps=2, **TINY)
BOUND = DPTVAE(training_share=1, rounds=3, decoder_steps=2, **TINY)


@contextmanager
def quickly() -> Iterator[None]:
    """Let encoders look at few generated rows, and record the loss of each generator once: it holds no numbers."""
    known: dict[object, Any] = {}
    record = recorded_loss.record_loss

    def record_once(loss: Any, *given: Any) -> Any:
        kind = type(loss.__self__)
        return known[kind] if kind in known else known.setdefault(kind, record(loss, *given))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latent_encoder, "_GENERATED", 100)
        patch.setattr(recorded_loss, "record_loss", record_once)
        yield


def curator() -> Curator:
    rng = np.random.default_rng(0)
    smoker = rng.random(300) < 0.3
    stage = np.where(smoker, rng.choice(["early", "late"], 300), "none")
    table = pd.DataFrame({"smoker": smoker, "stage": stage, "ward": rng.choice(["a", "b"], 300)})
    books = Ledger("sqlite://")
    books.set_budget("clinic", PrivacyBudget(6, "1e-2"), unit="one row", event_delta="5e-3")
    return Curator.open(table, SCHEMA, ledger=books, noise=SeededNoise(1))


def fitted(generator: Any, opened: Any) -> FittedGraphicalModel:
    made: FittedGraphicalModel = generator.fit(opened, BUDGET, rng=np.random.default_rng(5))
    return made
