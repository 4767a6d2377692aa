"""The folder that an interrupted release is resumed from: what was ordered, the canaries' coins, and noisy answers.

Everything in it is public in the sense of the labels, and none of it decides how many steps of a training are left; the
ledger does. It is for its owner only, because the coins are secret until the table is judged.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import rfc8785

from dpsynth.certification.kept_matches import KeptMatches
from dpsynth.errors import BundleError, InvalidInput
from dpsynth.generators.answer_tape import AnswerTape, write_whole

_ORDER = "release.json"
_ANSWERS = "answers"
_MATCHES = "matches.json"
_LOCK = "lock"
_FORMAT = 2
_WITHOUT_A_SALT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseOrder:
    """What was ordered, in words and numbers that JSON holds exactly.

    Attributes:
        release_id: name of the release in the ledger.
        data: path of the table, or empty where it was no file.
        schema: its schema, as YAML.
        epsilon: of the budget.
        delta: of the budget.
        generator: name in the registry, or empty where it was an object.
        configuration: SHA-256 of schema, generator and options.
        policy: name of the policy and its digest.
        out: the release folder.
        internal: the internal folder.
        rows: how many, or None for the noisy total.
        table: file name of the synthetic table.
        seed: of the public sampling, in digits.
        coins: for every canary whether it is planted, as a text of 0 and 1.
        salt: of the commitment to all of this, in hexadecimal.
        ticket: for the ledger.
        legal_basis: for the ledger.
        recipients: for whom the table is meant, for the certificate.
        environment: where and under which rules it will be used, for the certificate.
    """

    release_id: str
    data: str
    schema: str
    epsilon: str
    delta: str
    generator: str
    configuration: str
    policy: str
    out: str
    internal: str
    rows: int | None
    table: str
    seed: str
    coins: str
    salt: str
    ticket: str
    legal_basis: str
    recipients: str = ""
    environment: str = ""


class CheckpointFolder:
    """A folder of one release that may be resumed."""

    __slots__ = ("_path", "order")

    def __init__(self, path: Path, order: ReleaseOrder) -> None:
        """Use `begin` or `load` instead."""
        self._path = path
        self.order = order

    @classmethod
    def begin(cls, path: Path, order: ReleaseOrder) -> CheckpointFolder:
        """Make the folder, before anything is charged.

        Raises:
            BundleError: it exists or cannot be made.
        """
        try:
            path.mkdir(mode=0o700)
            write_whole(path / _ORDER, rfc8785.dumps({"format": _FORMAT, **asdict(order)}))
        except FileExistsError:
            raise BundleError(
                f"{path} exists already. To go on with what was interrupted: dpsynth resume {path}. "
                "For another release choose another folder."
            ) from None
        except OSError as fault:
            raise BundleError(f"the checkpoint folder {path} cannot be made: {fault.strerror or fault}") from fault
        return cls(path, order)

    @classmethod
    def load(cls, path: Path) -> CheckpointFolder:
        """Return the folder that `begin` made.

        Raises:
            BundleError: there is none.
            InvalidInput: its order is damaged, or of a version that this one does not know.
        """
        try:
            said = json.loads((path / _ORDER).read_text(encoding="utf-8"))
        except OSError as fault:
            raise BundleError(f"{path} is no checkpoint folder: {fault.strerror or fault}") from fault
        except ValueError as fault:
            raise InvalidInput(f"{path / _ORDER} is damaged") from fault
        names = {field.name for field in fields(ReleaseOrder)}
        if isinstance(said, dict) and said.get("format") == _WITHOUT_A_SALT:
            raise InvalidInput(
                f"{path / _ORDER} was written by a version that bound no release to its seed and coins in the ledger, "
                "and this one certifies none without. Resume it with the version that began it"
            )
        if not isinstance(said, dict) or said.keys() != names | {"format"} or said.pop("format") != _FORMAT:
            raise InvalidInput(f"{path / _ORDER} is damaged, or of a version that this dpsynth does not know")
        if not all(isinstance(said[name], str) for name in names - {"rows"}) or type(said["rows"]) not in {
            int,
            type(None),
        }:
            raise InvalidInput(f"{path / _ORDER} is damaged")
        return cls(path, ReleaseOrder(**said))

    @property
    def tape(self) -> AnswerTape:
        """The answers that the generator was given."""
        return AnswerTape(self._path / _ANSWERS, self.order.release_id)

    @property
    def matches(self) -> KeptMatches:
        """The answer that the record gate was given."""
        return KeptMatches(self._path / _MATCHES, self.order.release_id)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes on this machine from resuming while this one lives.

        It is a courtesy: a copied folder has no such lock, and then the ledger lets one process go on and no other.

        Raises:
            BundleError: another process holds it.
        """
        descriptor = os.open(self._path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BundleError(f"another process works on {self._path}: it is not interrupted") from None
            yield
        finally:
            os.close(descriptor)
