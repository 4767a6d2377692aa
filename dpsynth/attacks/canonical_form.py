"""One arrangement of a table that depends on its content alone.

Whatever an attack finds must not depend on the order of rows and columns, on names, or on the numbers that stand for
categories. An attack that works on the canonical form keeps these laws without thinking about them.

Source: B. Weisfeiler and A. Leman, Nauchno-Technicheskaya Informatsia 2 (1968): colours of levels and columns are
refined by the colours they occur with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.records import RESOLUTION, Records, require_same_columns

_ROUNDS = 2
_Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class CanonicalForm:
    """Columns that vary, in an order of their own, and categories numbered by frequency.

    Attributes:
        columns: shape (kept,), positions of the columns that are not constant in the synthetic and the reference table.
        categories: one per kept column: for an unordered one the codes that occur, the most frequent first; else None.
    """

    columns: NDArray[np.intp]
    categories: tuple[NDArray[np.intp] | None, ...]

    def of(self, records: Records) -> Records | None:
        """Return the records in this form, or None where every column is constant.

        A category that occurs in neither table gets the number that follows the last one.
        """
        if not self.columns.size:
            return None
        values = records.values[:, self.columns].copy()
        for place, categories in enumerate(self.categories):
            if categories is not None:
                values[:, place] = _renumbered(values[:, place].astype(np.intp), categories)
        return Records(values, records.ordered[self.columns])


def canonical_form(synthetic: Records, reference: Records) -> CanonicalForm:
    """Return the form that the two tables share, whatever the order of their rows and columns and their codes.

    Columns that agree in every count of their values, alone and together with other columns, keep the order in which
    they are given.

    Raises:
        InvalidInput: if the two tables have different columns.
    """
    require_same_columns(synthetic, reference)
    tables = (synthetic.values, reference.values)
    together = np.concatenate(tables)
    moving = [place for place in range(synthetic.width) if len(together) and np.ptp(together[:, place]) > 0]
    ordered = synthetic.ordered[moving]
    levels, codes = [], []
    for place in moving:
        found, code = np.unique(together[:, place], return_inverse=True)
        levels.append(found)
        codes.append(code)
    is_synthetic = np.arange(len(together)) < len(synthetic)
    colours = _colours(codes, levels, ordered, is_synthetic)
    order = sorted(range(len(moving)), key=lambda place: (bool(ordered[place]), _column_colour(colours[place])))
    categories: list[NDArray[np.intp] | None] = []
    for place in order:
        if ordered[place]:
            categories.append(None)
        else:
            released, others = _counts(codes[place], is_synthetic, levels[place].size)
            ranked = np.lexsort((colours[place], -others, -released))
            categories.append(levels[place][ranked].astype(np.intp))
    return CanonicalForm(np.array([moving[place] for place in order], dtype=np.intp), tuple(categories))


def rows_in_order(records: Records) -> Records:
    """Return the rows in lexicographic order."""
    return records.take(np.lexsort(records.values.T[::-1]))


def distinct_rows(records: Records) -> tuple[Records, NDArray[np.int64]]:
    """Return the different rows in lexicographic order, and how often each occurs, shape (different rows,)."""
    rows, counts = np.unique(records.values, axis=0, return_counts=True)
    return Records(rows.reshape(-1, records.width), records.ordered), counts.astype(np.int64)


def _renumbered(codes: NDArray[np.intp], categories: NDArray[np.intp]) -> NDArray[np.intp]:
    numbers = np.full(int(max(codes.max(initial=0), categories.max())) + 1, categories.size, dtype=np.intp)
    numbers[categories] = np.arange(categories.size)
    return numbers[codes]


def _colours(
    codes: Sequence[NDArray[np.intp]],
    levels: Sequence[NDArray[np.float64]],
    ordered: NDArray[np.bool_],
    is_synthetic: NDArray[np.bool_],
) -> list[_Hashes]:
    """Return one hash per level of each column, equal for levels that no count tells apart."""
    colours = []
    for code, level, in_order in zip(codes, levels, ordered, strict=True):
        released, others = _counts(code, is_synthetic, level.size)
        # A number is part of the content where it means a position, and a mere name where it is a code.
        place = np.round(level * RESOLUTION) + 1 if in_order else np.zeros(level.size)
        colours.append(
            _mixed(_mixed(_mixed(place.astype(np.uint64)) + released.astype(np.uint64)) + others.astype(np.uint64))
        )
    for _ in range(_ROUNDS):
        rows = np.zeros(is_synthetic.size, dtype=np.uint64)
        for code, colour in zip(codes, colours, strict=True):
            rows += _mixed(colour + _column_colour(colour))[code]
        rows = _mixed(rows + is_synthetic.astype(np.uint64))
        colours = [
            _mixed(colour + _summed(rows, code, colour.size)) for code, colour in zip(codes, colours, strict=True)
        ]
    return colours


def _counts(
    codes: NDArray[np.intp], is_synthetic: NDArray[np.bool_], size: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return how often each level occurs in the synthetic table and in the reference."""
    return np.bincount(codes[is_synthetic], minlength=size), np.bincount(codes[~is_synthetic], minlength=size)


def _summed(rows: _Hashes, codes: NDArray[np.intp], size: int) -> _Hashes:
    """Return the sum over the rows of each level; sums of integers wrap around and have no order."""
    sums = np.zeros(size, dtype=np.uint64)
    np.add.at(sums, codes, rows)
    return sums


def _column_colour(colours: _Hashes) -> np.uint64:
    total: np.uint64 = _mixed(colours).sum(dtype=np.uint64)
    return total


def _mixed(values: _Hashes) -> _Hashes:
    """Return 64 well-mixed bits per value. Source: G. Steele et al., SplitMix, OOPSLA 2014, figure 16."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
