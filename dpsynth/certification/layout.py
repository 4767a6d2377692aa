"""The files of a release folder, by name."""

from __future__ import annotations

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


def report_mark(certificate_sha256: str) -> str:
    """Return the tag by which a report names the certificate that it was rendered from."""
    return f'<meta name="certificate-sha256" content="{certificate_sha256}">'
