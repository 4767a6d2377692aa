"""Signatures of heads: a key that is kept elsewhere vouches for an entry, and so for all entries before it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dpsynth.ledger.chain import Head, canonical_json
from dpsynth.ledger.entry import LedgerEntry
from dpsynth.ledger.keys import SigningKey, is_signed
from dpsynth.ledger.statement import EntryKind, Signature, Statement

_TYPE = "dpsynth ledger head 1"


class SignedHead(NamedTuple):
    """A head and the public key, in hexadecimal, that vouches for it."""

    head: Head
    key: str


def head_message(head: Head) -> bytes:
    """Return what is signed for `head`: canonical JSON of its type, index and digest."""
    return canonical_json({"type": _TYPE, "index": head.index, "digest": head.digest}).encode()


def signature_of_head(head: Head, key: SigningKey) -> Statement:
    """Return the SIGN entry that vouches for `head`, and that must follow it."""
    signature = Signature(key.public_hex, key.sign(head_message(head)).hex())
    return Statement(kind=EntryKind.SIGN, dataset="", signatures=(signature,))


def refusal_of_signature(head: Head, entry: Statement) -> str | None:
    """Return why `entry` does not vouch for `head`, the entry before it, in words; None where it does."""
    if len(entry.signatures) != 1 or entry.dataset or entry.charges or entry.budget is not None or entry.reservation:
        return "a signature of a head holds one signature and nothing else"
    (signature,) = entry.signatures
    if not is_signed(head_message(head), key=signature.key, signature=signature.value):
        return f"the signature of the key {signature.key[:16]} is not one under the entry before it"
    return None


def signed_heads_in(entries: Iterable[LedgerEntry]) -> tuple[SignedHead, ...]:
    """Return the heads that were signed, oldest first."""
    return tuple(
        SignedHead(Head(entry.index - 1, entry.previous_digest), entry.signatures[0].key)
        for entry in entries
        if entry.kind is EntryKind.SIGN
    )


def assurance_in_words(signed: Iterable[SignedHead], last: int) -> str:
    """Return how far a ledger of `last` entries is protected by signatures."""
    newest = max(signed, default=None, key=lambda one: one.head.index)
    if newest is None:
        return (
            "tamper-evident against casual edits only: no head is signed, so whoever may write all files can rewrite "
            "them. Sign heads with a key that is kept elsewhere"
        )
    after = last - newest.head.index - 1
    return (
        f"signed up to entry {newest.head.index} by the key {newest.key[:16]}; {after} later entries are "
        "tamper-evident against casual edits only"
    )
