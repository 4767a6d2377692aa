"""Who is compared with whom: everyone, the most isolated people, and groups that the caller declares.

An average hides what happens to a few. Isolated records are where a generator that remembers shows first, and where it
hurts most. A stratum is a set of people that is found without looking at who is a member.

Source: M. Meeus et al., Achilles' Heels, ESORICS 2023 (arXiv 2306.10308), section 4: the mean distance to the five
nearest records as a measure of vulnerability; here Gower's distance to reference rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.distance import nearest_totals
from dpsynth.attacks.records import CodedColumn, Records, level_values, rows_among
from dpsynth.attacks.result import EVERYONE, Duty
from dpsynth.errors import InvalidInput
from dpsynth.schema.columns import Column
from dpsynth.schema.people_group import PeopleGroup

_NEIGHBOURS = 5

_ISOLATED = ((0.1, "most isolated 10 %", 2.0, Duty.ALWAYS), (0.01, "most isolated 1 %", 1.0, Duty.NEVER))
"""Share of the people, label, weight, duty: one person in a hundred is too few to show anything about them safe."""

_EVERYONE_WEIGHT = 4.0
_GROUPS_WEIGHT = 2.0

ISOLATED_SLACK = 2.0
"""Limits on isolated people are twice as wide: they are few, and more exposed in any release."""


@dataclass(frozen=True, slots=True)
class DeclaredGroup:
    """People who share public values: an age band, a rare diagnosis, the young in a late stage.

    Attributes:
        label: as in results; public.
        columns: positions of the columns.
        values: the combinations of their values, as in `Records`, that belong to the group.
    """

    label: str
    columns: tuple[int, ...]
    values: frozenset[tuple[float, ...]]

    @classmethod
    def of_codes(cls, label: str, columns: Sequence[CodedColumn], column: int, codes: Sequence[int]) -> DeclaredGroup:
        """Return the group of the people who have one of `codes` in a column of a schema.

        Raises:
            InvalidInput: for a column or a code that the schema does not have.
        """
        if not 0 <= column < len(columns):
            raise InvalidInput(f"group '{label}' names a column that the schema does not have")
        levels = level_values(columns[column])
        if not all(0 <= code < levels.size for code in codes):
            raise InvalidInput(f"group '{label}' names a code that its column does not have")
        held = Records(levels[list(codes), None], np.array([columns[column].is_ordered]))
        return cls(label, (column,), frozenset((value,) for value in held.values[:, 0].tolist()))

    @classmethod
    def of_people(cls, group: PeopleGroup, columns: Sequence[Column]) -> DeclaredGroup:
        """Return the group that the columns of a schema and a condition declare."""
        places = [place for place, column in enumerate(columns) if column.name in group.clique]
        codes = np.argwhere(group.holds)
        values = np.stack([level_values(columns[place])[codes[:, axis]] for axis, place in enumerate(places)], axis=1)
        held = Records(values, np.array([columns[place].is_ordered for place in places]))
        return cls(f"group: {group.name}", tuple(places), frozenset(map(tuple, held.values.tolist())))

    def fits(self, width: int) -> bool:
        """Return whether a table of so many columns has those of the group."""
        return all(0 <= column < width for column in self.columns)

    def members_among(self, records: Records) -> NDArray[np.bool_]:
        """Return which rows belong to the group, shape (rows,)."""
        wanted = np.array(sorted(self.values), dtype=np.float64).reshape(-1, len(self.columns))
        return rows_among(records.values[:, list(self.columns)], wanted)


def require_different_labels(groups: Sequence[DeclaredGroup]) -> None:
    """Refuse groups that results could not tell from each other or from the strata that every suite has.

    Raises:
        InvalidInput: for a label that is given twice or taken.
    """
    labels = [EVERYONE, *(label for _, label, _, _ in _ISOLATED), *(group.label for group in groups)]
    if len(set(labels)) < len(labels):
        raise InvalidInput("groups of people need labels that are different, and none of those that every suite has")


@dataclass(frozen=True, slots=True, eq=False)
class Stratum:
    """One set of people.

    Attributes:
        label: as in results.
        people: which of the targets, shape (targets,).
        slack: by how much its limits are wider than those for everyone.
        weight: its part of the significance of each attack, relative to the other strata.
        duty: whether a release has to be shown safe for these people before it passes.
    """

    label: str
    people: NDArray[np.bool_]
    slack: float
    weight: float
    duty: Duty


def strata_of(
    targets: Records, reference: Records, groups: Mapping[str, NDArray[np.bool_]] = MappingProxyType({})
) -> tuple[Stratum, ...]:
    """Return everyone, the most isolated people and the declared groups.

    Args:
        targets: the people.
        reference: rows of the same population that are none of them.
        groups: which of the targets belong to each declared group, by label.

    People as isolated as the limit are left out, so a stratum holds at most its share; where many are equally isolated
    it may hold nobody.
    """
    strata = [Stratum(EVERYONE, np.ones(len(targets), dtype=np.bool_), 1.0, _EVERYONE_WEIGHT, Duty.ALWAYS)]
    # Sums of multiples of the resolution: exact, so equal isolation is equal in any order of columns.
    isolation = nearest_totals(targets, reference, neighbours=_NEIGHBOURS).sum(axis=1)
    for share, label, weight, duty in _ISOLATED:
        strata.append(Stratum(label, _above_all_but(isolation, share), ISOLATED_SLACK, weight, duty))
    for label, people in groups.items():
        strata.append(Stratum(label, people, 1.0, _GROUPS_WEIGHT / len(groups), Duty.WHERE_POSSIBLE))
    return tuple(strata)


def _above_all_but(isolation: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    """Return who is more isolated than the person at the upper `share`."""
    if not isolation.size or not (places := int(share * isolation.size)) or places >= isolation.size:
        return np.zeros(isolation.size, dtype=np.bool_)
    isolated: NDArray[np.bool_] = isolation > np.partition(isolation, -places - 1)[-places - 1]
    return isolated
