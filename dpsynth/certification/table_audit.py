"""The internal audit of a table that any tool made: the same attacks, on rows that no curator holds.

Whoever asks for it holds the rows already. What is found is an exact function of them all the same, so it comes out
sealed, and goes to a folder that only its owner can read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.events import JsonValue
from dpsynth.attacks.attacked_release import SMALLEST_REFERENCE
from dpsynth.attacks.result import AttackResult, overall_reading
from dpsynth.attacks.significance import fisher_one_sided
from dpsynth.certification.audit import AuditReport, attack_rows, open_into, verdict_of
from dpsynth.certification.policy import Policy, Verdict
from dpsynth.curator.audit_view import AuditSource, AuditTables, examine_tables
from dpsynth.curator.confidential import Confidential
from dpsynth.errors import TableError
from dpsynth.schema.people_group import PeopleGroup
from dpsynth.schema.schema import Schema

_SUSPICIOUS_OVERLAP = 0.01
"""Chance at which common rows of two tables are no longer taken for chance."""

_MANY_CELLS = 0.05
"""A column of the synthetic table with a larger share of cells outside the schema is pointed out."""


@dataclass(frozen=True, slots=True, repr=False)
class TableFindings:
    """What the attacks found, and what is odd about the tables; always inside `Confidential`.

    Attributes:
        report: as of a release.
        remarks: sentences about the tables that the reader needs to judge the report.
    """

    report: AuditReport
    remarks: tuple[str, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """Return the findings as a JSON object: those of a release, and the remarks."""
        return {**self.report.to_json(), "remarks": list(self.remarks)}


@dataclass(frozen=True, slots=True)
class TableAudit:
    """The audit of a table: where its report is, and what the operator, who holds the rows, may read at once.

    Attributes:
        folder: the internal audit folder.
        verdict: PASS, FAIL or INCONCLUSIVE.
        readings: the worst reading of each attack, by its name; INCONCLUSIVE where it failed.
        failed: attacks that failed while they ran; what was raised stands in the report.

    Privacy: an exact function of real rows, not covered by epsilon. To pass it on is to tell about them.
    """

    folder: Path
    verdict: Verdict
    readings: Mapping[str, Verdict]
    failed: tuple[str, ...] = ()


def find_in_table(
    synthetic: AuditSource,
    training: AuditSource,
    control: AuditSource,
    reference: AuditSource | None,
    schema: Schema,
    policy: Policy,
    *,
    name: str,
    rng: np.random.Generator,
    groups: Sequence[PeopleGroup] = (),
    quasi_identifiers: Sequence[Sequence[str]] = (),
    secrets: Sequence[str] = (),
) -> Confidential[TableFindings]:
    """Return what the attack suite finds in a table, sealed.

    Args:
        synthetic: the table that is audited.
        training: the rows that it was made from.
        control: rows of the same population that it was not made from, dealt by chance before it was made.
        reference: further rows of that population that are neither, or None.
        schema: what is publicly known about all of them.
        policy: the significance of the suite.
        name: what the report calls the table.
        rng: all randomness of the attacks.
        groups: people to be looked at on their own, further to those of the schema.
        quasi_identifiers: groups of columns, by name, in which others may know people; further to those of the schema.
        secrets: columns, by name, whose guesses a PASS excludes; every column if none is named.

    Raises:
        SchemaError: the schema has blanks.
        TableError: a table cannot be read, does not fit the schema or has no rows, or controls are the training rows.

    Privacy: not charged, therefore sealed; nothing that is found may be published.
    """

    def look(tables: AuditTables) -> TableFindings:
        _require_rows(tables)
        report = attack_rows(
            tables.members,
            tables.controls,
            tables.reference,
            tables.synthetic,
            schema,
            policy,
            release_id=name,
            rng=rng,
            groups=groups,
            quasi_identifiers=quasi_identifiers,
            secrets=secrets,
        )
        return TableFindings(report, (*_remarks(tables, schema), *_remarks_on(secrets)))

    return examine_tables(synthetic, training, control, reference, schema, look)


def write_table_audit(
    folder: Path,
    findings: Confidential[TableFindings],
    *,
    render: Callable[[Mapping[str, JsonValue]], str],
) -> TableAudit:
    """Open the findings, write them to the new internal folder `folder`, and return what the operator may see at once.

    Raises:
        BundleError: the folder cannot be written.

    Privacy: nothing is charged, so nothing of this may be shared; every file is stamped with that.
    """
    opened = open_into(folder, findings, render=render)
    by_attack: dict[str, list[AttackResult]] = {}
    for result in opened.report.results:
        by_attack.setdefault(result.attack, []).append(result)
    readings = {attack: verdict_of(overall_reading(results)) for attack, results in by_attack.items()}
    failed = tuple(one.attack for one in opened.report.findings.failed)
    return TableAudit(folder, opened.report.verdict, readings | dict.fromkeys(failed, Verdict.INCONCLUSIVE), failed)


def _require_rows(tables: AuditTables) -> None:
    for codes, kind in (
        (tables.synthetic, "synthetic"),
        (tables.members, "training"),
        (tables.controls, "control"),
    ):
        if not len(codes):
            raise TableError(f"the {kind} table has no rows, so there is nothing to attack")
    if _counted(tables.members) == _counted(tables.controls):
        raise TableError(
            "the training table and the control table hold the same rows. Controls are rows that the synthetic table "
            "was not made from: deal the rows by chance before a table is made, and keep one part back"
        )


def _remarks(tables: AuditTables, schema: Schema) -> Iterator[str]:
    natural = _repeated(tables.members)
    for codes, kind in ((tables.controls, "control"), (tables.reference, "reference")):
        common = _common(codes, tables.members)
        if common and fisher_one_sided(common, len(codes), natural, len(tables.members)) <= _SUSPICIOUS_OVERLAP:
            yield (
                f"Rows of the {kind} table stand in the training table too: {common:,} of {len(codes):,}, where chance "
                f"repeats {natural:,} of {len(tables.members):,} training rows among themselves. If they are the same "
                "people, every attack looks weaker than it is; a PASS then means nothing."
            )
    if len(tables.reference) < SMALLEST_REFERENCE:
        yield (
            f"There are fewer than {SMALLEST_REFERENCE} reference rows, so a random half of the controls serves as "
            "reference, and only the other half stands for people who were not in the training table."
        )
    if schema.unit.id_column is not None:
        yield (
            f"The schema protects {schema.unit.describe()}; here every row is attacked by itself. Rows of one person "
            "must all be in the training table or all in the control table, or the comparison is void."
        )
    for place, column in enumerate(schema.columns):
        if column.outside_code is None:
            continue
        share = float((tables.synthetic[:, place] == column.outside_code).mean())
        if share > _MANY_CELLS:
            yield (
                f"Of column '{column.name}' of the synthetic table {share:.0%} of the cells are outside the declared "
                "domain. Attacks see these cells as one value, so they may miss a leak."
            )


def _remarks_on(secrets: Sequence[str]) -> Iterator[str]:
    if secrets:
        yield (
            f"Secrets were declared: of guesses, a PASS speaks about {', '.join(secrets)} and about no other column. "
            "Guesses of the others were tried too, and could fail the table."
        )


def _counted(codes: NDArray[np.int32]) -> Counter[bytes]:
    return Counter(row.tobytes() for row in codes)


def _common(codes: NDArray[np.int32], others: NDArray[np.int32]) -> int:
    """Return how many rows occur among `others`."""
    known = _counted(others)
    return sum(row.tobytes() in known for row in codes)


def _repeated(codes: NDArray[np.int32]) -> int:
    """Return how many rows have an equal one in the same table."""
    return sum(times for times in _counted(codes).values() if times > 1)
