"""Draws training rows again, whole or column by column: `python -m benchmarks.resampling_runner FOLDER`.

This is NOT private. Whole rows show what drawing rows independently costs, even from the truth. Columns that are
shuffled within groups show what a table is worth that is exactly right about every column in every group, and about
nothing else.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.exchange import Exchange

Codes = NDArray[np.int32]


def exact_within_groups(training: Codes, group: int, rng: np.random.Generator) -> Codes:
    """Return rows with the training rows' counts of every column within every group, in random combinations.

    Args:
        training: codes, shape (rows, columns).
        group: place of the column that groups the rows.
        rng: public randomness.
    """
    made = training.copy()
    for value in np.unique(training[:, group]):
        rows = np.flatnonzero(training[:, group] == value)
        for column in range(training.shape[1]):
            made[rows, column] = training[rng.permutation(rows), column]
    return made


def main() -> None:
    """Run what the folder asks for."""
    chosen = Exchange(sys.argv[1])
    training = chosen.training()
    chosen.fitted()
    rng = np.random.default_rng(chosen.request["seed"])
    if chosen.request["system"] == "exact-within-groups":
        made = exact_within_groups(training, [*chosen.request["domain"]].index(chosen.request["group_by"]), rng)
    else:
        made = training[rng.integers(len(training), size=chosen.request["rows"])]
    chosen.finish(made, packages=["numpy"])


if __name__ == "__main__":
    main()
