"""Fits dpmm many times; run by the Python of its environment: `python dpmm_fits.py FOLDER`.

The table is coded already and the domain is public, so its preprocessing, which would spend more on top, is off; so is
the merging of rare codes, of which there are none. `pretrained` first fits a table that lists every cell of the domain
once and is declared public, as dpmm offers it: what to measure is settled there, and the claim is spent on measuring.
"""

from __future__ import annotations

import copy
import sys
from typing import Any

import numpy as np
import pandas as pd
from dpmm.pipelines import AIMPipeline, MSTPipeline
from fits import Fit, play

PIPELINES = {"aim": AIMPipeline, "mst": MSTPipeline}


def prepared(request: dict[str, Any]) -> Fit:
    """Return what fits once and gives the codes of one synthetic table."""
    domain = request["domain"]
    algorithm, _, pretrained = request["algorithm"].partition("-")
    fresh = PIPELINES[algorithm](
        epsilon=float(request["epsilon"]),
        delta=float(request["delta"]),
        max_model_size=80 if algorithm == "aim" else None,
        n_jobs=1,
        compress=False,
        disable_processing=True,
        gen_kwargs={"n_iters": request["iterations"]},
    )
    if pretrained:
        every = np.indices(tuple(domain.values())).reshape(len(domain), -1).T
        fresh.fit(pd.DataFrame(every, columns=list(domain)), domain=dict(domain), public=True)

    def fit(codes: np.ndarray) -> np.ndarray:
        # A copy of what has seen no row of the worlds: computing rho from the claim takes dpmm a second.
        pipeline = copy.deepcopy(fresh)
        pipeline.fit(pd.DataFrame(codes, columns=list(domain)), domain=dict(domain))
        made: np.ndarray = pipeline.generate(n_records=request["rows"])[list(domain)].to_numpy()
        return made

    return fit


if __name__ == "__main__":
    play(sys.argv[1], prepared, packages=["dpmm", "numpy", "pandas", "scipy", "opendp"])
