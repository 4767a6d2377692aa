"""On whose authority rows are asked, and whether the release is in its first life."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Life(Enum):
    """Whether a release may be resumed, and whether it is."""

    ONLY = "only"
    """It is never resumed."""

    FIRST = "first"
    """It may be resumed."""

    LATER = "later"
    """It was interrupted, and is resumed: the training that it had begun is gone on with, and nothing else is asked."""


class Authority(NamedTuple):
    """On whose authority and with what the rows are asked, in the words of the ledger."""

    ticket: str
    legal_basis: str
    configuration: str
