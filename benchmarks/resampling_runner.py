"""Draws training rows with replacement: `python -m benchmarks.resampling_runner FOLDER`.

This is NOT private. It is the line that shows what drawing rows independently costs, even from the truth.
"""

from __future__ import annotations

import sys

import numpy as np

from benchmarks.peers.exchange import Exchange


def main() -> None:
    """Run what the folder asks for."""
    chosen = Exchange(sys.argv[1])
    training = chosen.training()
    chosen.fitted()
    drawn = np.random.default_rng(chosen.request["seed"]).integers(len(training), size=chosen.request["rows"])
    chosen.finish(training[drawn], packages=["numpy"])


if __name__ == "__main__":
    main()
