"""Ed25519 signatures over DSSE envelopes, and the one key file that they come from.

The envelope holds an in-toto statement: its subjects are the files of a release, its predicate is the certificate. Any
in-toto tool can read it, and `openssl` can check the signature over the same bytes. The private key never leaves its
file; this module refuses a key file that other users could read.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import rfc8785

from dpsynth.accounting.events import JsonValue
from dpsynth.errors import BundleError
from dpsynth.ledger.home import default_home

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:dpsynth:certificate:1"
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
    def key_id(self) -> str:
        """SHA-256 of the 32 bytes of the public key, in hexadecimal."""
        return _key_id(self._private.public_key())

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
            _create_key(place)
        if place.stat().st_mode & 0o077:
            raise BundleError(f"the signing key {place} can be read by other users; run: chmod 600 {place}")
        key = load_pem_private_key(place.read_bytes(), password=None)
    except OSError as fault:
        raise BundleError(f"the signing key {place} cannot be read or made: {fault.strerror}") from fault
    except (ValueError, TypeError) as fault:
        raise BundleError(f"{place} does not hold an unencrypted private key in PEM form") from fault
    if not isinstance(key, Ed25519PrivateKey):
        raise BundleError(f"{place} holds a private key of another kind; an Ed25519 key is needed")
    return SigningKey(key)


def _create_key(place: Path) -> None:
    """Write a new key beside `place`, then link it there: two processes at once end with one and the same key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    draft = place.with_name(f".{place.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        try:
            place.hardlink_to(draft)
        except FileExistsError:
            return
    finally:
        draft.unlink(missing_ok=True)


def statement(subjects: Mapping[str, str], predicate: JsonValue) -> bytes:
    """Return the canonical in-toto statement that says `predicate` about the files `subjects` (name to SHA-256)."""
    return rfc8785.dumps(
        {
            "_type": STATEMENT_TYPE,
            "subject": [subject(name, subjects[name]) for name in sorted(subjects)],
            "predicateType": PREDICATE_TYPE,
            "predicate": predicate,
        }
    )


def subject(name: str, sha256: str) -> dict[str, JsonValue]:
    """Return how a statement names one file."""
    return {"name": name, "digest": {"sha256": sha256}}


def pre_authentication_encoding(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """Return the bytes that are signed.

    Source: DSSE protocol, version 1.0.0, "PAE".
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_envelope(payload: bytes, key: SigningKey) -> bytes:
    """Return the canonical DSSE envelope of `payload`, with one signature."""
    signature = key.sign(pre_authentication_encoding(payload))
    return _envelope(OpenedEnvelope(payload, key.key_id, signature))


@dataclass(frozen=True, slots=True)
class OpenedEnvelope:
    """What an envelope holds, before or after its signature was believed.

    Attributes:
        payload: the signed bytes.
        key_id: the key that the signature names.
        signature: 64 bytes.
    """

    payload: bytes
    key_id: str
    signature: bytes

    def is_signed_by(self, public_pem: bytes) -> bool:
        """Return whether the signature is one of the key in `public_pem`, and names that key.

        Raises:
            BundleError: when `public_pem` is not an Ed25519 public key in PEM form.
        """
        from cryptography.exceptions import InvalidSignature

        key = _load_public(public_pem)
        if self.key_id != _key_id(key):
            return False
        try:
            key.verify(self.signature, pre_authentication_encoding(self.payload))
        except InvalidSignature:
            return False
        return True


def open_envelope(raw: bytes) -> OpenedEnvelope:
    """Return the content of an envelope written by `sign_envelope`, its signature not yet checked.

    Raises:
        BundleError: for anything that is not the canonical form of such an envelope.
    """
    try:
        content = json.loads(raw)
        (entry,) = content["signatures"]
        opened = OpenedEnvelope(
            payload=base64.b64decode(content["payload"], validate=True),
            key_id=str(entry["keyid"]),
            signature=base64.b64decode(entry["sig"], validate=True),
        )
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError) as fault:
        raise BundleError("the signature file is not a DSSE envelope with one signature") from fault
    if _envelope(opened) != raw:
        raise BundleError("the signature file is not in the canonical form in which it was written")
    return opened


def _envelope(content: OpenedEnvelope) -> bytes:
    return rfc8785.dumps(
        {
            "payload": base64.b64encode(content.payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": content.key_id, "sig": base64.b64encode(content.signature).decode()}],
        }
    )


def key_id_of(public_pem: bytes) -> str:
    """Return the key id of a public key in PEM form.

    Raises:
        BundleError: when it is not an Ed25519 public key.
    """
    return _key_id(_load_public(public_pem))


def _load_public(public_pem: bytes) -> Ed25519PublicKey:
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


def _key_id(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()
