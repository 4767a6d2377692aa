"""The private key that a command is given; it must be there, because a new key would vouch for nobody."""

from __future__ import annotations

from pathlib import Path

from dpsynth.errors import InvalidInput
from dpsynth.ledger import SigningKey, load_or_create_key


def signing_key(path: Path) -> SigningKey:
    """Return the private key in `path`.

    Raises:
        InvalidInput: there is no such file.
        BundleError: it holds something else, or can be read by other users.
    """
    if not path.is_file():
        raise InvalidInput(f"there is no key {path}. Make one: dpsynth keys new --out {path}")
    return load_or_create_key(path)
