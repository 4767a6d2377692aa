"""Key files that a command is given; one that is named must be there, because a new key would vouch for nobody."""

from __future__ import annotations

from pathlib import Path

from dpsynth.errors import BundleError, InvalidInput
from dpsynth.ledger import SigningKey, load_or_create_key
from dpsynth.ledger.keys import public_hex_of


def signing_key(path: Path) -> SigningKey:
    """Return the private key in `path`.

    Raises:
        InvalidInput: there is no such file.
        BundleError: it holds something else, or can be read by other users.
    """
    if not path.is_file():
        raise InvalidInput(f"there is no key {path}. Make one: openssl genpkey -algorithm ed25519 -out {path}")
    return load_or_create_key(path)


def public_key(path: Path) -> bytes:
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
