"""How codes of a column are merged before pairs of columns are measured: declared, public, and free of any rows.

A column may be coded more finely than any pair can be measured. Which codes are merged is decided later, from noisy
counts that were paid for; these rules only say how.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

LARGEST_UNMERGED = 128
"""A column with more codes than this is merged unless its schema says `keep`: finer pairs drown in noise."""


@dataclass(frozen=True, slots=True)
class KeepCodes:
    """Nothing is merged, whatever the number of codes."""


@dataclass(frozen=True, slots=True)
class MergeRare:
    """Codes whose noisy count cannot be told from nothing are merged: with neighbours where codes have an order."""


@dataclass(frozen=True, slots=True)
class EqualMass:
    """Neighbouring codes are merged into groups of about equal noisy mass.

    Attributes:
        groups: how many.
    """

    groups: int


@dataclass(frozen=True, slots=True)
class DensityTree:
    """Neighbouring codes are merged into the leaves of a tree that is deep where rows are dense."""


@dataclass(frozen=True, slots=True)
class DeclaredGroups:
    """Codes are merged into declared bins.

    Attributes:
        groups: the bin of each declared code, numbered from 0 without a gap.
    """

    groups: tuple[int, ...]


Merging: TypeAlias = KeepCodes | MergeRare | EqualMass | DensityTree | DeclaredGroups
"""The closed union of everything that a column may declare."""

DEFAULT_GROUPS = 64
"""Groups of an ordered column with too many codes, where the schema does not say."""


def default_merging(size: int, *, ordered: bool) -> Merging:
    """Return what happens to a column of `size` codes whose schema does not say."""
    if size <= LARGEST_UNMERGED:
        return KeepCodes()
    return EqualMass(DEFAULT_GROUPS) if ordered else MergeRare()
