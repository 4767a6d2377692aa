"""The last step of a release, and of one that a person decides to let go after it was refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dpsynth.certification.artefacts import digest_of_file
from dpsynth.certification.bundle import check_destination, write_bundle
from dpsynth.certification.certificate import Certificate, Override
from dpsynth.certification.facts import EXPORTED
from dpsynth.certification.layout import CHECKSUMS
from dpsynth.certification.remembered_heads import remember_head
from dpsynth.certification.signing import load_or_create_key
from dpsynth.certification.withheld import WithheldRelease, read_withheld
from dpsynth.errors import BundleError
from dpsynth.ledger import EntryKind, Ledger
from dpsynth.progress import phase
from dpsynth.report import render_report


@dataclass(frozen=True, slots=True)
class Release:
    """A release that has left.

    Attributes:
        folder: the release folder.
        internal_folder: findings about real rows; never to be shared.
        certificate: what is said about it.
        rows: number of synthetic rows.
    """

    folder: Path
    internal_folder: Path
    certificate: Certificate
    rows: int


def export(
    made: WithheldRelease, certificate: Certificate, *, out: Path, internal_folder: Path, ledger: Ledger
) -> Release:
    """Write the release folder, note its digest in the ledger, sign the ledger, and remember the certificate's head.

    Raises:
        BundleError: the certificate does not allow it, the parts do not belong together, or the disk refuses.
    """
    schema, key = made.table.schema, load_or_create_key()
    with phase("write the release", 1):
        write_bundle(
            out,
            table=made.table,
            certificate=certificate,
            schema=schema,
            ledger_extract=made.ledger_extract,
            report_html=render_report(certificate.to_json()),
            key=key,
        )
    # After the folder has its name, so that the ledger never speaks of a folder that does not exist.
    release_id = certificate.document.scope.release_id
    ledger.note(schema.dataset, EXPORTED, release_id=release_id, artefact=digest_of_file(out / CHECKSUMS))
    ledger.sign_head(key)
    remember_head(made.ledger_extract, release_id)
    return Release(out, internal_folder, certificate, made.table.rows)


def export_withheld(internal_folder: str | Path, override: Override, *, out: str | Path, ledger: Ledger) -> Release:
    """Export a refused release because a named person decides so; nothing is trained or charged again.

    Raises:
        BundleError: there is no withheld release, this ledger does not hold it as it is, it was exported before, or
            `out` cannot be written.

    Privacy: post-processing of what was charged before. The decision is outside the claim; the certificate shows it.
    """
    folder, internal = Path(out), Path(internal_folder)
    made = read_withheld(internal / "withheld")
    _require_held(made, ledger)
    check_destination(folder, made.certificate.document.artefacts.table_file, rows=made.table.rows)
    return export(made, made.overridden(override), out=folder, internal_folder=internal, ledger=ledger)


def _require_held(made: WithheldRelease, ledger: Ledger) -> None:
    """Refuse what the ledger does not know as withheld, and what has left already."""
    release_id = made.certificate.document.scope.release_id
    notes = {
        entry.purpose
        for entry in ledger.entries(made.table.schema.dataset)
        if entry.kind is EntryKind.NOTE and entry.release_id == release_id
    }
    if not made.notes & notes:
        raise BundleError(
            "this ledger does not hold the withheld release in this form: name the ledger that was charged for it. If "
            "its files were edited, it is lost."
        )
    if EXPORTED in notes:
        raise BundleError("this release was exported before; copy that release folder instead")
