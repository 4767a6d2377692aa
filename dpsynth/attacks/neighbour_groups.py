"""A2 on groups of columns: is the synthetic table nearer to a part of this record than the population is?

Over all columns, noise in some of them hides that others were copied. A group is attacked on its own; all groups share
one pass over the rows.

Source: D. Chen et al., GAN-Leaks, CCS 2020 (arXiv 1909.03935), section 4.4, for the calibrated distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.canonical_form import canonical_form, distinct_rows
from dpsynth.attacks.column_gaps import ColumnGaps, Gaps
from dpsynth.attacks.column_groups import FEWEST_COLUMNS, correlated_groups, random_groups
from dpsynth.attacks.distance import OFFSET
from dpsynth.attacks.records import RESOLUTION, Records, require_same_columns

_Group = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NeighbourGroups:
    """Score by the logarithm of d(x, reference) over d(x, synthetic), each over one group of columns.

    Attributes:
        correlated: how many groups of columns that go together.
        random: how many groups of half of the columns, drawn by chance.
    """

    correlated: int = 3
    random: int = 3

    def scores(
        self,
        targets: Records,
        synthetic: Records,
        reference: Records,
        *,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> dict[str, NDArray[np.float64]]:
        """Return the log ratio of distances for each group, shape (targets,), keyed by the names of its columns.

        A column that is constant in the synthetic and the reference table belongs to no group. With fewer than three
        other columns there are no groups.
        """
        require_same_columns(targets, synthetic)
        form = canonical_form(synthetic, reference)
        asked, released, population = form.of(targets), form.of(synthetic), form.of(reference)
        if asked is None or released is None or population is None or asked.width < FEWEST_COLUMNS:
            return {}
        together = correlated_groups(released.followed_by(population), self.correlated)
        drawn = random_groups(asked.width, self.random, besides=together, rng=rng)
        groups = (*together, *drawn)
        ratio = _log_nearest(asked, population, groups) - _log_nearest(asked, released, groups)
        kinds = ["correlated"] * len(together) + ["random"] * len(drawn)
        return {
            f"{kind}: {', '.join(sorted(names[form.columns[place]] for place in group))}": own
            for kind, group, own in zip(kinds, groups, ratio, strict=True)
        }


def _log_nearest(asked: Records, others: Records, groups: Sequence[_Group]) -> NDArray[np.float64]:
    """Return the logarithm of the distance to the nearest row over each group, shape (groups, targets)."""
    nearest = np.array([[len(group) * RESOLUTION] for group in groups], dtype=np.int32)
    nearest = np.repeat(nearest, len(asked), axis=1)

    def search(block: slice, gaps: Gaps) -> None:
        total = np.empty(gaps.shape[1:], dtype=np.int32)
        for place, group in enumerate(groups):
            np.add(gaps[group[0]], gaps[group[1]], out=total)
            for column in group[2:]:
                np.add(total, gaps[column], out=total)
            np.min(total, axis=1, out=nearest[place, block])

    if len(others):
        rows, _ = distinct_rows(others)
        ColumnGaps(asked, rows).for_each_block(search)
    found: NDArray[np.float64] = np.log(nearest / RESOLUTION + OFFSET)
    return found
