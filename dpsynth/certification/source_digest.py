"""Which code this is, to the byte: evidence about an implementation holds for that implementation and no other."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path


@cache
def source_sha256() -> str:
    """Return the SHA-256 over every module of the package that runs now: its place and its text, in order of places.

    Line endings count as one character, so that a checkout and a wheel of the same version agree.
    """
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py"), key=lambda path: path.relative_to(package).as_posix()):
        text = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{path.relative_to(package).as_posix()}\0{len(text)}\0".encode())
        digest.update(text)
    return digest.hexdigest()
