"""Whether a certificate still stands, and whether its list of packages agrees with its digest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dpsynth.certification.dependencies import digest_of_packages
from dpsynth.certification.document import CertificateDocument
from dpsynth.certification.policy_file import PRESETS, load_policy
from dpsynth.certification.source_digest import attack_suite_sha256

_CLOCKS_DIFFER = timedelta(days=1)
"""By how much the signer's clock may be ahead of the reader's."""


def problem_of_validity(document: CertificateDocument, now: datetime) -> str | None:
    """Return why a certificate does not stand at `now`; None if it does, or if it is from before they expired."""
    stated = document.validity
    if stated is None:
        return None
    try:
        issued, until = _moment(document.issued_at), _moment(stated.until)
        agrees = until == issued + timedelta(days=stated.days)
    except (ValueError, OverflowError):
        return "it names a day that there is not"
    if not agrees:
        return f"it ends {stated.until}, and that is not {stated.days} days after it was issued"
    policy = next((one for one in map(load_policy, PRESETS) if one.digest == document.policy_sha256), None)
    if policy is not None and policy.valid_days != stated.days:
        return f"it stands for {stated.days} days, and its policy '{policy.name}' grants {policy.valid_days}"
    if now < issued - _CLOCKS_DIFFER:
        return f"it was issued {document.issued_at}, which is in the future by the clock of this machine"
    if now > until:
        return (
            f"it expired on {stated.until[:10]}: nothing in it has changed, and the promise to people does not age, "
            "but attacks and known faults do; ask the signer for a newer certificate, or give the day to judge it by"
        )
    return None


def describe_validity(document: CertificateDocument) -> str:
    """Return until when a certificate stands, and whether other attacks are known by now."""
    stated = document.validity
    if stated is None:
        return "it does not expire: it is from before certificates did"
    said = f"it stands until {stated.until[:10]}, {stated.days} days from its issue"
    if stated.attack_suite_sha256 == attack_suite_sha256():
        return said
    return f"{said}; the attacks of this version are others than when it was issued, so a new one would say more"


def problem_of_dependencies(document: CertificateDocument) -> str | None:
    """Return whether the digest of packages is not that of the list; None where it is, or where there is none."""
    stated = document.dependencies
    if stated is None or stated.sha256 == digest_of_packages(stated.packages):
        return None
    return "its digest of packages is not that of its list"


def _moment(written: str) -> datetime:
    return datetime.strptime(written, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
