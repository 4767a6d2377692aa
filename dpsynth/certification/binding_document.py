"""Sections of the certificate about what was fixed beforehand."""

from __future__ import annotations

from dpsynth.certification.document_fields import Count, Section, Sha256


class CommitmentSection(Section):
    """What binds seed, coins, planted rows, threshold and options to values that were chosen before a row was read."""

    sha256: Sha256
    """Digest of them under a secret salt; an auditor who is given both computes it again."""
    entry: Count
    """Index of the ledger entry that holds it, before the first reservation of this release."""
