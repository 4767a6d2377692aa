"""Ledgers as somebody would forge them who may write the file: any statements, in a chain that fits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from dpsynth.certification.signing import SigningKey
from dpsynth.ledger import LedgerEntry
from dpsynth.ledger.chain import EMPTY_HEAD
from dpsynth.ledger.entry import entry_after
from dpsynth.ledger.statement import Statement
from dpsynth.oversight.json_lines import json_lines

_SAID = tuple(field.name for field in fields(Statement))


def chained(entries: Iterable[LedgerEntry]) -> list[LedgerEntry]:
    """Return the same statements in a new chain whose digests all fit."""
    head, made = EMPTY_HEAD, []
    for entry in entries:
        said = Statement(**{name: getattr(entry, name) for name in _SAID})
        made.append(entry_after(head, said))
        head = made[-1].head
    return made


def rewritten(entries: Sequence[LedgerEntry], index: int, **changes: Any) -> list[LedgerEntry]:
    """Return a ledger in which the entry at `index` says something else, in a new chain whose digests all fit."""
    return chained(replace(entry, **changes) if entry.index == index else entry for entry in entries)


def write(path: Path, entries: Iterable[LedgerEntry], *, key: SigningKey | None = None) -> Path:
    path.write_text("".join(f"{line}\n" for line in json_lines(entries, key=key)), encoding="utf-8")
    return path


def edit(path: Path, change: Callable[[list[dict[str, Any]]], object]) -> Path:
    """Let `change` edit the lines of a file, as JSON objects, in place."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    change(lines)
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path
