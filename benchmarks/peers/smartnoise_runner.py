"""Fits and samples one algorithm of smartnoise-synth, in its own environment: `python smartnoise_runner.py FOLDER`.

Without a transformer it would take the categories from the private rows; it gets one that was fitted to a table that
lists every code of the public domain, so that preprocessing costs nothing. `mwem` cannot hold a histogram over many
columns; `mwem-split3` is the way out that its documentation gives. The sampler of the mbi version that it pins couples
columns with a common neighbour, so MST and AIM are sampled a second time with each row drawn on its own.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
from exchange import Exchange
from mbi import MarkovRandomField
from snsynth import Synthesizer
from snsynth.transform.label import LabelTransformer
from snsynth.transform.table import TableTransformer

SETTINGS = {"mwem": {}, "mwem-split3": {"split_factor": 3}}


def main() -> None:
    """Run what the folder asks for."""
    chosen = Exchange(sys.argv[1])
    asked = chosen.request
    domain = asked["domain"]
    transformer = TableTransformer([LabelTransformer(nullable=False) for _ in domain])
    rows = np.arange(max(domain.values()))
    transformer.fit(pd.DataFrame({name: rows % size for name, size in domain.items()}))
    algorithm = asked["system"].partition("-")[0]
    settings = SETTINGS.get(asked["system"]) or ({} if algorithm == "mwem" else {"delta": float(asked["delta"])})
    synthesizer = Synthesizer.create(algorithm, epsilon=float(asked["epsilon"]), **settings)
    table = pd.DataFrame(chosen.training(), columns=list(domain))
    synthesizer.fit(table, transformer=transformer, preprocessor_eps=0.0)
    chosen.fitted()
    made = synthesizer.sample(asked["rows"])
    packages = ["smartnoise-synth", "mbi", "jax", "opendp", "numpy", "pandas"]
    chosen.finish(np.asarray(made), packages=packages)
    if algorithm in {"aim", "mst"}:
        as_shipped = MarkovRandomField.synthetic_data
        MarkovRandomField.synthetic_data = lambda model, rows: as_shipped(model, rows=rows, method="sample")
        chosen.also("rows drawn one by one", np.asarray(synthesizer.sample(asked["rows"])))


if __name__ == "__main__":
    main()
