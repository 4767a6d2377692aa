"""A keyed fingerprint of the rows that were read, so that an auditor can tell whether two releases read the same.

A plain hash of a table answers whoever guesses the table. This one is HMAC-SHA-256 under a key that is kept outside the
ledger, and it is masked for each reservation: without the key the ledger does not even show whether two releases read
the same rows, or whether a row was added in between. With the key and a table one can test whether it was that table;
with the key alone, which releases read the same. So the key is as confidential as the rows.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import BundleError
from dpsynth.ledger.home import default_home
from dpsynth.ledger.keys import create_secret, read_secret

FINGERPRINT_KEY_FILE = "fingerprint-key"
_BYTES = 32


class KeyedCoins:
    """The same bytes in every life of a release, for choices that look at no value; never for noise."""

    __slots__ = ("_drawn", "_secret")

    def __init__(self, secret: bytes) -> None:
        """Start at the beginning."""
        self._secret = secret
        self._drawn = 0

    @property
    def certifiable(self) -> bool:
        """False: noise that comes again can be taken away."""
        return False

    def random_bytes(self, count: int) -> bytes:
        """Return the next `count` bytes, which are random to whoever has no key."""
        self._drawn += 1
        return hashlib.shake_256(self._secret + self._drawn.to_bytes(8, "big")).digest(count)


@dataclass(frozen=True, slots=True, repr=False)
class FingerprintKey:
    """The secret that fingerprints are made with; it prints nothing of itself."""

    _secret: bytes

    def __repr__(self) -> str:
        """Return a name without the key."""
        return "<FingerprintKey>"

    def of_rows(self, schema_digest: str, codes: NDArray[np.int32], units: NDArray[np.intp] | None) -> bytes:
        """Return the fingerprint of coded rows in their order, not masked yet: private, and 32 bytes.

        Args:
            schema_digest: of the schema that gave the codes, or whatever else says what they mean.
            codes: shape (rows, columns).
            units: number of the unit of each row; None if a row is one.
        """
        digest = hmac.new(self._secret, b"rows\0" + schema_digest.encode(), hashlib.sha256)
        digest.update(repr(codes.shape).encode())
        digest.update(np.ascontiguousarray(codes, dtype="<i4").data)
        if units is not None:
            digest.update(np.ascontiguousarray(units, dtype="<i8").data)
        return digest.digest()

    def masked(self, fingerprint: bytes, reservation_digest: str) -> str:
        """Return `fingerprint` as the ledger keeps it, in hexadecimal: random to whoever has no key."""
        mask = hmac.new(self._secret, b"mask\0" + reservation_digest.encode(), hashlib.sha256).digest()
        return bytes(one ^ other for one, other in zip(fingerprint, mask, strict=True)).hex()

    def coins(self, release_id: str) -> KeyedCoins:
        """Return the coins that decide in every life of a release which units and rows are held back."""
        return KeyedCoins(hmac.new(self._secret, b"coins\0" + release_id.encode(), hashlib.sha256).digest())

    def tag(self, content: bytes) -> str:
        """Return what only this key makes of `content`, so that an edit is found: 64 hexadecimal digits."""
        return hmac.new(self._secret, b"tag\0" + content, hashlib.sha256).hexdigest()

    def unmasked(self, fingerprint: str, reservation_digest: str) -> str:
        """Return what is equal for two settlements exactly where they read the same rows.

        Args:
            fingerprint: of the SETTLE entry.
            reservation_digest: digest of its RESERVE entry.
        """
        return self.masked(bytes.fromhex(fingerprint), reservation_digest)


def load_or_create_fingerprint_key(path: Path | None = None) -> FingerprintKey:
    """Return the key in `path` (default: in the user's own folder), made there on first use with mode 0600.

    Raises:
        BundleError: the file cannot be made, holds something else, or can be read by other users.
    """
    place = default_home() / FINGERPRINT_KEY_FILE if path is None else path
    try:
        if not place.exists():
            create_secret(place, secrets.token_bytes(_BYTES))
        content = read_secret(place)
    except OSError as fault:
        raise BundleError(f"the fingerprint key {place} cannot be read or made: {fault.strerror}") from fault
    if len(content) != _BYTES:
        raise BundleError(f"{place} does not hold a fingerprint key, which is {_BYTES} bytes")
    return FingerprintKey(content)
