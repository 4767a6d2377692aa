"""Sections of the certificate about what was fixed beforehand, what computed it, and how long it stands."""

from __future__ import annotations

from dpsynth.certification.document_fields import Count, Instant, Section, Sha256


class CommitmentSection(Section):
    """What binds seed, coins, planted rows, threshold and options to values that were chosen before a row was read."""

    sha256: Sha256
    """Digest of them under a secret salt; an auditor who is given both computes it again."""
    entry: Count
    """Index of the ledger entry that holds it, before the first reservation of this release."""


class ValiditySection(Section):
    """How long the certificate stands. The promise to people does not age; what was tested and known does."""

    until: Instant
    """From then on nobody should rely on it without asking for a newer one, UTC."""
    days: Count
    """For how long a certificate of this policy stands."""
    reason: str
    """Why no longer."""
    attack_suite_sha256: Sha256
    """Digest of the source code of the attacks at hand when it was issued; with other attacks it would say more."""


class PackageSection(Section):
    """One installed package."""

    name: str
    """Its name in lower case."""
    version: str
    """Its version."""
    files_sha256: Sha256 | None
    """Digest of names and digests of its files, as its installer recorded them; null where it recorded none."""


class DependenciesSection(Section):
    """Packages that computed the release, apart from the interpreter and the software itself."""

    sha256: Sha256
    """Digest of the list below, in canonical JSON."""
    packages: tuple[PackageSection, ...]
    """Every installed package that the software needs, directly or through others, by name."""
