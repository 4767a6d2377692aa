"""A1 on quasi-identifiers: does the synthetic table contain this record's values in columns that others may know?

Age, sex and place of residence stand in registers that anybody can read. The curator declares such groups of columns;
a hit is a synthetic row that agrees with the target in a whole group. Evidence is the excess of hits among members over
hits among controls: in a small group nearly everybody is hit, members and controls alike, and that proves nothing.

Source: T. Dalenius, Finding a needle in a haystack, Journal of Official Statistics 2 (1986) 329, for quasi-identifiers;
SDNist's unique exact matches, here with Fisher's exact test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.records import Records, require_same_columns, rows_among
from dpsynth.errors import InvalidInput

ColumnNames = Sequence[Sequence[str]]
"""Groups of columns by their public names."""


@dataclass(frozen=True, slots=True)
class QuasiIdentifierMatch:
    """Score 1 where a synthetic row agrees with the target in every column of a group, else 0.

    Attributes:
        groups: columns that are matched together, by public name; without any there are no variants.
    """

    groups: tuple[frozenset[str], ...] = ()

    def on(self, groups: ColumnNames) -> QuasiIdentifierMatch:
        """Return this attack on declared groups of columns."""
        return QuasiIdentifierMatch(tuple(dict.fromkeys(frozenset(group) for group in groups)))

    def scores(
        self,
        targets: Records,
        synthetic: Records,
        reference: Records,
        *,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> dict[str, NDArray[np.float64]]:
        """Return 0 or 1 per target for each group, shape (targets,), keyed by the names of its columns.

        A group whose columns are all constant in the synthetic and the reference table identifies nobody and is left
        out.

        Raises:
            InvalidInput: for a group that names an unknown column.
        """
        del rng
        require_same_columns(targets, synthetic)
        require_known_columns([sorted(group) for group in self.groups], names)
        together = synthetic.followed_by(reference).values
        found = {}
        for group in self.groups:
            chosen = [place for place, name in enumerate(names) if name in group]
            if len(together) and np.ptp(together[:, chosen], axis=0).any():
                hits = rows_among(targets.values[:, chosen], synthetic.values[:, chosen])
                found[", ".join(sorted(group))] = hits.astype(np.float64)
        return found


def require_known_columns(groups: ColumnNames, names: Sequence[str]) -> None:
    """Refuse groups of columns that cannot be meant, before anything is read.

    Raises:
        InvalidInput: for a group without columns, or one that names a column that is not among `names`.
    """
    for group in groups:
        if isinstance(group, str):
            raise InvalidInput(f"'{group}' is one name: a group of columns is a list of names")
        if not group:
            raise InvalidInput("a group of quasi-identifiers needs at least one column")
        if unknown := sorted(set(group).difference(names)):
            raise InvalidInput(
                f"quasi-identifiers or secrets name columns that do not exist: {', '.join(unknown)}; "
                f"known: {', '.join(names)}"
            )
