"""A11, the instrument: draw canaries from public knowledge, fix a threshold, guess from the released table alone.

No person's row is touched here. Drawing and threshold come from the schema; guesses are a function of the release and
of the canaries, which are public. What the guesses prove is in `dpsynth.attacks.one_run`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.distance import nearest_distances
from dpsynth.attacks.records import RESOLUTION, CodedColumn, Records
from dpsynth.errors import InvalidInput


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


def preregistered_threshold(unseen: Records, public_rows: Records, *, chance: Fraction) -> float:
    """Return the distance below which a canary will be called included; to be fixed before training.

    A table of uniform rows comes nearer than that to an unseen row with at most the given chance. Where even that
    leaves nothing, only exact matches count.

    Args:
        unseen: uniform draws from the public domain, many.
        public_rows: uniform draws from the public domain, about as many as the release will have rows.
        chance: share of unseen rows that may be called included by accident.

    Raises:
        InvalidInput: if there are no unseen rows.
    """
    if not len(unseen):
        raise InvalidInput("a threshold needs at least one unseen row")
    nearest = np.sort(nearest_distances(unseen, public_rows)[:, 0])
    allowed = math.floor(chance * len(unseen))
    exact_only = 0.5 / (RESOLUTION * unseen.width)
    return max(float(nearest[allowed]), exact_only) if allowed else exact_only


def guess_included(canaries: Records, synthetic: Records, *, threshold: float) -> NDArray[np.bool_]:
    """Return which canaries are called included, shape (canaries,); the others are left open, not called excluded."""
    return nearest_distances(canaries, synthetic)[:, 0] < threshold
