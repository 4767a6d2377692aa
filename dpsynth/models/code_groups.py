"""Which codes of a column are told apart when pairs are measured: rules that read released noisy counts.

Every rule returns one group number per code, 0 to k - 1 without a gap. Codes of different atoms never share a group:
an atom is a set of codes that something else in the model has to keep apart, such as the missing slot.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dpsynth.models.factor import Floats

Groups = NDArray[np.int64]

NOISE_LEVEL = 3.0
"""Standard deviations: a count below this many cannot be told from nothing."""


def merged_where_rare(counts: Floats, stddev: float, atoms: Groups, *, most: int) -> Groups:
    """Return groups in which each frequent code stands alone and the rare ones of each atom are together, at the end.

    Frequent are codes whose noisy count exceeds `NOISE_LEVEL` standard deviations, at most the `most` largest.

    Args:
        counts: noisy counts, shape (codes,).
        stddev: standard deviation of their noise.
        atoms: atom of each code, shape (codes,).
        most: most codes that may stand alone.

    Source: McKenna, Miklau and Sheldon 2021, "Winning the NIST contest", section 4.1 (domain compression).
    """
    frequent = counts > NOISE_LEVEL * stddev
    if frequent.sum() > most:
        kept = np.argsort(-counts, kind="stable")[:most]
        frequent[:] = False
        frequent[kept] = True
    return within_atoms(np.where(frequent, np.cumsum(frequent) - 1, frequent.sum()), atoms)


def merged_with_neighbours(counts: Floats, stddev: float, atoms: Groups) -> Groups:
    """Return contiguous groups, each of which grows until its noisy count stands out from the noise of its sum."""
    groups = np.zeros(len(counts), dtype=np.int64)
    group, start = 0, 0
    for code in range(len(counts)):
        if code > start and atoms[code] != atoms[code - 1]:
            group, start = group + 1, code
        groups[code] = group
        stands_out = counts[start : code + 1].sum() > NOISE_LEVEL * stddev * np.sqrt(code + 1 - start)
        if stands_out and code + 1 < len(counts):
            group, start = group + 1, code + 1
    return within_atoms(groups, atoms)


def equal_mass(counts: Floats, wanted: int, atoms: Groups) -> Groups:
    """Return contiguous groups, about `wanted`, of about equal noisy mass; a code heavier than its due stands alone.

    These are approximate quantiles: their edges are as exact as sums of noisy counts are.
    """
    mass = np.maximum(counts, 0.0)
    groups = np.zeros(len(mass), dtype=np.int64)
    left, here, group = float(mass.sum()), 0.0, 0
    for code, weight in enumerate(mass):
        # A new group begins where that brings the sum so far closer to its due than taking this code too would.
        if code and group < wanted - 1 and here > 0 and here + weight / 2 > left / (wanted - group):
            left -= here
            here = 0.0
            group += 1
        groups[code] = group
        here += weight
    return within_atoms(groups, atoms)


def within_atoms(groups: Groups, atoms: Groups) -> Groups:
    """Return the common refinement of `groups` and `atoms`, numbered by group and then by atom."""
    _, renumbered = np.unique(groups * (int(atoms.max()) + 1) + atoms, return_inverse=True)
    refined: Groups = renumbered.astype(np.int64)
    return refined
