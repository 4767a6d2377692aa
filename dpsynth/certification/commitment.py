"""What is fixed before a row is read, bound in the ledger by a digest that hides it until an auditor opens it.

Seed, coins, planted rows, threshold and options are chosen first. Their salted SHA-256 is written to the ledger before
anything is reserved, and the certificate names it: nobody can choose them afterwards to fit what came out. The values
stay in the internal folder, because who knows which rows are planted can make a generator that hides them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import rfc8785

from dpsynth.accounting.events import JsonValue
from dpsynth.certification.canaries import CanaryPlan
from dpsynth.certification.checkpoint import ReleaseOrder
from dpsynth.errors import BundleError
from dpsynth.ledger import EntryKind

COMMITMENT = "commitment.json"
"""The file in the internal folder."""

STAMP = "internal: for auditors only. It holds no row of a person, and says which invented rows were planted."

_NOTE = re.compile(r"bound before training: ([0-9a-f]{64})")
_SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Commitment:
    """Values that were fixed, and the salt that hides them in their digest.

    Attributes:
        content: the values, by name.
        salt: 32 random bytes in hexadecimal; without them nobody can try values against the digest.
    """

    content: Mapping[str, JsonValue]
    salt: str

    @classmethod
    def to(cls, order: ReleaseOrder, canaries: CanaryPlan, controls: Fraction) -> Commitment:
        """Return a commitment to an order, to its canaries, and to the share of units that is held back."""
        return cls(
            {
                "release_id": order.release_id,
                "configuration": order.configuration,
                "policy": order.policy,
                "epsilon": order.epsilon,
                "delta": order.delta,
                "rows": order.rows,
                "controls": str(controls),
                "seed": order.seed,
                "coins": order.coins,
                "canaries": canaries.rows.tolist(),
                "threshold": float(canaries.threshold).hex(),
            },
            order.salt,
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of content and salt."""
        return hashlib.sha256(rfc8785.dumps({"content": dict(self.content), "salt": self.salt})).hexdigest()

    @property
    def note(self) -> str:
        """What the ledger is told before anything is reserved."""
        return f"bound before training: {self.digest}"

    def write(self, folder: Path) -> None:
        """Keep the values in the internal folder, for its owner only.

        Raises:
            BundleError: it cannot be written.
        """
        said = {"stamp": STAMP, "content": dict(self.content), "salt": self.salt}
        try:
            descriptor = os.open(folder / COMMITMENT, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(json.dumps(said) + "\n")
        except OSError as fault:
            raise BundleError(f"{folder / COMMITMENT} cannot be written: {fault.strerror}") from fault

    @classmethod
    def read(cls, place: Path) -> Commitment:
        """Return what `write` kept, from the file or from its folder.

        Raises:
            BundleError: there is nothing, or something else.
        """
        file = place / COMMITMENT if place.is_dir() else place
        try:
            said = json.loads(file.read_text(encoding="utf-8"))
            commitment = cls(dict(said["content"]), str(said["salt"]))
            _ = commitment.digest
        except (OSError, ValueError, KeyError, TypeError, RecursionError, rfc8785.CanonicalizationError) as fault:
            raise BundleError(f"{file} is missing, or holds no opening of a commitment") from fault
        return commitment


@dataclass(frozen=True, slots=True)
class BoundEntry:
    """An entry of the ledger that holds a commitment.

    Attributes:
        index: its place in the chain.
        digest: of the commitment.
        in_time: whether nothing was reserved or opened for the release before.
    """

    index: int
    digest: str
    in_time: bool


def new_salt() -> str:
    """Return a salt for one commitment, from the operating system."""
    return secrets.token_hex(_SALT_BYTES)


def sampling_stream(seed: int) -> np.random.Generator:
    """Return the stream that the released table is drawn from: one of its own, so that it can be drawn again."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))


def rows_to_sample(rows: int | None, total: float, *, planted: int, controls: float) -> int:
    """Return how many rows are sampled: as ordered, or as many as the real table has by the noisy estimate.

    Args:
        rows: as ordered; None for as many as the real table has.
        total: of the model, which was fitted without the controls and with the canaries.
        planted: number of canaries among the training rows.
        controls: share of the units that was held back.
    """
    return max(round((total - planted) / (1 - controls)) if rows is None else rows, 0)


def is_commitment(purpose: str) -> bool:
    """Return whether a note of the ledger is a commitment, and not what came of a release."""
    return _NOTE.fullmatch(purpose) is not None


def bound_entries(lines: Sequence[Mapping[str, JsonValue]], release_id: str) -> tuple[BoundEntry, ...]:
    """Return the commitments of a release that a ledger's extract holds, oldest first."""
    return tuple(_bound(lines, release_id))


def _bound(lines: Sequence[Mapping[str, JsonValue]], release_id: str) -> Iterator[BoundEntry]:
    begun = False
    for place, line in enumerate(lines, start=1):
        content = line.get("content")
        if not isinstance(content, dict) or content.get("release_id") != release_id:
            continue
        begun = begun or content.get("kind") in {EntryKind.RESERVE, EntryKind.OPEN}
        found = _NOTE.fullmatch(str(content.get("purpose", "")))
        if content.get("kind") == EntryKind.NOTE and found:
            yield BoundEntry(place, found.group(1), not begun)
