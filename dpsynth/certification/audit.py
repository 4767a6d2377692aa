"""The internal audit: every attack on the real rows, for the curator's eyes only.

Its findings are exact functions of private rows. They are made behind the door, come out sealed, and are opened in one
function, which writes them to a folder that only its owner can read and that is never inside a release.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.events import JsonValue
from dpsynth.attacks.findings import FailedAttack, SuiteFindings
from dpsynth.attacks.records import Records
from dpsynth.attacks.result import AttackResult, Reading
from dpsynth.attacks.shown_steps import shown_steps
from dpsynth.attacks.strata import DeclaredGroup
from dpsynth.attacks.suite import attack_release
from dpsynth.certification.audit_document import findings_to_json
from dpsynth.certification.negative_control import NOT_TRIED, NegativeControls, controls_among_people
from dpsynth.certification.policy import Policy, Verdict
from dpsynth.curator.audit_view import examine
from dpsynth.curator.confidential import Confidential
from dpsynth.curator.curator import Curator
from dpsynth.curator.findings import reveal
from dpsynth.errors import BundleError
from dpsynth.schema.people_group import PeopleGroup
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable

STAMP = "internal, not covered by epsilon"
"""What every page of an internal report says."""

JSON_FILE = "audit.json"
HTML_FILE = "audit.html"

_MOST_TARGETS = 20_000
"""More members than this are not attacked; distances are always to all synthetic rows."""

_VERDICTS = {
    Reading.PASS: Verdict.PASS,
    Reading.FAIL: Verdict.FAIL,
    Reading.INCONCLUSIVE: Verdict.INCONCLUSIVE,
}


class Findings(Protocol):
    """What an internal report is made of."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the findings as a JSON object, stamped."""


F = TypeVar("F", bound=Findings)


@dataclass(frozen=True, slots=True, repr=False)
class ColumnFinding:
    """How many real cells of a column are missing or outside its declared domain.

    Attributes:
        name: the column.
        missing: share of missing cells among the members.
        outside: share of cells outside the declared domain.
    """

    name: str
    missing: float
    outside: float


