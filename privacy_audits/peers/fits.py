"""Many fits of one algorithm in two worlds, from inside the environment of a peer; only numpy is needed here.

A folder holds `request.json` and `worlds.npz` (codes of the world without the unit and of the one with it).
`seen.json` comes out: the rows of each released table that equal the unit's, and facts about the run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

Fit = Callable[[np.ndarray], np.ndarray]
"""Of the codes of a table; fits once and returns the codes of a synthetic one."""


def play(folder: str, prepare: Callable[[dict[str, Any]], Fit], *, packages: Sequence[str]) -> None:
    """Fit in both worlds by turns, and write what the tables show.

    Args:
        folder: where request and worlds lie.
        prepare: of the request, which knows no rows; returns what fits and samples once.
        packages: distributions whose versions matter.
    """
    place = Path(folder)
    request: dict[str, Any] = json.loads((place / "request.json").read_text(encoding="utf-8"))
    worlds = np.load(place / "worlds.npz")
    unit = worlds["with_unit"][-1]
    seen: dict[str, list[int]] = {"without": [], "with_unit": []}
    versions = {package: version(package) for package in packages}
    began = time.process_time()
    fit = prepare(request)
    for _ in range(request["fits"]):
        for name, rows in seen.items():
            codes = np.asarray(fit(worlds[name])).astype(np.int64)
            rows.append(int((codes == unit).all(axis=1).sum()))
        # After each pair, and whole or not at all: who interrupts the campaign keeps what was counted.
        facts = {"processor_seconds": round(time.process_time() - began), "versions": versions}
        (place / "seen.part").write_text(json.dumps({**seen, **facts}), encoding="utf-8")
        (place / "seen.part").replace(place / "seen.json")
