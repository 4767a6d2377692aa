"""Digests of the files that a certificate is about."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from dpsynth.certification import layout
from dpsynth.schema.table import SyntheticTable

_BLOCK = 1 << 20


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def digest_of_table(table: SyntheticTable, table_file: str) -> str:
    """Return the SHA-256 of `table` as it will be written under the name `table_file`.

    The table is written once to a temporary folder, so that a table larger than memory allows twice can be hashed.

    Raises:
        InvalidInput: for a name that a release folder does not have.
    """
    layout.require_table_name(table_file)
    with tempfile.TemporaryDirectory(prefix="dpsynth-") as folder:
        path = Path(folder) / table_file
        table.write(path)
        return digest_of_file(path)
