"""Whom a shadow model attack looks for: the most exposed rows, ordinary ones, and rows that nobody has.

Source: M. Meeus et al., Achilles' Heels, ESORICS 2023 (arXiv 2306.10308), section 4: the rows farthest from their
nearest neighbours are the most exposed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.distance import nearest_distances
from dpsynth.attacks.records import CodedSchema, Records
from dpsynth.errors import InvalidInput

Codes = NDArray[np.integer]
"""A code table, shape (rows, columns)."""

_NEIGHBOURS = 5


@dataclass(frozen=True, slots=True, eq=False)
class ShadowTarget:
    """One row to look for.

    Attributes:
        kind: why it was chosen.
        row: its codes, shape (columns,).
        place: its place among the auxiliary rows, or None if it is none of them.
    """

    kind: str
    row: Codes
    place: int | None = None


def choose_targets(
    auxiliary: Codes, schema: CodedSchema, *, canaries: Codes, isolated: int = 10, typical: int = 5
) -> tuple[ShadowTarget, ...]:
    """Return the most isolated auxiliary rows, the most ordinary ones in that respect, and canaries.

    Isolation is the mean of Gower's distance to the five nearest other rows.

    Args:
        auxiliary: public rows.
        schema: the public columns.
        canaries: rows to be planted, from `dpsynth.attacks.canaries.draw_canaries`; five are usual.
        isolated: how many of the most isolated rows.
        typical: how many of those around the median.

    Raises:
        InvalidInput: there are too few auxiliary rows.
    """
    if isolated + typical > len(auxiliary):
        raise InvalidInput("there are fewer auxiliary rows than targets")
    records = Records.from_codes(auxiliary, schema)
    gaps = nearest_distances(records, records, neighbours=_NEIGHBOURS + 1)[:, 1:].mean(axis=1)
    order = np.argsort(-gaps, kind="stable")
    middle = max(isolated, (len(order) - typical) // 2)
    places = [*order[:isolated], *order[middle : middle + typical]]
    kinds = ["most isolated"] * isolated + ["typical"] * typical
    chosen = [ShadowTarget(kind, auxiliary[place], int(place)) for kind, place in zip(kinds, places, strict=True)]
    return (*chosen, *(ShadowTarget("canary", row) for row in canaries))
