"""The record gate's answer in a checkpoint, so that a release that dies before its verdict did not pay for nothing.

Six noisy counts that were charged, and the digest of the question that they answer: the table, the scale and the
threshold. They decide, so unlike the rest of a checkpoint they bear a tag that takes the key of fingerprints to make.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rfc8785

from dpsynth.certification.record_evidence import MatchCounts
from dpsynth.curator.fingerprint import load_or_create_fingerprint_key
from dpsynth.curator.record_matches import MatchQuestion
from dpsynth.errors import InvalidInput
from dpsynth.generators.answer_tape import write_whole

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class KeptMatches:
    """The file of one release.

    Attributes:
        path: where it is, or will be.
        release_id: of the release.
    """

    path: Path
    release_id: str

    def read(self, question: MatchQuestion) -> MatchCounts | None:
        """Return the answer to `question` that an earlier life was given; None where none was written.

        Raises:
            InvalidInput: the file is damaged, was edited, or answers another question.
        """
        try:
            said: Any = json.loads(self.path.read_bytes())
            tag = said.pop("tag")
            counts = MatchCounts(_three(said["members"]), _three(said["controls"]), float(said["stddev"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as fault:
            raise InvalidInput(f"{self.path} holds no answer of the record gate, or is damaged") from fault
        wanted = self._said(question, counts)
        if said != wanted or not hmac.compare_digest(str(tag), _tag(wanted)):
            raise InvalidInput(
                f"{self.path} was edited, or is about another table, release or machine. Put it back as it was; "
                "without it the record gate has no answer, and the verdict is INCONCLUSIVE"
            )
        return counts

    def write(self, question: MatchQuestion, counts: MatchCounts) -> None:
        """Write the answer, and wait for the disk; call it once the charge is settled."""
        said = self._said(question, counts)
        write_whole(self.path, rfc8785.dumps({**said, "tag": _tag(said)}))

    def _said(self, question: MatchQuestion, counts: MatchCounts) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "release": self.release_id,
            "question": _digest(question),
            "members": list(counts.members),
            "controls": list(counts.controls),
            "stddev": counts.stddev,
        }


def _digest(question: MatchQuestion) -> str:
    digest = hashlib.sha256(f"{question.table.shape} {question.reach} {question.near}".encode())
    for array in (question.table, *question.places):
        digest.update(f"{array.shape}".encode() + np.ascontiguousarray(array, dtype="<i4").tobytes())
    return digest.hexdigest()


def _tag(said: dict[str, Any]) -> str:
    return load_or_create_fingerprint_key().tag(rfc8785.dumps(said))


def _three(numbers: Any) -> tuple[int, int, int]:
    first, second, third = numbers
    if not all(type(number) is int for number in numbers):
        raise ValueError("not whole numbers")
    return first, second, third
