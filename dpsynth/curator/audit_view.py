"""Attacks on members and controls run here, behind the door; what they find comes out sealed as confidential."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.unit import PrivacyUnit
from dpsynth.curator._sealed import unseal
from dpsynth.curator.confidential import Confidential
from dpsynth.curator.curator import Curator
from dpsynth.curator.ingest import TableLike, check_header, read_codes, source_of
from dpsynth.progress import phase
from dpsynth.schema.schema import Schema

F = TypeVar("F")

AuditSource: TypeAlias = TableLike
"""Where the rows of an audit are: a path to a CSV or Parquet file, a pandas frame, an object with an Arrow stream."""


@dataclass(frozen=True, slots=True, repr=False)
class AuditRows:
    """Real rows as codes, in the order of the schema's columns.

    Attributes:
        members: rows that the generator was trained on, planted canaries left out, shape (members, columns).
        controls: rows that it never saw, shape (controls, columns).
    """

    members: NDArray[np.int32]
    controls: NDArray[np.int32]


def examine(curator: Curator, function: Callable[[AuditRows], F]) -> Confidential[F]:
    """Return what `function` finds in the real rows, sealed.

    Raises:
        DpsynthError: when the data was never opened by a fit.

    Privacy: not charged, therefore `Confidential`: the finding may only be revealed into the internal audit folder.
    """
    rows = unseal(curator.sealed_rows())
    members = np.stack(rows.training, axis=1).astype(np.int32) if rows.training else rows.control[:0]
    if curator.planted:
        members = members[: -curator.planted]
    return Confidential(function(AuditRows(members=members, controls=rows.control)))


@dataclass(frozen=True, slots=True, repr=False)
class AuditTables:
    """A table that somebody made, and the rows that it was or was not made from, all as codes in the schema's order.

    Attributes:
        synthetic: the table that is audited, shape (rows, columns).
        members: rows that it was made from, in the order of their file.
        controls: rows of the same population that it was not made from.
        reference: further rows that are neither; none where nobody gave any.
    """

    synthetic: NDArray[np.int32]
    members: NDArray[np.int32]
    controls: NDArray[np.int32]
    reference: NDArray[np.int32]


def examine_tables(
    synthetic: AuditSource,
    training: AuditSource,
    control: AuditSource,
    reference: AuditSource | None,
    schema: Schema,
    function: Callable[[AuditTables], F],
) -> Confidential[F]:
    """Return what `function` finds in tables that no curator holds, sealed.

    Every row counts, also where the schema says that a unit may have several: the column that names units is left out.

    Raises:
        SchemaError: the schema has blanks.
        TableError: a table cannot be read or does not fit the schema; all headers are read before the first row.

    Privacy: not charged, because nothing may be answered: the finding is for the internal audit folder only.
    """
    schema.require_complete()
    named = () if schema.unit.id_column is None else (schema.unit.id_column,)
    by_row = replace(schema, unit=PrivacyUnit(), ignored=(*schema.ignored, *named))
    sources = [source_of(table, by_row) for table in (synthetic, training, control, reference) if table is not None]
    for source in sources:
        check_header(source, by_row)
    read = []
    with phase("read and code the tables", len(sources)) as advance:
        for source in sources:
            read.append(unseal(read_codes(source, by_row)))
            advance(1)
    if reference is None:
        read.append(read[0][:0])
    return Confidential(function(AuditTables(*read)))
