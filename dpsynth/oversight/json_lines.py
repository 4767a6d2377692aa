"""A whole ledger as a file of JSON lines that can be audited without the ledger.

The first line says what the file is and which head it ends at; then comes one line per entry, with its digest and its
content to the letter; the last line, where somebody signed, is a seal: a signature of that head. Content is canonical
JSON whose digests form the chain, so nothing can be changed, moved or left out without a trace, except at the end, and
there the head tells.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dpsynth.accounting.events import JsonValue
from dpsynth.errors import BundleError, InvalidInput
from dpsynth.ledger import Head, Ledger, LedgerEntry
from dpsynth.ledger.authorship import current_software, current_time
from dpsynth.ledger.chain import canonical_json

if TYPE_CHECKING:
    from dpsynth.certification.signing import SigningKey

MARK = "dpsynth ledger"
FORMAT = 1
SEAL_TYPE = "urn:dpsynth:ledger-head:1"


@dataclass(frozen=True, slots=True)
class ExportLine:
    """One line of a file, read but not believed.

    Attributes:
        number: counted from 1.
        content: the JSON value; None where the line is no JSON.
    """

    number: int
    content: object


def json_lines(entries: Iterable[LedgerEntry], *, key: SigningKey | None = None) -> Iterator[str]:
    """Return the lines of an export, without line breaks; with `key`, the last one is a seal.

    Privacy: an entry holds costs, names and words that people wrote about requests, never anything from a row.
    """
    listed = list(entries)
    head = listed[-1].head if listed else Head(0, "")
    yield canonical_json(
        {
            "export": MARK,
            "format": FORMAT,
            "entries": len(listed),
            "head": {"index": head.index, "digest": head.digest},
            "exported": current_time(),
            "software": current_software(),
        }
    )
    for entry in listed:
        yield canonical_json({"index": entry.index, "digest": entry.digest, "content": entry.content()})
    if key is not None:
        yield canonical_json({"seal": json.loads(_seal(head, key))})


def export_json_lines(ledger: Ledger, path: Path, *, key: SigningKey | None = None) -> int:
    """Write the whole ledger to `path`, which must not exist; return the number of entries.

    Raises:
        BundleError: the file exists already or cannot be written.
    """
    return write_lines(path, json_lines(ledger.entries(), key=key)) - (1 if key is None else 2)


def write_lines(path: Path, lines: Iterable[str]) -> int:
    """Write `lines` to `path`, which must not exist, each with a line break; return how many there were.

    Raises:
        BundleError: the file exists already or cannot be written.
    """
    count = 0
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            for line in lines:
                file.write(f"{line}\n")
                count += 1
    except FileExistsError as fault:
        raise BundleError(f"{path} exists already; name a new file") from fault
    except OSError as fault:
        raise BundleError(f"{path} cannot be written: {fault.strerror}") from fault
    return count


def read_lines(path: Path) -> list[ExportLine]:
    """Return the lines of a file; a line that is no JSON is kept as None.

    Raises:
        InvalidInput: the file cannot be read.
    """
    try:
        raw = path.read_bytes()
    except OSError as fault:
        raise InvalidInput(f"{path} cannot be read: {fault.strerror}") from fault
    lines = raw.split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    return [ExportLine(number, _parsed(line)) for number, line in enumerate(lines, start=1)]


def seal_statement(head: Head) -> bytes:
    """Return the canonical in-toto statement that is signed about `head`."""
    digest: JsonValue = {"sha256": head.digest}
    return canonical_json(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "ledger", "digest": digest}],
            "predicateType": SEAL_TYPE,
            "predicate": {"index": head.index, "digest": head.digest},
        }
    ).encode()


def _seal(head: Head, key: SigningKey) -> bytes:
    from dpsynth.certification.signing import sign_envelope

    return sign_envelope(seal_statement(head), key)


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
