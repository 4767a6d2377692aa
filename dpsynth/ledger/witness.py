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
from collections.abc import Iterable
from pathlib import Path

from dpsynth.errors import LedgerUnavailable
from dpsynth.ledger.chain import Head

_LINE = re.compile("^([1-9][0-9]{0,15}) ([0-9a-f]{64})$", re.MULTILINE)


def witness_beside(ledger: Path) -> Path:
    """Return where the heads of the file `ledger` are witnessed."""
    return ledger.with_name(f"{ledger.name}.heads")


class WitnessedHeads:
    """What a witness said at one moment; a line torn by a crash is passed over."""

    __slots__ = ("_lines",)

    def __init__(self, text: str) -> None:
        """Take the text of the witness, a line for each head."""
        self._lines = frozenset(text.split("\n"))

    def __contains__(self, head: Head) -> bool:
        """Whether `head` was witnessed."""
        return f"{head.index} {head.digest}" in self._lines

    def besides(self, digests: Iterable[str]) -> frozenset[Head]:
        """Return all heads but those of the entries of `digests`, of which the first is that of entry 1."""
        # As text: nearly all heads are those of entries, and need not be read.
        lines = self._lines.difference([f"{index} {digest}" for index, digest in enumerate(digests, start=1)])
        return frozenset([Head(int(index), digest) for index, digest in _LINE.findall("\n".join(lines))])


class HeadWitness:
    """The heads of one ledger, a line each: index, space, digest."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        """Use `path`, which is made at the first head."""
        self._path = path

    def read(self) -> WitnessedHeads:
        """Return what was witnessed until now.

        Raises:
            LedgerUnavailable: the file is there but cannot be read.
        """
        try:
            return WitnessedHeads(self._path.read_bytes().decode("latin-1"))
        except FileNotFoundError:
            return WitnessedHeads("")
        except OSError as fault:
            raise LedgerUnavailable(f"'{self._path}', the witness of the ledger, cannot be read") from fault

    def heads(self) -> frozenset[Head]:
        """Return all heads that were witnessed.

        Raises:
            LedgerUnavailable: as in `read`.
        """
        return self.read().besides([])

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
