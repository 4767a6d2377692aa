"""The story of an audit: a table that any tool made goes in; an internal report comes out, and nothing is charged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dpsynth.attacks.quasi_identifier_match import require_known_columns
from dpsynth.certification import layout
from dpsynth.certification.audit import check_internal_folder
from dpsynth.certification.policy import Policy, default_policy
from dpsynth.certification.table_audit import TableAudit, find_in_table, write_table_audit
from dpsynth.curator.ingest import TableLike
from dpsynth.errors import InvalidInput
from dpsynth.report import render_internal_report
from dpsynth.schema.people_group import PeopleGroup
from dpsynth.schema.schema import Schema


def attack_table(
    synthetic: TableLike,
    training: TableLike,
    control: TableLike,
    schema: Schema | str | Path,
    *,
    out: str | Path,
    reference: TableLike | None = None,
    quasi_identifiers: Sequence[Sequence[str]] = (),
    secrets: Sequence[str] = (),
    groups: Mapping[str, str] | None = None,
    policy: Policy | None = None,
    seed: int | None = None,
) -> TableAudit:
    """Attack `synthetic`, which any tool made of `training`, and write an internal report to the new folder `out`.

    The attacks ask how much better rows of `training` are recognised than rows of `control`, which must be of the same
    people's kind, dealt by chance before the table was made, and never seen by the tool. `reference` are further such
    rows, public ones if possible; without them half of the controls serve. `quasi_identifiers` are groups of columns in
    which others may know people, such as `[["age", "sex", "zip"]]`, and `groups` are people to be looked at on their
    own, by name and condition, such as `{"the very old": "age >= 85"}`; both are added to what the schema declares.
    `secrets` are columns whose values others are not to guess: a PASS then says so of these, and of every column if
    none is named.
    `seed` makes the attacks repeatable.

    Raises:
        InvalidInput: a group of quasi-identifiers is empty, or one of them or `secrets` names a column that the schema
            does not have; a group of people has the name of another, or a condition that names no people.
        SchemaError: the schema cannot be used.
        TableError: a table cannot be read, does not fit the schema or has no rows, or controls are the training rows.
        BundleError: `out` exists already, is inside a release folder, or cannot be written.

    Privacy: nothing is charged, because nothing may be published: report and verdict are exact findings about the rows.
    """
    folder = Path(out)
    schema = schema if isinstance(schema, Schema) else Schema.from_yaml(Path(schema))
    require_known_columns([*quasi_identifiers, *([secrets] if secrets else [])], [one.name for one in schema.columns])
    people = _people(groups or {}, schema)
    _require_different_files(training, control)
    for table in (synthetic, training, control, reference):
        released = Path(table).parent if isinstance(table, str | Path) else None
        inside = released is not None and (released / layout.CERTIFICATE).exists()
        check_internal_folder(folder, release_folder=released if inside else None)
    findings = find_in_table(
        synthetic,
        training,
        control,
        reference,
        schema,
        policy or default_policy(),
        name=Path(synthetic).name if isinstance(synthetic, str | Path) else "a table in memory",
        rng=np.random.default_rng(seed),
        groups=people,
        quasi_identifiers=quasi_identifiers,
        secrets=secrets,
    )
    return write_table_audit(folder, findings, render=render_internal_report)


def _people(groups: Mapping[str, str], schema: Schema) -> list[PeopleGroup]:
    """Return the groups that are asked for on top of those of the schema."""
    found, known = [], {group.name for group in schema.groups}
    for name, condition in groups.items():
        if name in known or not name.strip():
            raise InvalidInput(f"the group '{name}' needs a name, and one that the schema has not given to another")
        try:
            found.append(PeopleGroup.where(name, condition, schema.columns))
        except InvalidInput as fault:
            raise InvalidInput(f"the group '{name}', {condition}: {fault}") from fault
    return found


def _require_different_files(training: TableLike, control: TableLike) -> None:
    if training is control or (
        isinstance(training, str | Path)
        and isinstance(control, str | Path)
        and Path(training).exists()
        and Path(control).exists()
        and Path(training).samefile(control)
    ):
        raise InvalidInput(
            "training and control are one and the same table. Controls are rows that the synthetic table was not made "
            "from: deal the rows by chance before a table is made, and keep one part back"
        )
