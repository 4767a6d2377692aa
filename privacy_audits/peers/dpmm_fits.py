"""Fits dpmm many times; run by the Python of its environment: `python dpmm_fits.py FOLDER`.

The table is coded already and the domain is public, so its preprocessing, which would spend more on top, is off; so is
the merging of rare codes, of which there are none.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
from dpmm.pipelines import AIMPipeline, MSTPipeline
from fits import play

PIPELINES = {"aim": AIMPipeline, "mst": MSTPipeline}


def fit(request: dict[str, Any], codes: np.ndarray) -> np.ndarray:
    """Return the codes of one synthetic table."""
    names = list(request["domain"])
    pipeline = PIPELINES[request["algorithm"]](
        epsilon=float(request["epsilon"]),
        delta=float(request["delta"]),
        max_model_size=80 if request["algorithm"] == "aim" else None,
        n_jobs=1,
        compress=False,
        disable_processing=True,
    )
    pipeline.fit(pd.DataFrame(codes, columns=names), domain=dict(request["domain"]))
    made: np.ndarray = pipeline.generate(n_records=request["rows"])[names].to_numpy()
    return made


if __name__ == "__main__":
    play(sys.argv[1], fit, packages=["dpmm", "numpy", "pandas", "scipy", "opendp"])
