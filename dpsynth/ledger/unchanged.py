"""Whether a store holds the very chain that was found legal before: what a view asks that rests on an earlier opening.

Nothing is granted on the answer. Every digest is recomputed, so "yes" means the same entries to the letter; whatever is
not as it was is "no", and the opening that follows says in its own words what has happened.
"""

from __future__ import annotations

from collections.abc import Iterable

from dpsynth.ledger.books import no_search_for_cycles
from dpsynth.ledger.chain import GENESIS, Head, chain_digest, content_digest_of
from dpsynth.ledger.known_heads import KnownHead
from dpsynth.ledger.store import LedgerStore
from dpsynth.ledger.witness import HeadWitness


@no_search_for_cycles()
def is_unchanged(store: LedgerStore, head: Head, known_heads: Iterable[KnownHead] = ()) -> bool:
    """Whether `store` ends at `head`, from the first entry on by recomputed digests, and lacks no entry that is known.

    Known are the heads of its witness, of which `head` is one, and `known_heads`. Whoever asks inspects the store.

    Raises:
        LedgerUnavailable: the store cannot be read.
        LedgerCorrupted: it is damaged.
    """
    # The end first: nearly always it tells.
    end = store.rows(max(head.index, 1))
    if store.witness_path is None or [Head(row.index, row.digest) for row in end] != [head]:
        return False
    digests = [GENESIS]
    for index, before, digest, content in store.rows(1):
        if index != len(digests) or before != digests[-1]:
            return False
        if chain_digest(index, before, content_digest_of(content)) != digest:
            return False
        digests.append(digest)
    if len(digests) != head.index + 1:
        return False
    # A head that is witnessed after the rows were read is one more than there are: no harm, it was not so before.
    witnessed = HeadWitness(store.witness_path).read().besides(digests[1 : head.index])
    known = [one.head for one in known_heads if one.ledger in {"", digests[1]}]
    return witnessed == {head} and all(one.index <= head.index and digests[one.index] == one.digest for one in known)
