"""The witness: a second, append-only file that remembers every head of the chain.

A hash chain sees an edited entry but not a missing end. The witness does: it is written after an entry is on disk and
before the caller hears about it, so a ledger that is shorter than its witness has lost entries that somebody acted upon
(a cut end, an old backup, a deleted -wal file, a ledger started anew). It is evidence against accidents; somebody who
may write both files can change both. The heads inside certificates are out of his reach.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from dpsynth.errors import LedgerUnavailable
from dpsynth.ledger.chain import Head

_LINE = re.compile("^([1-9][0-9]{0,15}) ([0-9a-f]{64})$", re.MULTILINE)


def witness_beside(ledger: Path) -> Path:
    """Return where the heads of the file `ledger` are witnessed."""
    return ledger.with_name(f"{ledger.name}.heads")


class HeadWitness:
    """The heads of one ledger, a line each: index, space, digest."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        """Use `path`, which is made at the first head."""
        self._path = path

    def heads(self) -> frozenset[Head]:
        """Return all heads that were witnessed; a line torn by a crash is passed over.

        Raises:
            LedgerUnavailable: the file is there but cannot be read.
        """
        return _heads_in(self._text())

    def heads_besides(self, digests: Sequence[str]) -> frozenset[Head]:
        """Return all heads but those of the entries of `digests`, each of which stands at its index.

        Raises:
            LedgerUnavailable: as in `heads`.
        """
        lines = {f"{index} {digest}" for index, digest in enumerate(digests)}
        return _heads_in("\n".join(set(self._text().split("\n")) - lines))

    def _text(self) -> str:
        try:
            return self._path.read_bytes().decode("latin-1")
        except FileNotFoundError:
            return ""
        except OSError as fault:
            raise LedgerUnavailable(f"'{self._path}', the witness of the ledger, cannot be read") from fault

    def record(self, head: Head) -> None:
        """Append `head` and wait for the disk.

        A failure is passed over: the entry itself is on disk and counts, and the next head speaks for this one too.
        """
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                # The line starts with the line break, so that a torn line before it stays apart.
                os.write(descriptor, f"\n{head.index} {head.digest}".encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _heads_in(lines: str) -> frozenset[Head]:
    return frozenset([Head(int(index), digest) for index, digest in _LINE.findall(lines)])
