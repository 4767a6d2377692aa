"""Which codes of a column are told apart when pairs are measured: rules that read released noisy counts.

Every rule returns one group number per code, 0 to k - 1 in the order of first codes, without a gap. Codes of different
atoms never share a group: an atom is a set of codes that must be kept apart from the others, such as the missing slot.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dpsynth.models.denoising import denoised
from dpsynth.models.factor import Floats

Groups = NDArray[np.int64]

NOISE_LEVEL = 3.0
"""Standard deviations: a count below this many cannot be told from nothing."""

ROOTS, BRANCHES = 16, 4
"""A tree over ordered codes begins with so many nodes, and each is cut into so many parts."""

DENSE = 10.0
"""Standard deviations above which a node is worth cutting."""


def merged_where_rare(counts: Floats, stddev: float, atoms: Groups, *, most: int) -> Groups:
    """Return groups in which each frequent code stands alone and the rare ones of each atom are together.

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
    return within_atoms(np.where(frequent, np.arange(1, len(counts) + 1), 0), atoms)


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


def equal_mass(counts: Floats, stddev: float, wanted: int, atoms: Groups) -> Groups:
    """Return contiguous groups, about `wanted`, of about equal mass; a code heavier than its due stands alone.

    These are approximate quantiles. Mass is what is left of the noisy counts once noise is smoothed away: over
    thousands of empty codes, the positive halves of the noise alone would outweigh all records.
    """
    mass = np.maximum(denoised(counts, stddev, sparse=True), 0.0)
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


def first_nodes(atoms: Groups) -> Groups:
    """Return the roots of a tree over ordered codes: contiguous nodes, about `ROOTS`, with about equally many codes."""
    return within_atoms(np.arange(len(atoms)) * min(ROOTS, len(atoms)) // len(atoms), atoms)


def split_where_dense(groups: Groups, counts: Floats, stddev: float, *, most: int) -> Groups:
    """Return the tree one level deeper: each node whose noisy count is large enough is cut into `BRANCHES` parts.

    Large enough is `DENSE` standard deviations: each part would then hold a few of them. If there would be more than
    `most` nodes, the heaviest are cut first.

    Args:
        groups: node of each code, shape (codes,).
        counts: noisy counts of the nodes, shape (nodes,).
        stddev: standard deviation of their noise.
        most: most nodes.

    Source: Zhang, Xiao and Xie 2016, "PrivTree"; here every level is measured anew with noise of one size.
    """
    sizes = np.bincount(groups)
    dense = (counts > DENSE * stddev) & (sizes > 1)
    room = most - len(counts)
    for node in np.argsort(-counts, kind="stable"):
        room -= (min(BRANCHES, sizes[node]) - 1) * dense[node]
        dense[node] &= room >= 0
    place = np.empty_like(groups)
    place[np.argsort(groups, kind="stable")] = np.arange(len(groups)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    parts = np.where(dense[groups], place * np.minimum(BRANCHES, sizes)[groups] // sizes[groups], 0)
    return within_atoms(groups, parts)


def within_atoms(groups: Groups, atoms: Groups) -> Groups:
    """Return the common refinement of `groups` and `atoms`, numbered in the order of first codes."""
    _, first, place = np.unique(groups * (int(atoms.max()) + 1) + atoms, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[place]
