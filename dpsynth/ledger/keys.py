"""Keys of people and machines, outside the ledger: Ed25519 keys that sign, and the files that secrets are kept in.

A private key never leaves its file; a file that other users could read is refused.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dpsynth.errors import BundleError
from dpsynth.ledger.home import default_home

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_FILE = "signing-key.pem"


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """A private key in memory; prints as its key id only."""

    _private: Ed25519PrivateKey

    def __repr__(self) -> str:
        """Return the key id, never the key."""
        return f"<SigningKey {self.key_id[:16]}>"

    @property
    def public_pem(self) -> bytes:
        """The public key as PEM, to be given to whoever verifies."""
        return _public_pem(self._private.public_key())

    @property
    def public_hex(self) -> str:
        """The 32 bytes of the public key in hexadecimal, as the ledger writes them."""
        return self._private.public_key().public_bytes_raw().hex()

    @property
    def key_id(self) -> str:
        """SHA-256 of the 32 bytes of the public key, in hexadecimal."""
        return key_id(self._private.public_key())

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the Ed25519 signature of `message`."""
        return self._private.sign(message)


def load_or_create_key(path: Path | None = None) -> SigningKey:
    """Return the signing key in `path` (default: in `default_home()`), made there on first use with mode 0600.

    Raises:
        BundleError: the file cannot be made, holds something else, or can be read by other users.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    place = default_home() / KEY_FILE if path is None else path
    try:
        if not place.exists():
            create_secret(place, _new_key())
        key = load_pem_private_key(read_secret(place), password=None)
    except OSError as fault:
        raise BundleError(f"the signing key {place} cannot be read or made: {fault.strerror}") from fault
    except (ValueError, TypeError) as fault:
        raise BundleError(f"{place} does not hold an unencrypted private key in PEM form") from fault
    if not isinstance(key, Ed25519PrivateKey):
        raise BundleError(f"{place} holds a private key of another kind; an Ed25519 key is needed")
    return SigningKey(key)


def create_secret(place: Path, content: bytes) -> None:
    """Write `content` beside `place`, then link it there: two processes at once end with one and the same secret.

    Raises:
        OSError: it cannot be written.
    """
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = place.with_name(f".{place.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            place.hardlink_to(draft)
        except FileExistsError:
            return
    finally:
        draft.unlink(missing_ok=True)


def read_secret(place: Path) -> bytes:
    """Return what `place` holds.

    Raises:
        OSError: it cannot be read.
        BundleError: other users can read it.
    """
    if place.stat().st_mode & 0o077:
        raise BundleError(f"the key {place} can be read by other users; run: chmod 600 {place}")
    return place.read_bytes()


def public_hex_of(public_pem: bytes) -> str:
    """Return the 32 bytes of a public key in PEM form, in hexadecimal.

    Raises:
        BundleError: when it is not an Ed25519 public key.
    """
    return load_public(public_pem).public_bytes_raw().hex()


def is_signed(message: bytes, *, key: str, signature: str) -> bool:
    """Return whether `signature` is that of `key` under `message`; key and signature are hexadecimal."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), message)
    except (ValueError, InvalidSignature):
        return False
    return True


def _new_key() -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_id_of(public_pem: bytes) -> str:
    """Return the key id of a public key in PEM form.

    Raises:
        BundleError: when it is not an Ed25519 public key.
    """
    return key_id(load_public(public_pem))


def load_public(public_pem: bytes) -> Ed25519PublicKey:
    """Return a public key in PEM form.

    Raises:
        BundleError: when it is not an Ed25519 public key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(public_pem)
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise BundleError("the public key is not in PEM form") from fault
    if not isinstance(key, Ed25519PublicKey):
        raise BundleError("the public key is of another kind; an Ed25519 key is needed")
    return key


def _public_pem(key: Ed25519PublicKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key_id(key: Ed25519PublicKey) -> str:
    """Return the SHA-256 of the 32 bytes of a public key, in hexadecimal."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()
