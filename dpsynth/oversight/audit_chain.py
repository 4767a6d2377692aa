"""The first part of an audit: lines, order, digests, heads and signatures of an exported ledger.

Nothing is believed before it was compared with something else, and nothing that is wrong ends the reading: every wrong
place gets its own sentence, once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dpsynth.accounting.events import JsonValue
from dpsynth.errors import DpsynthError
from dpsynth.ledger import Head
from dpsynth.ledger.chain import EMPTY_HEAD, canonical_json, chain_digest, content_digest_of, is_digest
from dpsynth.ledger.keys import public_hex_of
from dpsynth.oversight.json_lines import MARK, ExportLine, seal_statement

_FULL = frozenset({"index", "digest", "content"})
_REDACTED = frozenset({"index", "digest", "content_digest"})
_LARGEST_INDEX = 10**15


@dataclass(frozen=True, slots=True)
class FoundEntry:
    """An entry as a file states it.

    Attributes:
        line: where it stands, counted from 1.
        index: the index that it claims.
        digest: the digest that it claims.
        text: what it says, in canonical JSON; empty where the file holds only the digest of that.
        content_digest: computed from `text`, or as the file states it.
    """

    line: int
    index: int
    digest: str
    text: str
    content_digest: str


@dataclass(frozen=True, slots=True)
class KnownHead:
    """A head that is known from elsewhere, and from where, in words."""

    head: Head
    source: str


@dataclass(slots=True)
class FoundChain:
    """A file, sorted into its parts.

    Attributes:
        entries: by the index that they claim; of several with one index the first.
        stated: the head that the first line states; None where there is no such line.
        seal: the envelope in the last line; None where there is none.
        line_problems: what is wrong with single lines and with their order.
    """

    entries: dict[int, FoundEntry] = field(default_factory=dict)
    stated: Head | None = None
    seal: dict[str, JsonValue] | None = None
    line_problems: list[str] = field(default_factory=list)

    @property
    def head(self) -> Head:
        """The last entry."""
        last = max(self.entries, default=0)
        return Head(last, self.entries[last].digest) if last else EMPTY_HEAD

    def in_order(self) -> list[FoundEntry]:
        """Return the entries by index."""
        return [self.entries[index] for index in sorted(self.entries)]


def sorted_lines(lines: Sequence[ExportLine]) -> FoundChain:
    """Return the parts of a file; what is no line of a ledger, or stands in the wrong place, becomes a problem."""
    chain, order = FoundChain(), []
    for line in lines:
        content = line.content
        if isinstance(content, Mapping) and content.get("export") == MARK:
            chain.stated = _head_in(content.get("head"))
            if chain.stated is None:
                chain.line_problems.append(f"line {line.number} does not say at which head the file was to end")
        elif isinstance(content, Mapping) and set(content) == {"seal"}:
            chain.seal = content["seal"] if isinstance(content["seal"], dict) else {}
        elif (entry := _entry(line)) is None:
            chain.line_problems.append(f"line {line.number} is not a line of a ledger")
        else:
            order.append(entry)
            chain.entries.setdefault(entry.index, entry)
    chain.line_problems += _order_problems(order)
    return chain


def chain_problems(chain: FoundChain) -> list[str]:
    """Return every place where a digest does not follow from the content and the entry before it."""
    problems, previous = [], EMPTY_HEAD
    for entry in chain.in_order():
        follows = entry.index == previous.index + 1
        if follows and chain_digest(entry.index, previous.digest, entry.content_digest) != entry.digest:
            problems.append(
                f"entry {entry.index} (line {entry.line}) does not fit its digest: its content was edited, or the "
                "entry before it is another one"
            )
        previous = Head(entry.index, entry.digest)
    return problems


def head_problems(chain: FoundChain, known: Iterable[KnownHead]) -> list[str]:
    """Return where the chain is shorter than, or another one than, the heads that are known from elsewhere."""
    heads = list(known)
    if chain.stated is not None:
        heads.insert(0, KnownHead(chain.stated, "its own first line"))
    problems, last = [], chain.head.index
    for one in heads:
        index, digest = one.head
        if index > last:
            problems.append(
                f"entries are missing from the end: the file ends at entry {last}, but entry {index} is known from "
                f"{one.source}"
            )
        elif index and index in chain.entries and chain.entries[index].digest != digest:
            problems.append(
                f"entry {index} is known with another digest from {one.source}: the ledger was rewritten there or "
                "before"
            )
    return problems


def seal_problems(chain: FoundChain, public_pem: bytes | None, signers: Collection[str]) -> list[str]:
    """Return what is wrong with the seal of the head; where a public key is given, it has to have signed something.

    `signers` are the public keys, in hexadecimal, of the heads that were signed inside the ledger.
    """
    if chain.seal is None and public_pem is not None and signers:
        if public_hex_of(public_pem) in signers:
            return []
        return ["the ledger is signed, but not by the given key, so nobody whom you trust vouches for it"]
    if chain.seal is None:
        return (
            []
            if public_pem is None
            else ["the file is not signed: nobody vouches for any of its heads, so its end proves nothing"]
        )
    from dpsynth.certification.signing import open_envelope

    try:
        envelope = open_envelope(canonical_json(chain.seal).encode())
        head = _head_in(json.loads(envelope.payload)["predicate"])
        if head is None or envelope.payload != seal_statement(head):
            return ["the seal is not a statement about the head of a ledger"]
        if public_pem is not None and not envelope.is_signed_by(public_pem):
            return ["the signature of the seal is wrong: it was not made by the given key over what the seal says"]
    except (ValueError, KeyError, TypeError, DpsynthError):
        return ["the seal cannot be read as a signature"]
    if head != chain.head:
        return [
            f"the seal is about another ledger: it signs entry {head.index}, digest {head.digest[:16]}, but the file "
            f"ends at entry {chain.head.index}, digest {chain.head.digest[:16]}"
        ]
    return []


def signer_of(chain: FoundChain) -> str:
    """Return the key id that the seal names, or nothing."""
    from dpsynth.certification.signing import open_envelope

    try:
        return "" if chain.seal is None else open_envelope(canonical_json(chain.seal).encode()).key_id
    except DpsynthError:
        return ""


def _entry(line: ExportLine) -> FoundEntry | None:
    content = line.content
    if not isinstance(content, Mapping) or frozenset(content) not in {_FULL, _REDACTED}:
        return None
    index, digest, said = content["index"], content["digest"], content.get("content")
    if isinstance(index, bool) or not isinstance(index, int) or not 0 < index < _LARGEST_INDEX or not is_digest(digest):
        return None
    if "content" not in content:
        if not is_digest(content["content_digest"]):
            return None
        return FoundEntry(line.number, index, str(digest), "", str(content["content_digest"]))
    if not isinstance(said, dict):
        return None
    try:
        text = canonical_json(said)
    except (DpsynthError, RecursionError):
        return None
    return FoundEntry(line.number, index, str(digest), text, content_digest_of(text))


def _head_in(said: object) -> Head | None:
    if not isinstance(said, Mapping):
        return None
    index, digest = said.get("index"), said.get("digest")
    if isinstance(index, bool) or not isinstance(index, int) or index < 0:
        return None
    return Head(index, str(digest)) if is_digest(digest) or index == 0 else None


def _order_problems(order: Sequence[FoundEntry]) -> list[str]:
    problems, counts = [], Counter(entry.index for entry in order)
    problems += [f"entry {index} stands in the file {count} times" for index, count in counts.items() if count > 1]
    last = max(counts, default=0)
    missing = [index for index in range(1, last + 1) if index not in counts] if last < 2 * len(order) + 1000 else []
    problems += [f"entry {index} is missing from the middle of the file" for index in missing[:20]]
    if len(missing) > 20 or (last and not missing and len(counts) < last):
        problems.append(f"{last - len(counts):,} entries are missing from the middle of the file")
    if not problems:
        moved = [(entry, place) for place, entry in enumerate(order, start=1) if entry.index != place]
        problems += [
            f"line {entry.line} holds entry {entry.index} where entry {place} belongs: entries were swapped"
            for entry, place in moved[:20]
        ]
    return problems
