"""The part of a ledger that travels with a release, and the check of it without the ledger.

The extract is one line per entry of the whole chain. Entries of the release, and the terms of the populations that it
charges, are there in full; of every other entry only the digest of its content is, which says nothing about it but lets
the whole chain be recomputed from the first entry to the head.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dpsynth.accounting.events import ComposedDpEvent, DpEvent, JsonValue
from dpsynth.errors import DpsynthError, LedgerCorrupted, LedgerError
from dpsynth.ledger.books import TERMS, Books
from dpsynth.ledger.chain import (
    EMPTY_HEAD,
    Head,
    StoredEntry,
    canonical_json,
    chain_digest,
    content_digest_of,
    is_digest,
)
from dpsynth.ledger.entry import LedgerEntry, read_entry
from dpsynth.ledger.reservation_record import ReservationState
from dpsynth.ledger.statement import BudgetPolicy, EntryKind

_FULL = frozenset({"index", "digest", "content"})
_REDACTED = frozenset({"index", "digest", "content_digest"})


@dataclass(frozen=True, slots=True)
class PlannedRelease:
    """What a locked plan holds for one release.

    Attributes:
        event: everything at the positions that the release took, used or not.
        plans: digests of the PLAN entries that hold it, one per population with such a budget.
    """

    event: DpEvent
    plans: tuple[str, ...]


def extract_of(
    entries: Sequence[LedgerEntry], release_id: str, rows: Sequence[StoredEntry]
) -> list[dict[str, JsonValue]]:
    """Return the extract of `release_id`: one JSON object per entry of the chain, which a store holds as `rows`.

    Raises:
        LedgerError: the ledger knows no such release.
        LedgerCorrupted: a row is not that of its entry.
    """
    datasets = {entry.dataset for entry in entries if entry.release_id == release_id}
    if not release_id or not datasets:
        raise LedgerError(f"the ledger has no entry of release '{release_id}'")
    links = {entry.dataset: entry.populations for entry in entries if entry.kind is EntryKind.LINK}
    populations = {name for dataset in datasets for name in links.get(dataset, (dataset,))}
    return [
        _line(entry, row, full=entry.release_id == release_id or _is_term(entry, datasets, populations))
        for entry, row in zip(entries, rows, strict=True)
    ]


def verify_extract(lines: Sequence[object], *, expected_head: tuple[int, str] | None = None) -> list[str]:
    """Return everything that is wrong with an extract, one sentence each; empty where nothing is.

    Checks the chain from the first entry to the head, the head against `expected_head`, that every full entry is what
    its digest says, and that the release reserved, opened and settled in order and within the budget of its data set.
    What other releases spent is not in the extract; that is what `Ledger.verify` checks.
    """
    problems: list[str] = []
    try:
        head, entries = _read(lines)
    except LedgerCorrupted as fault:
        return [str(fault)]
    if expected_head is not None and tuple(expected_head) != head:
        problems.append(f"the extract ends at entry {head.index}, whose digest is not that of the head it is known by")
    return problems + _problems_of_release(entries)


def planned_release(lines: Sequence[object], release_id: str) -> PlannedRelease | None:
    """Return what a plan that was locked before holds for `release_id`; None where none pays for all of it.

    Every reservation of the release that was not given back has to be on one and the same plan: then all of its
    parameters were fixed before its first answer, and the losses of the planned events bound the whole release.

    Raises:
        LedgerCorrupted: the extract holds a plan, but does not verify, so it proves nothing.

    Source: docs/design/locked_plan.md.
    """
    if not any(_says_plan(line) for line in lines):
        return None
    _, entries = _read(lines)
    problems = _problems_of_release(entries)
    if problems:
        raise LedgerCorrupted(problems[0])
    books, locked = Books(), dict[str, str]()
    reserved: dict[int, tuple[DpEvent, frozenset[str]]] = {}
    for entry in entries:
        books.count(entry)
        if entry.kind is EntryKind.PLAN:
            locked[entry.dataset] = entry.digest
        elif entry.kind is EntryKind.RESERVE and entry.release_id == release_id and entry.event is not None:
            # What a plan admits is one of its events to the letter.
            accounts = books.accounts_of(entry.dataset)
            on = frozenset(locked[account.name] for account in accounts if account.policy is BudgetPolicy.PLAN)
            reserved[entry.index] = entry.event, on
        elif entry.kind is EntryKind.VOID:
            reserved.pop(entry.reservation or 0, None)
    shared = frozenset.intersection(*(on for _, on in reserved.values())) if reserved else frozenset()
    if not shared:
        return None
    events = tuple(event for event, _ in reserved.values())
    return PlannedRelease(events[0] if len(events) == 1 else ComposedDpEvent(events), tuple(sorted(shared)))


def head_of_extract(lines: Sequence[Mapping[str, JsonValue]]) -> Head:
    """Return the head that an extract claims; `verify_extract` says whether it is true."""
    if not lines:
        return EMPTY_HEAD
    return Head(len(lines), str(lines[-1].get("digest")))


def _says_plan(line: object) -> bool:
    content = line.get("content") if isinstance(line, Mapping) else None
    return isinstance(content, Mapping) and content.get("kind") == EntryKind.PLAN


def _read(lines: Sequence[object]) -> tuple[Head, list[LedgerEntry]]:
    """Return the head of a chain and the entries that are there in full.

    Raises:
        LedgerCorrupted: naming the first line that does not follow.
    """
    head, entries = EMPTY_HEAD, list[LedgerEntry]()
    for place, line in enumerate(lines, start=1):
        try:
            head, entry = _follow(head, line)
        except LedgerCorrupted as fault:
            raise LedgerCorrupted(f"line {place}: {fault}") from fault
        if entry is not None:
            entries.append(entry)
    return head, entries


def _is_term(entry: LedgerEntry, datasets: set[str], populations: set[str]) -> bool:
    return (entry.kind in TERMS and entry.dataset in populations) or (
        entry.kind is EntryKind.LINK and entry.dataset in datasets
    )


def _line(entry: LedgerEntry, row: StoredEntry, *, full: bool) -> dict[str, JsonValue]:
    place: dict[str, JsonValue] = {"index": entry.index, "digest": entry.digest}
    if full:
        return {**place, "content": entry.content()}
    # The stored text, because spelling every entry anew takes minutes; the chain says whether it is that of the entry.
    content_digest = content_digest_of(row.content)
    if chain_digest(entry.index, entry.previous_digest, content_digest) != entry.digest:
        raise LedgerCorrupted(f"entry {entry.index} was changed: its digest does not fit its content")
    return {**place, "content_digest": content_digest}


def _follow(head: Head, line: object) -> tuple[Head, LedgerEntry | None]:
    if not isinstance(line, Mapping) or frozenset(line) not in {_FULL, _REDACTED} or not is_digest(line["digest"]):
        raise LedgerCorrupted("is not a line of a ledger extract")
    index = head.index + 1
    if line["index"] != index or isinstance(line["index"], bool):
        raise LedgerCorrupted(f"should hold entry {index}")
    digest = str(line["digest"])
    if "content" in line:
        return Head(index, digest), _full_entry(index, head.digest, digest, line["content"])
    if not is_digest(line["content_digest"]) or chain_digest(index, head.digest, str(line["content_digest"])) != digest:
        raise LedgerCorrupted(f"the digest of entry {index} does not follow from the entry before it")
    return Head(index, digest), None


def _full_entry(index: int, previous_digest: str, digest: str, content: object) -> LedgerEntry:
    if not isinstance(content, dict):
        raise LedgerCorrupted(f"entry {index} has no content")
    try:
        return read_entry(StoredEntry(index, previous_digest, digest, canonical_json(content)))
    except LedgerCorrupted:
        raise
    except DpsynthError as fault:
        raise LedgerCorrupted(f"entry {index} cannot be read") from fault


def _problems_of_release(entries: Iterable[LedgerEntry]) -> list[str]:
    problems: list[str] = []
    books = Books()
    releases: set[str] = set()
    for entry in entries:
        refusal = books.refusal(entry)
        if refusal is not None:
            problems.append(f"entry {entry.index} is not legal: {refusal}")
            continue
        releases |= {entry.release_id} - {""}
        books.count(entry)
        try:
            books.require_kept(entry)
        except LedgerCorrupted as fault:
            problems.append(str(fault))
    problems.extend(
        f"entry {record.entry.index} was opened, but what it cost was never settled"
        for record in books.records()
        if record.state is ReservationState.OPEN
    )
    if len(releases) != 1:
        problems.append(f"an extract speaks about one release; this one speaks about {len(releases)}")
    return problems
