"""Fits smartnoise-synth many times; run by the Python of its environment: `python smartnoise_fits.py FOLDER`.

Without a transformer it would take the categories from the rows; it gets one that was fitted to a table that lists
every code of the public domain, so that preprocessing costs nothing.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
from fits import Fit, play
from snsynth import Synthesizer
from snsynth.transform.label import LabelTransformer
from snsynth.transform.table import TableTransformer


def prepared(request: dict[str, Any]) -> Fit:
    """Return what fits once and gives the codes of one synthetic table."""
    domain = request["domain"]
    settings = {} if request["algorithm"] == "mwem" else {"delta": float(request["delta"])}
    every = np.arange(max(domain.values()))

    def fit(codes: np.ndarray) -> np.ndarray:
        transformer = TableTransformer([LabelTransformer(nullable=False) for _ in domain])
        transformer.fit(pd.DataFrame({name: every % size for name, size in domain.items()}))
        synthesizer = Synthesizer.create(request["algorithm"], epsilon=float(request["epsilon"]), **settings)
        synthesizer.fit(pd.DataFrame(codes, columns=list(domain)), transformer=transformer, preprocessor_eps=0.0)
        return np.asarray(synthesizer.sample(request["rows"]))

    return fit


if __name__ == "__main__":
    play(sys.argv[1], prepared, packages=["smartnoise-synth", "mbi", "jax", "opendp", "numpy", "pandas"])
