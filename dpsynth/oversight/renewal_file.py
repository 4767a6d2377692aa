"""A proposed renewal as a JSON file that goes from approver to approver."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dpsynth.accounting.events import JsonValue
from dpsynth.errors import BundleError, InvalidInput
from dpsynth.ledger import EntryKind, Renewal
from dpsynth.ledger.statement import Signature, Statement
from dpsynth.ledger.statement_reading import statement_from_content

_KEYS = frozenset({"type", "population", "epoch", "supersedes", "budget", "reason", "signatures"})
_LARGEST_FILE = 1_000_000


@dataclass(frozen=True, slots=True)
class ProposedRenewal:
    """A renewal, and the approvals that it has so far."""

    renewal: Renewal
    signatures: tuple[Signature, ...]

    def summary(self) -> dict[str, JsonValue]:
        """Return what is proposed, for people and for JSON."""
        terms = self.renewal.terms
        return {
            "population": terms.dataset,
            "epoch": self.renewal.epoch,
            "supersedes": self.renewal.supersedes,
            "budget": str(terms.budget),
            "policy": terms.policy.value,
            "reason": terms.purpose,
            "signed_by": [signature.key for signature in self.signatures],
        }


def write_proposal(path: Path, proposal: ProposedRenewal, *, replace: bool = False) -> None:
    """Write `proposal` to `path`, which must not exist unless it is to be replaced.

    Raises:
        BundleError: it cannot be written.
    """
    said: dict[str, JsonValue] = json.loads(proposal.renewal.message)
    said["signatures"] = [{"key": one.key, "value": one.value} for one in proposal.signatures]
    text = json.dumps(said, indent=2, ensure_ascii=False) + "\n"
    draft = path.with_name(f".{path.name}.draft") if replace else path
    try:
        with draft.open("w" if replace else "x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
    except FileExistsError as fault:
        raise BundleError(f"{path} exists already; name a new file") from fault
    except OSError as fault:
        raise BundleError(f"{path} cannot be written: {fault.strerror}") from fault


def read_proposal(path: Path) -> ProposedRenewal:
    """Return what `write_proposal` wrote; whether it is signed rightly is the ledger's to say.

    Raises:
        InvalidInput: the file cannot be read or holds something else.
    """
    try:
        with path.open(encoding="utf-8") as file:
            said = json.loads(file.read(_LARGEST_FILE))
        return _proposal(said, path)
    except OSError as fault:
        raise InvalidInput(f"{path} cannot be read: {fault.strerror}") from fault
    except (ValueError, KeyError, TypeError, RecursionError) as fault:
        raise InvalidInput(f"{path} is no renewal that `dpsynth ledger renew propose` wrote") from fault


def _proposal(said: object, path: Path) -> ProposedRenewal:
    if not isinstance(said, Mapping) or said.keys() != _KEYS or isinstance(said["epoch"], bool):
        raise ValueError("other fields")
    blank = Statement(kind=EntryKind.EPOCH, dataset="")
    content = {**blank.content(), "dataset": said["population"], "purpose": said["reason"], "budget": said["budget"]}
    renewal = Renewal(statement_from_content(content), int(said["epoch"]), str(said["supersedes"]))
    if json.loads(renewal.message) != {key: value for key, value in said.items() if key != "signatures"}:
        raise InvalidInput(f"{path} says something that is not part of what approvers sign")
    signatures = tuple(Signature(str(one["key"]), str(one["value"])) for one in said["signatures"])
    return ProposedRenewal(renewal, signatures)
