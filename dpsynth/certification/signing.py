"""Ed25519 signatures over DSSE envelopes.

The envelope holds an in-toto statement: its subjects are the files of a release, its predicate is the certificate. Any
in-toto tool can read it, and `openssl` can check the signature over the same bytes. Keys are kept by `ledger.keys`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass

import rfc8785

from dpsynth.accounting.events import JsonValue
from dpsynth.errors import BundleError
from dpsynth.ledger.home import default_home
from dpsynth.ledger.keys import KEY_FILE, SigningKey, key_id, key_id_of, load_or_create_key, load_public

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:dpsynth:certificate:1"

__all__ = [
    "KEY_FILE",
    "PAYLOAD_TYPE",
    "PREDICATE_TYPE",
    "STATEMENT_TYPE",
    "OpenedEnvelope",
    "SigningKey",
    "default_home",
    "key_id_of",
    "load_or_create_key",
    "open_envelope",
    "pre_authentication_encoding",
    "sign_envelope",
    "statement",
    "subject",
]


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

        key = load_public(public_pem)
        if self.key_id != key_id(key):
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
