"""The files of a release folder, by name."""

from __future__ import annotations

from collections.abc import Mapping

from dpsynth.errors import InvalidInput

CERTIFICATE = "certificate.json"
ENVELOPE = "certificate.dsse.json"
REPORT = "report.html"
SCHEMA = "schema.yaml"
LEDGER = "ledger.jsonl"
PUBLIC_KEY = "public_key.pem"
CHECKSUMS = "SHA256SUMS"

TABLES = ("synthetic.csv", "synthetic.parquet")
"""The table is one of these; its ending decides the format."""

SIGNED = frozenset({CERTIFICATE, REPORT, SCHEMA, LEDGER})
"""Together with the table: what the signature covers. The other files are about the signature itself."""


def require_table_name(name: str) -> None:
    """Refuse a table name that a release folder does not have.

    Raises:
        InvalidInput: naming those that it may have.
    """
    if name not in TABLES:
        raise InvalidInput(f"the table of a release is called {' or '.join(TABLES)}, not '{name}'")


ABOUT_THE_SIGNATURE = frozenset({ENVELOPE, PUBLIC_KEY, CHECKSUMS})
"""Files that the signature cannot cover."""


def checksum_lines(digests: dict[str, str]) -> bytes:
    """Return the text of the checksum file, which `sha256sum --check` reads, for `digests` by file name."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()


def difference_of_checksums(listing: str, present: Mapping[str, str]) -> str:
    """Return what distinguishes a checksum file from the files that are there."""
    lines = (line.partition("  ") for line in listing.splitlines())
    listed = {name: digest for digest, _, name in lines if name}
    missing = sorted(set(listed) - set(present))
    unlisted = sorted(set(present) - set(listed))
    changed = sorted(name for name in set(listed) & set(present) if listed[name] != present[name])
    parts = [
        f"{what}: {', '.join(names)}"
        for what, names in (("missing", missing), ("not listed", unlisted), ("changed", changed))
        if names
    ]
    return "; ".join(parts) or f"{CHECKSUMS} is not written the way a release writes it"


def report_mark(certificate_sha256: str) -> str:
    """Return the tag by which a report names the certificate that it was rendered from."""
    return f'<meta name="certificate-sha256" content="{certificate_sha256}">'
