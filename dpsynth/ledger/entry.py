"""One entry of the ledger: a statement and its place in the chain.

An entry is stored as canonical JSON and is never re-interpreted. Its digest binds its content to everything before it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from dpsynth.accounting.events import JsonValue
from dpsynth.errors import InvalidInput, LedgerCorrupted
from dpsynth.ledger.chain import (
    Head,
    StoredEntry,
    canonical_json,
    chain_digest,
    content_digest_of,
    is_canonical,
    is_canonical_and_full,
)
from dpsynth.ledger.plain_content import plain_fields
from dpsynth.ledger.statement import Statement
from dpsynth.ledger.statement_reading import said_in

_CONTENT = "_content"
_DECODE = json.JSONDecoder().decode
_STATEMENT_FIELDS = tuple(field.name for field in fields(Statement))


@dataclass(frozen=True, kw_only=True)  # no slots, as of `Statement`
class LedgerEntry(Statement):
    """A statement at its place.

    Attributes:
        index: place in the chain, from 1.
        previous_digest: digest of the entry before, 64 hexadecimal digits.
        digest: digest of this entry.
    """

    index: int
    previous_digest: str
    digest: str

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> str:
            """Return a field that nobody has asked for since the entry was read from its content and checked."""
            content = self.__dict__.get(_CONTENT)
            if content is not None:
                self.__dict__.update(plain_fields(content))
                self.__dict__.pop(_CONTENT, None)  # last: another thread may be here
            return object.__getattribute__(self, name)

    @property
    def head(self) -> Head:
        """The head of a chain that ends here."""
        return Head(self.index, self.digest)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the whole entry as one flat JSON object of the same keys for every entry, for export."""
        return {
            "index": self.index,
            "previous_digest": self.previous_digest,
            "digest": self.digest,
            **self.every_field(),
        }

    def stored(self) -> StoredEntry:
        """Return the entry as a store keeps it."""
        return StoredEntry(self.index, self.previous_digest, self.digest, canonical_json(self.content()))


def entry_after(head: Head, statement: Statement) -> LedgerEntry:
    """Return `statement` as the entry that follows `head`.

    Raises:
        InvalidInput: it holds a number or text that JSON cannot hold exactly.
    """
    return entry_and_row_after(head, statement)[0]


def entry_and_row_after(head: Head, statement: Statement) -> tuple[LedgerEntry, StoredEntry]:
    """Return `statement` as the entry that follows `head`, and as a store keeps it.

    Raises:
        InvalidInput: it holds a number or text that JSON cannot hold exactly.
    """
    content = canonical_json(statement.content())
    row = StoredEntry(
        index := head.index + 1, head.digest, chain_digest(index, head.digest, content_digest_of(content)), content
    )
    said = {name: getattr(statement, name) for name in _STATEMENT_FIELDS}
    return LedgerEntry(index=index, previous_digest=head.digest, digest=row.digest, **said), row


def read_entry(row: StoredEntry, unusual: set[int] | None = None) -> LedgerEntry:
    """Return the entry of a stored row after recomputing its digest.

    Its index goes into `unusual` where reading it has not shown that it is spelled canonically.

    Raises:
        LedgerCorrupted: the digest is another one, or the content is not that of an entry.
    """
    require_digest(row)
    try:
        said = plain_fields(row.content, at_once=True)
        if said is not None:
            said[_CONTENT] = row.content
        else:
            said = said_in(_DECODE(row.content))
            if unusual is not None:
                unusual.add(row.index)
    except (ValueError, InvalidInput, LedgerCorrupted) as fault:
        raise LedgerCorrupted(f"entry {row.index} is not in a format that this version of dpsynth knows") from fault
    said["index"], said["previous_digest"], said["digest"] = row.index, row.previous_digest, row.digest
    # What calling the class would do, without its thirty steps: what is not said is found at the class.
    entry = object.__new__(LedgerEntry)
    object.__setattr__(entry, "__dict__", said)
    return entry


def require_digest(row: StoredEntry) -> None:
    """Recompute the digest of a stored row.

    Raises:
        LedgerCorrupted: it is another one.
    """
    if chain_digest(row.index, row.previous_digest, content_digest_of(row.content)) != row.digest:
        raise LedgerCorrupted(f"entry {row.index} was changed: its digest does not fit its content")


def require_canonical(row: StoredEntry, entry: LedgerEntry) -> None:
    """Compare the spelling of a stored row with the one that `entry`, which it holds, would be given.

    Raises:
        LedgerCorrupted: it is spelled in another way.
    """
    # Where no field is empty and there is no budget, a statement that was read has the very JSON that it was read from,
    # so what is left to ask is how that JSON is spelled; this saves most entries from being put together anew.
    plainly = entry.format != 1 and entry.budget is None and is_canonical_and_full(row.content)
    if not plainly and not is_canonical(row.content, entry.content()):
        raise LedgerCorrupted(f"entry {row.index} is not written in canonical JSON")
