"""The public key that somebody names, by which heads and exports are checked."""

from __future__ import annotations

from pathlib import Path

from dpsynth.errors import BundleError, InvalidInput
from dpsynth.ledger.keys import public_hex_of


def read_public_key(path: Path) -> bytes:
    """Return the public key in `path`, in PEM form.

    Raises:
        InvalidInput: it cannot be read or is no Ed25519 public key.
    """
    try:
        pem = path.read_bytes()
        public_hex_of(pem)
    except OSError as fault:
        raise InvalidInput(f"the public key {path} cannot be read: {fault.strerror}") from fault
    except BundleError as fault:
        raise InvalidInput(f"{path} does not hold an Ed25519 public key in PEM form") from fault
    return pem
