"""The door through which a release leaves: one folder, written as a whole or not at all.

The signature of `write_bundle` is the export policy. It accepts a synthetic table, a certificate that allows export,
the schema, the ledger's extract and the report rendered from that certificate; there is no parameter for anything else.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import rfc8785

from dpsynth.accounting.events import JsonValue
from dpsynth.certification import layout
from dpsynth.certification.artefacts import digest_of_file
from dpsynth.certification.certificate import Certificate
from dpsynth.certification.signing import SigningKey, sign_envelope, statement
from dpsynth.errors import BundleError
from dpsynth.ledger import head_of_extract
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable

_LEAST_ROOM = 8 << 20
"""Bytes for everything but the table."""

_BYTES_PER_CELL = 24
"""A number with all its digits and a delimiter."""


def check_destination(out: Path, table_file: str = layout.TABLES[0], rows: int | None = None, columns: int = 0) -> None:
    """Refuse a release folder that could not be written, before anything is spent.

    Args:
        out: the folder that will be made.
        table_file: name that the table will have in it.
        rows: about how many rows the table will have; None if nobody knows.
        columns: number of its columns.

    Raises:
        InvalidInput: a release has no table of that name.
        BundleError: the folder exists, its parent does not, no folder can be made there, or the disk is nearly full.
    """
    layout.require_table_name(table_file)
    if out.exists() or out.is_symlink():
        raise BundleError(f"{out} exists already; a release is never written over. Choose another folder.")
    if not out.parent.is_dir():
        raise BundleError(f"{out.parent} is not a folder; make it first, or choose another place for the release")
    try:
        Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent)).rmdir()
        free = shutil.disk_usage(out.parent).free
    except OSError as fault:
        raise BundleError(f"no folder can be made in {out.parent}: {fault.strerror}") from fault
    needed = _LEAST_ROOM + _BYTES_PER_CELL * (rows or 0) * columns
    if free < needed:
        raise BundleError(
            f"{out.parent} has room for {free >> 20} MiB, and the release may need {needed >> 20} MiB. Nothing was "
            "spent."
        )


def write_bundle(
    out: Path,
    *,
    table: SyntheticTable,
    certificate: Certificate,
    schema: Schema,
    ledger_extract: Sequence[Mapping[str, JsonValue]],
    report_html: str,
    key: SigningKey,
) -> Path:
    """Write a release folder and return it.

    Everything goes to a hidden folder beside `out`, reaches the disk, and takes its name at the very end, so a release
    folder is complete whenever it exists.

    Args:
        out: the folder, which must not exist.
        table: the judged table that the certificate is about.
        certificate: passed, or overridden by a named person.
        schema: the public schema of the table.
        ledger_extract: the ledger's lines that the certificate is about.
        report_html: rendered from this very certificate.
        key: signs.

    Raises:
        BundleError: the parts do not belong together, `out` exists, or the disk refuses. The release stays paid for;
            calling again with the same arguments and another folder costs nothing.

    Privacy: nothing is charged; every argument is public.
    """
    _require_public(table, certificate, schema)
    _require_belonging(table, certificate, schema, ledger_extract, report_html)
    check_destination(out)
    draft: Path | None = None
    try:
        draft = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        _write_parts(draft, table, certificate, schema, ledger_extract, report_html)
        _require_certified_table(draft, certificate)
        _sign(draft, certificate, key)
        _settle(draft, out)
    except OSError as fault:
        _remove(draft)
        raise BundleError(
            f"the release could not be written to {out}: {fault.strerror or fault}. It is charged in the ledger all "
            "the same, so do not run it again: make room or choose another folder, and write the same release there."
        ) from fault
    except BaseException:
        _remove(draft)
        raise
    return out


def _require_public(table: object, certificate: object, schema: object) -> None:
    """Check at run time what the signature says, because a door must not rest on annotations."""
    expected = ((table, SyntheticTable), (certificate, Certificate), (schema, Schema))
    for part, kind in expected:
        if type(part) is not kind:
            raise BundleError(f"a release folder accepts a {kind.__name__}, not a {type(part).__name__}")


def _require_belonging(
    table: SyntheticTable,
    certificate: Certificate,
    schema: Schema,
    ledger_extract: Sequence[Mapping[str, JsonValue]],
    report_html: str,
) -> None:
    document = certificate.document
    if not certificate.exportable:
        raise BundleError(f"the verdict is {certificate.verdict.value} and nobody overrode it: this may not leave")
    if not schema.digest == table.schema.digest == document.artefacts.schema_sha256:
        raise BundleError("table, schema and certificate do not belong together")
    if tuple(head_of_extract(ledger_extract)) != (document.ledger.head_index, document.ledger.head_digest):
        raise BundleError("the ledger extract is not the one that the certificate was made from")
    if layout.report_mark(hashlib.sha256(certificate.to_json()).hexdigest()) not in report_html:
        raise BundleError("the report was not rendered from this certificate")


def _write_parts(
    draft: Path,
    table: SyntheticTable,
    certificate: Certificate,
    schema: Schema,
    ledger_extract: Sequence[Mapping[str, JsonValue]],
    report_html: str,
) -> None:
    table.write(draft / certificate.document.artefacts.table_file)
    (draft / layout.CERTIFICATE).write_bytes(certificate.to_json())
    (draft / layout.SCHEMA).write_text(schema.to_yaml(), encoding="utf-8")
    (draft / layout.LEDGER).write_bytes(b"".join(rfc8785.dumps(dict(line)) + b"\n" for line in ledger_extract))
    (draft / layout.REPORT).write_text(report_html, encoding="utf-8")


def _require_certified_table(draft: Path, certificate: Certificate) -> None:
    artefacts = certificate.document.artefacts
    if digest_of_file(draft / artefacts.table_file) != artefacts.table_sha256:
        raise BundleError("the certificate is about another table than the one that was to be written")


def _sign(draft: Path, certificate: Certificate, key: SigningKey) -> None:
    signed = {path.name: digest_of_file(path) for path in draft.iterdir()}
    payload = statement(signed, certificate.document.model_dump(mode="json"))
    (draft / layout.ENVELOPE).write_bytes(sign_envelope(payload, key))
    (draft / layout.PUBLIC_KEY).write_bytes(key.public_pem)
    digests = {path.name: digest_of_file(path) for path in draft.iterdir()}
    (draft / layout.CHECKSUMS).write_bytes(layout.checksum_lines(digests))


def _settle(draft: Path, out: Path) -> None:
    """Bring every file and both folders to the disk, then give the folder its name."""
    for path in draft.iterdir():
        path.chmod(0o644)
        _flush(path)
    draft.chmod(0o755)
    _flush(draft)
    if out.exists():
        raise FileExistsError(None, "a folder of that name appeared meanwhile")
    draft.rename(out)
    _flush(out.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(draft: Path | None) -> None:
    if draft is not None:
        shutil.rmtree(draft, ignore_errors=True)
