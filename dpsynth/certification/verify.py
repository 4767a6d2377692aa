"""Checks a release folder offline, with nothing but the folder and, better, the signer's public key.

Each check stands alone and says in one sentence what it found. Nothing in the folder is believed before it was
compared with something else: files with their digests, digests with the signature, the certificate with the ledger
extract, and the claim with the cost that the accountants compute again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import rfc8785

from dpsynth.accounting.agreement import cross_check
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import ComposedDpEvent, JsonValue, event_from_json
from dpsynth.certification import layout
from dpsynth.certification.artefacts import digest_of_file
from dpsynth.certification.canary_numbers import problem_of_canaries
from dpsynth.certification.certificate import Certificate
from dpsynth.certification.checks import CHECK_NAMES, FIRST_CHECK_NAMES
from dpsynth.certification.commitment_checks import problem_of_commitment
from dpsynth.certification.gate_sections import problem_of_audits, problem_of_gates, remark_on_policy
from dpsynth.certification.limits import PUBLISHED_LIMITS
from dpsynth.certification.negative_control import problem_of, repeated
from dpsynth.certification.opening import audit_opening
from dpsynth.certification.policy import Verdict
from dpsynth.certification.power import problem_of_power
from dpsynth.certification.released_table import codes_of_table, problems_of_table
from dpsynth.certification.sections import accountants_section
from dpsynth.certification.signing import key_id_of, open_envelope, statement, subject
from dpsynth.certification.validity_checks import describe_validity, problem_of_dependencies, problem_of_validity
from dpsynth.certification.verification import Verification, VerifiedCheck
from dpsynth.errors import BundleError, DpsynthError, LedgerCorrupted
from dpsynth.ledger import EntryKind, PlannedRelease, planned_release, verify_extract
from dpsynth.schema.schema import Schema

_ROUNDING = 0.001
"""Another machine may compute an epsilon that differs in its last digits."""


def current_time() -> datetime:
    """Return the time by the clock of this machine, UTC."""
    return datetime.now(UTC)


class _Refuted(Exception):
    """A check does not hold; the message is its explanation."""


def verify_release(
    folder: Path,
    *,
    public_key: Path | None = None,
    repeat_controls: bool = False,
    commitment: Path | None = None,
    now: datetime | None = None,
) -> Verification:
    """Return what holds and what does not hold about a release folder.

    Args:
        folder: the release.
        public_key: the signer's public key in PEM form, obtained by another way than the folder. Without it the key
            in the folder is used: that shows that nothing changed since it was signed, but not by whom.
        repeat_controls: attack planted leaks among the rows of the table again, which takes some seconds.
        commitment: the opening of the commitment, or the internal folder that holds it; for auditors.
        now: when the certificate has to stand; the time of this machine if None.

    Raises:
        BundleError: `folder` is not a folder, or `public_key` cannot be read.
    """
    if not folder.is_dir():
        raise BundleError(f"{folder} is not a folder; give the folder that a release was written to")
    try:
        trusted = None if public_key is None else public_key.read_bytes()
    except OSError as fault:
        raise BundleError(f"the public key {public_key} cannot be read: {fault.strerror}") from fault
    release = _Release(folder, trusted, repeat_controls=repeat_controls)
    steps: tuple[tuple[str, Callable[[], str]], ...] = (
        ("files", release.check_files),
        ("signature", release.check_signature),
        ("certificate", release.check_certificate),
        ("verdict", release.check_verdict),
        ("validity", lambda: release.check_validity(current_time() if now is None else now)),
        ("schema", release.check_schema),
        ("table", release.check_table),
        ("negative controls", release.check_negative_controls),
        ("ledger", release.check_ledger),
        ("commitment", release.check_commitment),
        ("charges", release.check_charges),
        ("plan", release.check_plan),
        ("cost", release.check_cost),
        ("report", release.check_report),
    )
    if commitment is not None:
        steps += (("opening", lambda: release.check_opening(commitment)),)
    return Verification(tuple(_run(name, step) for name, step in steps))


def _run(name: str, step: Callable[[], str]) -> VerifiedCheck:
    try:
        return VerifiedCheck(name, True, step())  # noqa: FBT003 - the field's meaning is in its name
    except (_Refuted, DpsynthError) as fault:
        return VerifiedCheck(name, False, str(fault))  # noqa: FBT003
    except OSError as fault:
        return VerifiedCheck(name, False, f"a file cannot be read: {fault.strerror}")  # noqa: FBT003
    except UnicodeDecodeError:
        return VerifiedCheck(name, False, "a file is not text in UTF-8")  # noqa: FBT003


class _Release:
    """A release folder under suspicion; parts are read once, and failing to read them fails whatever needs them."""

    def __init__(self, folder: Path, trusted_key: bytes | None, *, repeat_controls: bool) -> None:
        self._folder = folder
        self._repeat_controls = repeat_controls
        self._trusted_key = trusted_key

    # ------------------------------------------------------------------------------------------------------- parts

    @cached_property
    def _digests(self) -> dict[str, str]:
        return {path.name: digest_of_file(path) for path in sorted(self._folder.iterdir()) if path.is_file()}

    @cached_property
    def _certificate(self) -> Certificate:
        return Certificate.from_json(self._bytes(layout.CERTIFICATE))

    @cached_property
    def _schema(self) -> Schema:
        return Schema.from_text(self._bytes(layout.SCHEMA).decode(), source=layout.SCHEMA)

    @cached_property
    def _ledger_lines(self) -> list[Mapping[str, JsonValue]]:
        lines: list[Mapping[str, JsonValue]] = []
        for raw in self._bytes(layout.LEDGER).splitlines(keepends=True):
            try:
                line = json.loads(raw)
                canonical = rfc8785.dumps(line) + b"\n"
            except (ValueError, RecursionError) as fault:
                raise _Refuted(f"{layout.LEDGER} holds a line that is not JSON") from fault
            if canonical != raw or not isinstance(line, dict):
                raise _Refuted(f"{layout.LEDGER} is not in the canonical form in which it was written")
            lines.append(line)
        return lines

    @cached_property
    def _planned(self) -> PlannedRelease | None:
        """What the plan that the certificate names holds for this release.

        A certificate that names none rests on sums, which are valid whether or not there was a plan.
        """
        document = self._certificate.document
        if not document.ledger.plans:
            return None
        try:
            planned = planned_release(self._ledger_lines, document.scope.release_id)
        except LedgerCorrupted as fault:
            raise _Refuted(f"the extract does not prove the plan that the certificate names: {fault}") from fault
        if planned is None:
            raise _Refuted("the extract holds no plan that pays for this release, but the certificate rests on one")
        if planned.plans != document.ledger.plans:
            raise _Refuted("the extract holds another plan than the certificate names")
        return planned

    def _bytes(self, name: str) -> bytes:
        path = self._folder / name
        if path.is_symlink() or not path.is_file():
            raise _Refuted(f"{name} is missing")
        return path.read_bytes()

    # ------------------------------------------------------------------------------------------------------ checks

    def check_files(self) -> str:
        odd = sorted(path.name for path in self._folder.iterdir() if path.is_symlink() or not path.is_file())
        if odd:
            raise _Refuted(f"a release holds plain files only, but there is: {', '.join(odd)}")
        known = {*layout.SIGNED, *layout.ABOUT_THE_SIGNATURE, *self._table_names()}
        strange = sorted(set(self._digests) - known)
        if strange:
            raise _Refuted(f"these files are no part of this release: {', '.join(strange)}")
        listing = self._bytes(layout.CHECKSUMS)
        present = {name: digest for name, digest in self._digests.items() if name != layout.CHECKSUMS}
        if listing == layout.checksum_lines(present):
            return f"{len(present)} files, each with the SHA-256 that {layout.CHECKSUMS} lists, and no other file"
        raise _Refuted(layout.difference_of_checksums(listing.decode(errors="replace"), present))

    def check_signature(self) -> str:
        envelope = open_envelope(self._bytes(layout.ENVELOPE))
        own_key = self._bytes(layout.PUBLIC_KEY)
        if not envelope.is_signed_by(own_key if self._trusted_key is None else self._trusted_key):
            whose = "the key in the folder" if self._trusted_key is None else "the key that you trust"
            raise _Refuted(f"the signature is not one of {whose}, or what it signs was changed afterwards")
        if key_id_of(own_key) != envelope.key_id:
            raise _Refuted(f"{layout.PUBLIC_KEY} is not the key that signed")
        self._require_statement(envelope.payload)
        if self._trusted_key is None:
            return (
                f"unchanged since it was signed by key {envelope.key_id[:16]}; compare that with the signer's "
                "published key id, or give their public key, to know who signed"
            )
        return f"signed by the key that you trust ({envelope.key_id[:16]})"

    def _require_statement(self, payload: bytes) -> None:
        """Refuse a signature over something else than these files and this certificate."""
        signed = {name: self._digests.get(name, "") for name in (*layout.SIGNED, self._table_file())}
        if statement(signed, self._certificate.document.model_dump(mode="json")) == payload:
            return
        try:
            content = json.loads(payload)
        except (ValueError, RecursionError) as fault:
            raise _Refuted("what was signed is not JSON") from fault
        subjects = content.get("subject", []) if isinstance(content, dict) else []
        changed = sorted(name for name in signed if subject(name, signed[name]) not in subjects)
        if changed:
            raise _Refuted(f"signed was another version of: {', '.join(changed)}")
        raise _Refuted("signed was another certificate than the one in the folder")

    def check_certificate(self) -> str:
        document = self._certificate.document
        if Verdict(document.verdict) is not Verdict.worst(Verdict(check.verdict) for check in document.checks):
            raise _Refuted("its verdict does not follow from its own checks")
        if any(check.passed != (check.verdict == Verdict.PASS.value) for check in document.checks):
            raise _Refuted("one of its checks contradicts itself")
        asked = FIRST_CHECK_NAMES if document.policy_sha256 is None else CHECK_NAMES
        if tuple(check.name for check in document.checks) != asked:
            raise _Refuted("it does not answer exactly the questions that the policy asks")
        agree = (problem_of_gates, problem_of_audits, problem_of_canaries, problem_of_power, problem_of_dependencies)
        for problem_in in agree:
            contradiction = problem_in(document)
            if contradiction is not None:
                raise _Refuted(contradiction)
        about = [bar.columns for bar in document.error_bars.bars]
        strange = {name for columns in about for name in columns} - {*document.scope.columns}
        if strange or len(set(about)) < len(about):
            raise _Refuted("its error bars are not about the columns of the table")
        if document.limits not in PUBLISHED_LIMITS:
            raise _Refuted("its text on what it does not say is not the published one")
        form = f"in the published form, version {document.schema_version}, issued {document.issued_at}"
        return form + remark_on_policy(document)

    def check_verdict(self) -> str:
        document = self._certificate.document
        if not self._certificate.exportable:
            raise _Refuted(f"the verdict is {document.verdict} and nobody overrode it, so this should not have left")
        if document.override is None:
            return "PASS"
        return f"{document.verdict}, exported by decision of {document.override.by}: {document.override.reason}"

    def check_validity(self, now: datetime) -> str:
        problem = problem_of_validity(self._certificate.document, now)
        if problem is not None:
            raise _Refuted(problem)
        return describe_validity(self._certificate.document)

    def check_schema(self) -> str:
        if self._schema.digest != self._certificate.document.artefacts.schema_sha256:
            raise _Refuted(f"{layout.SCHEMA} is not the schema that the certificate names")
        if self._schema.dataset != self._certificate.document.scope.dataset:
            raise _Refuted(f"{layout.SCHEMA} is about another data set than the certificate")
        if self._schema.unit.describe() != self._certificate.document.scope.unit:
            raise _Refuted(f"{layout.SCHEMA} protects another unit than the certificate says")
        return f"the schema that the certificate names, of data set '{self._schema.dataset}'"

    def _table_file(self) -> str:
        name = self._certificate.document.artefacts.table_file
        if name not in layout.TABLES:
            raise _Refuted("the certificate names a table file that a release does not have")
        return name

    def _table_names(self) -> tuple[str, ...]:
        """Return how the table may be called; anyhow if the certificate is unreadable, which is another check."""
        try:
            return (self._table_file(),)
        except (_Refuted, DpsynthError):
            return layout.TABLES

    def check_table(self) -> str:
        document = self._certificate.document
        name = self._table_file()
        if self._digests.get(name) != document.artefacts.table_sha256:
            raise _Refuted(f"{name} is not the table that the certificate is about")
        problems = problems_of_table(self._folder / name, self._schema, document.scope.rows)
        if problems:
            raise _Refuted("; ".join(problems))
        return f"the table that the certificate is about: {document.scope.rows} rows, every cell in its declared domain"

    def check_negative_controls(self) -> str:
        document = self._certificate.document
        section = document.negative_controls
        if section is None:
            return "the certificate says nothing about them"
        problem = problem_of(section, document.scope.rows)
        if problem is not None:
            raise _Refuted(problem)
        if not self._repeat_controls:
            return section.statement
        again = repeated(section, codes_of_table(self._folder / self._table_file(), self._schema), self._schema)
        if again is None:
            return f"{section.statement} Not tried again: the attacks at hand are others than those of the certificate."
        if again != section:
            raise _Refuted("tried again on this machine, the attack suite says something else about planted leaks")
        return f"{section.statement} Tried again, with the same outcome."

    def check_ledger(self) -> str:
        stated = self._certificate.document.ledger
        problems = verify_extract(self._ledger_lines, expected_head=(stated.head_index, stated.head_digest))
        if problems:
            raise _Refuted("; ".join(problems))
        if tuple(line["digest"] for line in self._own_lines()) != stated.entries:
            raise _Refuted("the extract holds other entries of this release than the certificate")
        return f"the chain of {stated.head_index} entries is unbroken and ends where the certificate says"

    def check_commitment(self) -> str:
        stated = self._certificate.document.commitment
        problem = problem_of_commitment(self._certificate.document, self._ledger_lines)
        if problem is not None:
            raise _Refuted(problem)
        if stated is None:
            return "none: this certificate is from before releases were bound to their seed and planted rows"
        return (
            f"entry {stated.entry} of the ledger, before the charge, binds seed and planted rows to values that an "
            "auditor can be shown"
        )

    def check_opening(self, place: Path) -> str:
        return audit_opening(place, self._certificate.document, self._schema)

    def _own_lines(self) -> Iterator[Mapping[str, JsonValue]]:
        release_id = self._certificate.document.scope.release_id
        for line in self._ledger_lines:
            content = line.get("content")
            if isinstance(content, dict) and content.get("release_id") == release_id:
                yield line

    def check_charges(self) -> str:
        settled: list[JsonValue] = []
        for line in self._own_lines():
            content = line["content"]
            if isinstance(content, dict) and content.get("kind") == EntryKind.SETTLE:
                charges = content.get("charges")
                settled += charges if isinstance(charges, list) else []
        stated = [charge.model_dump(mode="json") for charge in self._certificate.document.claim.charges]
        if settled != stated and self._certificate.document.override is None:
            raise _Refuted("the ledger settled other charges than the certificate lists")
        return f"the certificate lists what the ledger settled: {len(stated)} charges"

    def check_plan(self) -> str:
        planned = self._planned
        if planned is None:
            return "the certificate rests on no plan, but on sums that are valid without one"
        places = [line["index"] for line in self._ledger_lines if line["digest"] in planned.plans]
        return f"what was reserved is on the list that entry {' and '.join(map(str, places))} locked before"

    def check_cost(self) -> str:
        document = self._certificate.document
        claim = PrivacyBudget(document.claim.epsilon, document.claim.delta)
        event = ComposedDpEvent(tuple(event_from_json(charge.event) for charge in document.claim.charges))
        planned = self._planned
        agreement = cross_check(event, claim, planned=None if planned is None else planned.event)
        computed = accountants_section(agreement).model_dump()
        # A certificate of before plans does not state what is proven; then it is the sum.
        stated = {"proven": document.accountants.gdp, **document.accountants.model_dump()}
        if any(_differ(computed[method], stated[method]) for method in computed):
            raise _Refuted("the accountants compute another epsilon from the charges than the certificate states")
        what = "the charges cost" if planned is None else "all that the plan holds for this release costs"
        return f"{what} epsilon {agreement.proven_epsilon} at most, within the claimed {claim}"

    def check_report(self) -> str:
        mark = layout.report_mark(hashlib.sha256(self._bytes(layout.CERTIFICATE)).hexdigest())
        if mark not in self._bytes(layout.REPORT).decode():
            raise _Refuted(f"{layout.REPORT} was rendered from another certificate")
        return "rendered from this certificate"


def _differ(computed: str | None, stated: str | None) -> bool:
    if computed is None or stated is None:
        return computed is not stated
    return abs(float(computed) - float(stated)) > _ROUNDING
