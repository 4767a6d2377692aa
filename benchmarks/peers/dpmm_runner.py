"""Fits and samples one algorithm of dpmm; run by the Python of its environment: `python dpmm_runner.py FOLDER`.

The table is coded already and the domain is public, so its preprocessing, which would spend more on top, is switched
off. Everything else is as its documentation has it; the size limit of AIM is the 80 MB of its paper, because the
pipeline's own default is no limit.
"""

from __future__ import annotations

import sys

import pandas as pd
from dpmm.pipelines import AIMPipeline, MSTPipeline, PrivBayesPipeline
from exchange import Exchange

PIPELINES = {"aim": AIMPipeline, "mst": MSTPipeline, "privbayes": PrivBayesPipeline}


def main() -> None:
    """Run what the folder asks for."""
    chosen = Exchange(sys.argv[1])
    asked = chosen.request
    names = list(asked["domain"])
    table = pd.DataFrame(chosen.training(), columns=names)
    pipeline = PIPELINES[asked["system"]](
        epsilon=float(asked["epsilon"]),
        delta=float(asked["delta"]),
        max_model_size=80 if asked["system"] == "aim" else None,
        n_jobs=1,
        disable_processing=True,
    )
    pipeline.fit(table, domain=dict(asked["domain"]))
    chosen.fitted()
    made = pipeline.generate(n_records=asked["rows"])
    chosen.finish(made[names].to_numpy(), packages=["dpmm", "numpy", "pandas", "scipy", "opendp"])


if __name__ == "__main__":
    main()
