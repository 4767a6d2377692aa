"""A10: can two data sources about one person be joined through the released table?

One source has some columns of the person, another has the rest. They are linked if the released rows nearest to each
part have a row in common. Evidence is that members are linked more often than controls.

Source: M. Giomi et al., A Unified Framework for Quantifying Privacy Risk in Synthetic Data, PoPETs 2023
(arXiv 2211.10459), section 3.2; Article 29 Working Party, Opinion 05/2014, "linkability".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.canonical_form import canonical_form, distinct_rows
from dpsynth.attacks.column_gaps import ColumnGaps, Gaps
from dpsynth.attacks.records import Records, require_same_columns
from dpsynth.errors import InvalidInput

MOST_BY_CHANCE = 0.5
"""Two sets of rows that would share more rows than this if drawn blindly link nobody."""

_MOST_DRAWS = 64
"""A table of few columns has few splits; this many draws find them."""

_Half = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Linkability:
    """Score 1 where the nearest released rows of both parts of a record have a row in common, else 0.

    The nearest rows are the `neighbours` nearest different rows and all that tie with the last of them. Where these
    sets are so large that a common row is no news, nobody is linked.

    Attributes:
        splits: column sets of a first source, by public name; the second source has the other columns.
        random_splits: how many further splits into halves are drawn.
        neighbours: how many rows each source regards as candidates.
    """

    splits: tuple[frozenset[str], ...] = ()
    random_splits: int = 5
    neighbours: int = 5

    def on(self, groups: Sequence[Sequence[str]]) -> Linkability:
        """Return this attack with further first sources, one for each of these groups of columns."""
        return replace(self, splits=tuple(dict.fromkeys([*self.splits, *map(frozenset, groups)])))

    def scores(
        self,
        targets: Records,
        synthetic: Records,
        reference: Records,
        *,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> dict[str, NDArray[np.float64]]:
        """Return for each split which targets are linked, shape (targets,), 1 or 0; keyed by the columns of one part.

        A column that is constant in the synthetic and the reference table belongs to no part. With fewer than two other
        columns there is nothing to link.

        Raises:
            InvalidInput: for a split that names an unknown column.
        """
        require_same_columns(targets, synthetic)
        form = canonical_form(synthetic, reference)
        asked, released = form.of(targets), form.of(synthetic)
        kept = [names[column] for column in form.columns]
        halves = self._halves(names, kept, rng)
        if asked is None or released is None or not halves:
            return {}
        linked = np.zeros((len(halves), len(targets)))
        if len(released):
            _link(asked, released, list(halves.values()), self.neighbours, linked)
        return dict(zip(halves, linked, strict=True))

    def _halves(self, names: Sequence[str], kept: Sequence[str], rng: np.random.Generator) -> dict[str, _Half]:
        """Return one part of each split as positions among the kept columns, by label."""
        unknown = frozenset[str]().union(*self.splits).difference(names)
        if unknown:
            raise InvalidInput(f"a split names columns that do not exist: {', '.join(sorted(unknown))}")
        halves: dict[str, _Half] = {}
        for split in self.splits:
            chosen = np.array([place for place, name in enumerate(kept) if name in split], dtype=np.intp)
            if 0 < chosen.size < len(kept):
                halves.setdefault(_label(kept, chosen), chosen)
        if len(kept) < 2:
            return halves
        wanted = len(halves) + self.random_splits
        for _ in range(_MOST_DRAWS):
            if len(halves) == wanted:
                break
            chosen = rng.permutation(len(kept))[: len(kept) // 2]
            halves.setdefault(_label(kept, chosen), chosen)
        return halves


def _label(kept: Sequence[str], chosen: _Half) -> str:
    """Return the same words for a split whichever of its parts is given."""
    part = sorted(kept[place] for place in chosen)
    others = sorted(name for place, name in enumerate(kept) if place not in chosen)
    shorter = min(part, others, key=lambda names: (len(names), names))
    return f"{', '.join(shorter)} with the others"


def _link(
    asked: Records, released: Records, halves: Sequence[_Half], neighbours: int, linked: NDArray[np.float64]
) -> None:
    """Write into `linked`, shape (splits, targets)."""
    rows, _ = distinct_rows(released)

    def search(block: slice, gaps: Gaps) -> None:
        total = gaps.sum(axis=0, dtype=np.int32)
        for place, half in enumerate(halves):
            own = gaps[half[0]].copy()
            for column in half[1:]:
                own += gaps[column]
            first, second = _nearest(own, neighbours), _nearest(total - own, neighbours)
            is_news = first.sum(axis=1) * second.sum(axis=1) <= MOST_BY_CHANCE * len(rows)
            linked[place, block] = (first & second).any(axis=1) & is_news

    ColumnGaps(asked, rows).for_each_block(search)


def _nearest(gaps: Gaps, neighbours: int) -> NDArray[np.bool_]:
    """Return which rows are at most as far as the last of the nearest, shape (targets, rows)."""
    if gaps.shape[1] <= neighbours:
        return np.ones(gaps.shape, dtype=np.bool_)
    farthest = np.partition(gaps, neighbours - 1, axis=1)[:, neighbours - 1]
    return gaps <= farthest[:, None]
