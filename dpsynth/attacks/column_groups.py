"""Groups of columns to attack one by one: some that belong together, and some drawn by chance.

A generator may remember a household's address and profession and blur everything else: over all columns the blur hides
the leak. Groups are chosen from the released and the reference table together, in canonical order, so they do not
depend on how these tables are written, and nobody's membership has a part in them.

Source: W. Bergsma, A bias-correction for Cramer's V and Tschuprow's T, Journal of the Korean Statistical Society 42
(2013) 323, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.records import Records

FEWEST_COLUMNS = 3
"""Of fewer columns there is no group of two that leaves one out."""

_LEVELS = 16
"""Levels of a column when associations are measured: the more frequent categories, or bins of about equal mass."""

_MOST_DRAWS = 64
"""A table of few columns has few groups; this many draws find them."""

_Group = tuple[int, ...]


def correlated_groups(table: Records, wanted: int) -> tuple[_Group, ...]:
    """Return groups of columns that go together, each without columns of the others, as ascending positions.

    Greedy: a group begins with the strongest pair that is left and takes whatever is most associated with it, until it
    holds a third of the columns, rounded down, and at least two.

    Args:
        table: in canonical form (`dpsynth.attacks.canonical_form`); of equal associations the first in its order wins.
        wanted: how many groups at most.
    """
    if table.width < FEWEST_COLUMNS:
        return ()
    strength = associations(table)
    size = max(2, table.width // 3)
    free = list(range(table.width))
    groups: list[_Group] = []
    while len(groups) < wanted and len(free) > 1:
        best, group = -1.0, list(free[:2])
        for first, second in combinations(free, 2):
            if strength[first, second] > best:
                best, group = float(strength[first, second]), [first, second]
        while len(group) < size and len(group) < len(free):
            others = [column for column in free if column not in group]
            group.append(max(others, key=lambda column: strength[column][group].sum()))
        free = [column for column in free if column not in group]
        groups.append(tuple(sorted(group)))
    return tuple(groups)


def random_groups(
    columns: int, wanted: int, *, besides: Sequence[_Group], rng: np.random.Generator
) -> tuple[_Group, ...]:
    """Return different groups of half of the columns, and at least two, none of `besides`, as ascending positions."""
    groups: list[_Group] = []
    if columns < FEWEST_COLUMNS:
        return ()
    for _ in range(_MOST_DRAWS):
        if len(groups) == wanted:
            break
        group = tuple(sorted(int(place) for place in rng.permutation(columns)[: max(2, columns // 2)]))
        if group not in groups and group not in besides:
            groups.append(group)
    return tuple(groups)


def associations(table: Records) -> NDArray[np.float64]:
    """Return Cramer's V of every two columns, corrected for bias, shape (columns, columns), from 0 to 1.

    Args:
        table: in canonical form, so that unordered columns number their categories by frequency.
    """
    columns = [_coarse(own, bool(ordered)) for own, ordered in zip(table.values.T, table.ordered, strict=True)]
    strength = np.zeros((table.width, table.width))
    for first, second in combinations(range(table.width), 2):
        strength[first, second] = strength[second, first] = _corrected_v(columns[first], columns[second])
    return strength


def _coarse(values: NDArray[np.float64], ordered: bool) -> NDArray[np.intp]:  # noqa: FBT001
    """Return few levels, numbered from 0 without a gap."""
    if ordered and values.size:
        borders = np.quantile(values, np.arange(1, _LEVELS) / _LEVELS, method="inverted_cdf")
        values = np.searchsorted(borders, values).astype(np.float64)
    elif not ordered:
        values = np.minimum(values, _LEVELS - 1)
    return np.unique(values, return_inverse=True)[1].reshape(-1)


def _corrected_v(first: NDArray[np.intp], second: NDArray[np.intp]) -> float:
    rows, height, width = first.size, int(first.max(initial=0)) + 1, int(second.max(initial=0)) + 1
    if rows < 2 or min(height, width) < 2:
        return 0.0
    cells = np.bincount(first * width + second, minlength=height * width).reshape(height, width)
    expected = cells.sum(axis=1)[:, None] * cells.sum(axis=0)[None, :]
    # Sorted before they are added: the same number whatever the numbers of the levels, and for either column first.
    phi = float(np.sort((cells * cells / expected).reshape(-1)).sum()) - 1
    phi = max(0.0, phi - (height - 1) * (width - 1) / (rows - 1))
    shorter = min(height, width)
    levels = shorter - (shorter - 1) ** 2 / (rows - 1)
    return float(np.sqrt(min(1.0, phi / (levels - 1)))) if levels > 1 else 0.0
