"""Heads that certificates name: a ledger that lacks one of them has lost entries that somebody relied upon.

They are remembered outside the ledger, for the user and not for the file, so that whoever restores an old copy of the
ledger together with its witness is noticed. A head belongs to one ledger, known by the digest of its first entry.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from dpsynth.ledger.chain import Head
from dpsynth.ledger.home import default_home

KNOWN_HEADS_FILE = "known-heads"

_LINE = re.compile(r"([0-9a-f]{64}) ([1-9][0-9]{0,15}) ([0-9a-f]{64}) (.{1,200})")


class KnownHead(NamedTuple):
    """A head that is known from elsewhere.

    Attributes:
        place: index of the entry.
        digest: its digest.
        source: who names it, such as a certificate.
        ledger: digest of the first entry of the ledger that it belongs to; empty for whatever ledger is opened.
    """

    place: int
    digest: str
    source: str = "a certificate"
    ledger: str = ""

    @property
    def head(self) -> Head:
        """The head by itself."""
        return Head(self.place, self.digest)


class KnownHeads:
    """A file of known heads, one a line; a line torn by a crash is passed over."""

    __slots__ = ("_path",)

    def __init__(self, path: Path | None = None) -> None:
        """Use `path`, by default in the user's own folder; it is made with the first head."""
        self._path = default_home() / KNOWN_HEADS_FILE if path is None else path

    def heads(self) -> tuple[KnownHead, ...]:
        """Return all heads, oldest first.

        Raises:
            OSError: the file is there and cannot be read.
        """
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return ()
        matches = (_LINE.fullmatch(line) for line in lines)
        return tuple(KnownHead(int(match[2]), match[3], match[4], match[1]) for match in matches if match)

    def record(self, known: KnownHead) -> None:
        """Remember `known`, and wait for the disk; what is remembered already changes nothing.

        Raises:
            OSError: it cannot be written.
        """
        if known in self.heads():
            return
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # The line starts with the line break, so that a torn line before it stays apart.
            os.write(descriptor, f"\n{known.ledger} {known.place} {known.digest} {known.source}".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
