"""Many fits of one algorithm in two worlds, from inside the environment of a peer; only numpy is needed here.

A folder holds `request.json` and `worlds.npz` (codes of the world without the unit and of the one with it).
`counts.npy`, the counts of all cells in each released table, shape (2, fits, cells), and `facts.json` come out.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

Fit = Callable[[dict[str, Any], np.ndarray], np.ndarray]
"""Of the request and the codes of a table; returns the codes of a synthetic one."""


def play(folder: str, fit: Fit, *, packages: Sequence[str]) -> None:
    """Fit in both worlds by turns, and write what the tables show.

    Args:
        folder: where request and worlds lie.
        fit: fits and samples once.
        packages: distributions whose versions matter.
    """
    place = Path(folder)
    request: dict[str, Any] = json.loads((place / "request.json").read_text(encoding="utf-8"))
    worlds = np.load(place / "worlds.npz")
    sizes = tuple(request["domain"].values())
    counts = np.zeros((2, request["fits"], int(np.prod(sizes))), dtype=np.int64)
    began = time.process_time()
    for run in range(request["fits"]):
        for world, name in enumerate(("without", "with_unit")):
            codes = np.asarray(fit(request, worlds[name])).astype(np.int64)
            flat = np.ravel_multi_index(tuple(codes.T), sizes)
            counts[world, run] = np.bincount(flat, minlength=counts.shape[2])
    np.save(place / "counts.npy", counts)
    facts = {
        "processor_seconds": round(time.process_time() - began),
        "versions": {package: version(package) for package in packages},
    }
    (place / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
