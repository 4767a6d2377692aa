"""Heads of ledgers that certificates name are remembered by whoever issued or verified them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from dpsynth.accounting.events import JsonValue
from dpsynth.ledger import KnownHead, KnownHeads, head_of_extract


def remember_head(ledger_extract: Sequence[Mapping[str, JsonValue]], release_id: str) -> None:
    """Remember where the ledger stood when a release was certified, so that an older copy is not opened again.

    A folder that cannot be written is passed over: the certificate itself still names the head.
    """
    if not ledger_extract:
        return
    head, first = head_of_extract(ledger_extract), str(ledger_extract[0].get("digest"))
    with contextlib.suppress(OSError):
        KnownHeads().record(KnownHead(*head, f"the certificate of release {release_id}", first))
