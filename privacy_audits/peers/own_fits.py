"""The same fits, worlds and statistic for generators of this project, in this process."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import Any

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.auditing.neighbors import NeighborPair
from dpsynth.curator import Curator
from dpsynth.generators.registry import generator
from dpsynth.ledger import Ledger
from dpsynth.progress import phase, unreported
from privacy_audits.package_version import version as own_version


def play_own(algorithm: str, pair: NeighborPair, claim: PrivacyBudget, *, rows: int, fits: int) -> dict[str, Any]:
    """Return how many rows of each released table equal the unit's, by world, and facts about the run.

    Args:
        algorithm: name in the registry.
        pair: the two worlds.
        claim: budget of each fit.
        rows: of each released table.
        fits: in each world.
    """
    unit, rng = pair.codes(1)[-1], np.random.default_rng()
    seen: dict[str, list[int]] = {"without": [], "with_unit": []}
    began = time.process_time()
    with phase(f"fit {algorithm} in two worlds", fits) as advance:
        for _ in range(fits):
            with unreported():
                for world, equal in enumerate(seen.values()):
                    ledger = Ledger("sqlite://")
                    ledger.set_budget(pair.schema.dataset, claim, unit=pair.schema.unit.describe())
                    curator = Curator.open(pair.table(world), pair.schema, ledger=ledger)
                    codes = generator(algorithm).fit(curator, claim, rng=rng).sample(rows, rng=rng).codes
                    equal.append(int((codes == unit).all(axis=1).sum()))
            advance(1)
    versions = {"dpsynth": own_version(), "numpy": version("numpy")}
    return {**seen, "processor_seconds": round(time.process_time() - began), "versions": versions}
