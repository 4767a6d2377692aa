"""A11, the instrument: draw canaries from public knowledge, fix a threshold, guess from the released table alone.

No person's row is touched here. Drawing and threshold come from the schema; guesses are a function of the release and
of the canaries, which are public. What the guesses prove is in `dpsynth.attacks.one_run`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.distance import nearest_distances
from dpsynth.attacks.records import CodedColumn, Records
from dpsynth.errors import InvalidInput

SHARE_OF_MEDIAN = 0.5
"""The threshold is this share of the median distance between canaries and public rows."""


def draw_canaries(columns: Sequence[CodedColumn], count: int, *, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return `count` rows drawn uniformly from the public domain, shape (count, columns).

    Missing and outside slots are left out: real rows crowd there in some columns and would look like canaries.

    Raises:
        InvalidInput: if a column has no code besides its special slots.
    """
    rows = np.empty((count, len(columns)), dtype=np.int32)
    for place, column in enumerate(columns):
        special = [code for code in (column.missing_code, column.outside_code) if code is not None]
        plain = np.setdiff1d(np.arange(column.size), special)
        if not plain.size:
            raise InvalidInput(f"column {place} of the schema declares no value to draw canaries from")
        rows[:, place] = rng.choice(plain, size=count)
    return rows


def preregistered_threshold(canaries: Records, public_rows: Records) -> float:
    """Return the distance below which a canary will be called included; to be fixed before training.

    Args:
        canaries: all canaries, included or not.
        public_rows: uniform draws from the public domain, about as many as the release will have rows.

    Raises:
        InvalidInput: if there are no canaries.
    """
    if not len(canaries):
        raise InvalidInput("a threshold needs at least one canary")
    return SHARE_OF_MEDIAN * float(np.median(nearest_distances(canaries, public_rows)[:, 0]))


def guess_included(canaries: Records, synthetic: Records, *, threshold: float) -> NDArray[np.bool_]:
    """Return which canaries are called included, shape (canaries,); the others are left open, not called excluded."""
    return nearest_distances(canaries, synthetic)[:, 0] < threshold
