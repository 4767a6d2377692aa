"""Whether a release was bound before its training, and whether what an auditor was given is what it was bound to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dpsynth.accounting.events import JsonValue
from dpsynth.certification.commitment import bound_entries
from dpsynth.certification.document import CertificateDocument


def problem_of_commitment(document: CertificateDocument, lines: Sequence[Mapping[str, JsonValue]]) -> str | None:
    """Return why ledger and certificate do not show that the release was bound before its training; None if they do.

    A certificate of before there were commitments names none, and its ledger holds none.
    """
    stated = document.commitment
    bound = bound_entries(lines, document.scope.release_id)
    if stated is None and document.validity is not None:
        return "it names no commitment, and every certificate of this form does"
    if stated is None:
        return "the ledger holds a commitment of this release, and the certificate names none" if bound else None
    if not bound:
        return "the certificate names a commitment, and the ledger holds none of this release"
    if len(bound) > 1:
        return f"the ledger holds {len(bound)} commitments of this release, so one could be picked afterwards"
    if bound[0].digest != stated.sha256:
        return "the certificate names another commitment than the ledger holds"
    if bound[0].index != stated.entry:
        return f"the commitment is entry {bound[0].index} of the ledger, not {stated.entry} as the certificate says"
    if not bound[0].in_time:
        return f"the commitment, entry {stated.entry}, stands behind the charge, so it binds nothing"
    return None
