"""Receipts that the ledger hands out; each names the entry that it stands for by index and digest."""

from __future__ import annotations

from dataclasses import dataclass

from dpsynth.ledger.authorship import current_time


@dataclass(frozen=True, slots=True)
class Reservation:
    """An upper bound is set aside; the rows may not be read yet.

    Attributes:
        dataset: the data set that is charged.
        release_id: the release that asked.
        index: index of the RESERVE entry.
        digest: its digest.
    """

    dataset: str
    release_id: str
    index: int
    digest: str


@dataclass(frozen=True, slots=True)
class OpenToken:
    """The OPEN entry is on disk: from here on the rows may be read, and the reservation counts in full until settled.

    Attributes:
        reservation: what was reserved.
        index: index of the OPEN entry.
        digest: its digest.
        expires: until when rows may be read, UTC; empty for ever.
        steps: up to which the steps of a training were used before, where they are claimed.
        fingerprint: of the rows for which they were; empty where none was.
    """

    reservation: Reservation
    index: int
    digest: str
    expires: str = ""
    steps: int = 0
    fingerprint: str = ""

    @property
    def is_expired(self) -> bool:
        """Whether rows may no longer be read; what is settled now counts in full."""
        return bool(self.expires) and current_time() >= self.expires

    @property
    def dataset(self) -> str:
        """The data set whose rows may be read."""
        return self.reservation.dataset

    @property
    def release_id(self) -> str:
        """The release that may read them."""
        return self.reservation.release_id
