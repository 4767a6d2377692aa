"""Groups of people by public conditions: an age band, a rare diagnosis, those whom a leak would hurt most.

A condition is about declared values and is evaluated over codes, before any row is read. Where a bin holds people of
both kinds it is refused: the group would not be the one that its name promises.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput
from dpsynth.schema.columns import Column
from dpsynth.schema.condition import columns_of, parse_condition
from dpsynth.schema.document import GroupPart
from dpsynth.schema.domain import Clique, Domain
from dpsynth.schema.faults import Faults
from dpsynth.schema.open_categories import is_open
from dpsynth.schema.truth_table import TruthTables
from dpsynth.schema.yaml_source import Path

LARGEST_COMBINATIONS = 100_000
"""Combinations of codes that one group may be about."""

STILL_OPEN = "names a column whose categories are still to be found; declare this after `dpsynth discover`"


@dataclass(frozen=True, slots=True, eq=False)
class PeopleGroup:
    """People whose codes fulfil a condition.

    Attributes:
        name: public.
        clique: the columns that the condition is about, in the order of the schema.
        holds: for which of their codes it holds, in the shape of the clique.
    """

    name: str
    clique: Clique
    holds: NDArray[np.bool_]

    @classmethod
    def where(cls, name: str, condition: str, columns: Sequence[Column]) -> PeopleGroup:
        """Return the group called `name` of those for whom `condition` holds, such as `age >= 85 and stage == 'late'`.

        Raises:
            InvalidInput: the condition cannot be read, is undecided within a bin, or holds for nobody or for everybody.
        """
        by_name = {column.name: column for column in columns}
        domain = Domain(tuple(by_name), tuple(column.size for column in columns))
        parsed = parse_condition(condition, tuple(by_name))
        clique = domain.canonical(columns_of(parsed))
        if any(is_open(by_name[column]) for column in clique):
            raise InvalidInput(STILL_OPEN)
        if domain.cells(clique) > LARGEST_COMBINATIONS:
            raise InvalidInput(f"ties {domain.cells(clique):,} combinations; at most {LARGEST_COMBINATIONS:,} fit")
        tables = TruthTables(by_name, clique)
        truth = tables.of(parsed)
        if (truth.true & (truth.false | truth.unknown)).any():
            raise InvalidInput("; ".join(tables.undecided) or "is undecided for some combinations of codes")
        holds = np.ascontiguousarray(np.broadcast_to(truth.true, domain.shape(clique)))
        if holds.all() or not holds.any():
            raise InvalidInput(f"holds for {'everybody' if holds.all() else 'nobody'}, so it says nothing about people")
        return cls(name, clique, holds)


def people_groups(
    columns: Sequence[Column],
    parts: Sequence[GroupPart],
    report: Callable[[Path, str], None],
    *,
    faulty: Collection[str],
) -> tuple[PeopleGroup, ...]:
    """Return the groups that a schema declares, without those that have faults.

    Args:
        columns: the synthesised columns.
        parts: as written.
        report: is given every problem, with its place within the list.
        faulty: declared columns that something is wrong with; while there are any, conditions are not judged.
    """
    faults, found = Faults(report), dict[str, PeopleGroup]()
    for place, part in enumerate(parts):
        if not part.name.strip() or not part.name.isprintable() or part.name in found:
            faults.add((place, "name"), "names a group twice, or in more than one line of text")
        elif not faulty:
            try:
                found[part.name] = PeopleGroup.where(part.name, part.who, columns)
            except InvalidInput as fault:
                faults.add((place, "who"), str(fault))
    return tuple(found.values())