@dataclass(frozen=True, slots=True, repr=False)
class AuditReport:
    """What the attacks found in the real rows; always inside `Confidential`.

    Attributes:
        release_id: the release.
        policy: name of the policy.
        findings: of the suite: results, strata, exposed rows, curves.
        columns: one per column of the schema.
        members: number of training rows.
        controls: number of rows held back.
        negative_controls: what the suite says about leaks that were planted among real rows.
    """

    release_id: str
    policy: str
    findings: SuiteFindings
    columns: tuple[ColumnFinding, ...]
    members: int
    controls: int
    negative_controls: NegativeControls = NOT_TRIED

    @property
    def results(self) -> tuple[AttackResult, ...]:
        """One per attack, variant, stratum and statistic, with intervals."""
        return self.findings.results

    @property
    def verdict(self) -> Verdict:
        """FAIL if any attack succeeds; advice to the curator, never part of the certificate."""
        return verdict_of(self.findings.reading)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the report as a JSON object."""
        return {
            "stamp": STAMP,
            "release_id": self.release_id,
            "policy": self.policy,
            "verdict": self.verdict.value,
            "members": self.members,
            "controls": self.controls,
            **findings_to_json(self.findings),
            "negative_controls": self.negative_controls.section().model_dump(mode="json"),
            "columns": [
                {"name": column.name, "missing": column.missing, "outside": column.outside} for column in self.columns
            ],
        }


def verdict_of(reading: Reading) -> Verdict:
    """Return a reading of the suite as a verdict."""
    return _VERDICTS[reading]


def internal_audit(
    curator: Curator,
    table: SyntheticTable,
    policy: Policy,
    *,
    rng: np.random.Generator,
) -> Confidential[AuditReport]:
    """Return what the attack suite finds, sealed.

    Groups of people and quasi-identifiers are those of the curator's schema. Whatever an attack does, only an interrupt
    ends this: that one failed may depend on rows, so it is a finding like others.

    Args:
        curator: holds the rows; its controls stand for people who were not trained on.
        table: the table that will be exported.
        policy: significance and tolerances of the suite.
        rng: all randomness of the attacks.

    Raises:
        DpsynthError: the data was never opened by a fit.

    Privacy: not charged, therefore sealed; a decision that somebody takes after reading it is not covered by epsilon.
    """
    schema, release_id = curator.schema, curator.release_id
    return examine(
        curator,
        lambda rows: attack_rows(
            rows.members,
            rows.controls,
            rows.controls[:0],
            table.codes,
            schema,
            policy,
            release_id=release_id,
            rng=rng,
        ),
    )


def attack_rows(
    members: NDArray[np.int32],
    controls: NDArray[np.int32],
    reference: NDArray[np.int32],
    synthetic: NDArray[np.int32],
    schema: Schema,
    policy: Policy,
    *,
    release_id: str,
    rng: np.random.Generator,
    groups: Sequence[PeopleGroup] = (),
    quasi_identifiers: Sequence[Sequence[str]] = (),
    secrets: Sequence[str] = (),
) -> AuditReport:
    """Return what the attack suite finds; called behind the door, on codes of shape (rows, columns).

    Args:
        members: rows that were trained on.
        controls: rows of the same population that were not.
        reference: further such rows, or none.
        synthetic: the table that is attacked.
        schema: of all four, with the groups and quasi-identifiers that it declares.
        policy: significance and tolerances of the suite.
        release_id: what the report is about.
        rng: all randomness of the attacks.
        groups: further people to be looked at on their own.
        quasi_identifiers: further groups of columns, by name, in which others may know people.
        secrets: columns, by name, whose guesses a PASS excludes; every column if none is named.

    Privacy: an exact function of real rows; the caller seals it. What goes wrong does too, so nothing but an interrupt
    is raised.
    """
    attacked = np.arange(len(members))
    if len(members) > _MOST_TARGETS:
        attacked = np.sort(rng.choice(len(members), size=_MOST_TARGETS, replace=False))
    people = [*schema.groups, *groups]
    failed: list[FailedAttack] = []
    findings, planted = SuiteFindings(results=()), NOT_TRIED
    try:
        findings = attack_release(
            Records.from_codes(members[attacked], schema),
            Records.from_codes(controls, schema),
            Records.from_codes(synthetic, schema),
            Records.from_codes(reference, schema),
            rng=rng,
            names=[column.name for column in schema.columns],
            groups=[DeclaredGroup.of_people(group, schema.columns) for group in people],
            tolerances=policy.tolerances,
            quasi_identifiers=[*schema.quasi_identifiers, *quasi_identifiers],
            secrets=secrets,
            confidence=policy.confidence,
        )
    except Exception as fault:  # noqa: BLE001 - which it is, and what it says, may depend on rows
        failed.append(FailedAttack.of("the whole suite", fault))
    try:
        # How many suites these are depends on rows.
        with shown_steps("negative controls", 1):
            planted = controls_among_people(members, controls, reference, schema, rng=rng)
    except Exception as fault:  # noqa: BLE001 - as above
        failed.append(FailedAttack.of("negative controls", fault))
    # Positions among the rows that were attacked become positions among the training rows.
    exposed = replace(findings.exposed, rows=tuple(int(attacked[row]) for row in findings.exposed.rows))
    return AuditReport(
        release_id=release_id,
        policy=policy.name,
        findings=replace(findings, exposed=exposed, failed=(*findings.failed, *failed)),
        columns=_column_findings(members, schema),
        members=len(members),
        controls=len(controls),
        negative_controls=planted,
    )


def write_internal_report(
    folder: Path,
    findings: Confidential[AuditReport],
    *,
    release_folder: Path,
    render: Callable[[Mapping[str, JsonValue]], str],
) -> Path:
    """Open the findings and write them, as JSON and as the page that `render` makes of it, to a private folder.

    Args:
        folder: the internal audit folder; made with mode 0700, must not exist.
        findings: sealed.
        release_folder: where the release is or will be; the internal folder may not be inside.
        render: turns the JSON into HTML.

    Returns:
        `folder`.

    Raises:
        BundleError: the folder exists, is inside the release, or cannot be written.

    Privacy: nothing is charged, so nothing of this may be shared; every file is stamped with that.
    """
    check_internal_folder(folder, release_folder=release_folder)
    open_into(folder, findings, render=render)
    return folder


def open_into(folder: Path, findings: Confidential[F], *, render: Callable[[Mapping[str, JsonValue]], str]) -> F:
    """Open findings, write them as JSON and as a page to the new folder `folder`, and return them.

    Raises:
        BundleError: the folder cannot be written.

    Privacy: nothing is charged; the caller is `certification`, and shows what is returned to the operator at most.
    """
    opened = reveal(findings)
    text, page = _written(opened, render)
    try:
        folder.mkdir(mode=0o700, parents=True)
        folder.chmod(0o700)
        _write_private(folder / JSON_FILE, text)
        _write_private(folder / HTML_FILE, page)
    except OSError as fault:
        raise BundleError(f"the internal audit cannot be written to {folder}: {fault.strerror}") from fault
    return opened


def _written(findings: Findings, render: Callable[[Mapping[str, JsonValue]], str]) -> tuple[str, str]:
    """Return the findings as JSON and as a page; where either fails, which may depend on rows, that it failed."""
    try:
        content = findings.to_json()
        return json.dumps(content, indent=2, allow_nan=False) + "\n", render(content)
    except Exception as fault:  # noqa: BLE001 - which it is, and what it says, may depend on rows
        error = type(fault).__name__
        said = {"stamp": STAMP, "verdict": Verdict.INCONCLUSIVE.value, "failed": [{"attack": "report", "error": error}]}
        words = f"<!doctype html><title>{STAMP}</title><h1>INCONCLUSIVE</h1><p>The report failed ({error}). {STAMP}"
        return json.dumps(said, indent=2) + "\n", words + "</p>\n"


def check_internal_folder(folder: Path, *, release_folder: Path | None) -> None:
    """Refuse an internal folder that exists or would travel with the release; call it before anything is spent.

    Raises:
        BundleError: saying what to choose instead.
    """
    if release_folder is not None and folder.resolve().is_relative_to(release_folder.resolve()):
        raise BundleError(
            f"the internal audit must not be written inside the release folder {release_folder}: it is not covered by "
            "epsilon and would travel with it. Choose a folder of its own."
        )
    if folder.exists() or folder.is_symlink():
        raise BundleError(f"{folder} exists already; an internal audit is never written over. Choose another folder.")


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _column_findings(members: NDArray[np.int32], schema: Schema) -> tuple[ColumnFinding, ...]:
    def share(place: int, code: int | None) -> float:
        return 0.0 if code is None or not len(members) else float((members[:, place] == code).mean())

    return tuple(
        ColumnFinding(column.name, share(place, column.missing_code), share(place, column.outside_code))
        for place, column in enumerate(schema.columns)
    )
