"""Renewal: a new budget for new people or new data, ordered by two approvers, and never automatic.

What was promised to the people of before stays spent. A renewal says why those whom it is for are others, and two
approvers, whose public keys were registered with the budget, sign exactly that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dpsynth.accounting.events import JsonValue
from dpsynth.ledger.chain import canonical_json
from dpsynth.ledger.keys import SigningKey, is_signed
from dpsynth.ledger.statement import Signature, Statement

APPROVALS_NEEDED = 2

_TYPE = "dpsynth ledger renewal 1"


@dataclass(frozen=True, slots=True)
class Renewal:
    """A budget that is proposed for the next epoch of a population; approvers sign `message`.

    Attributes:
        terms: what the EPOCH entry will say; its actor, time and salt are not signed.
        epoch: the number of the epoch that begins; the first budget began epoch 1.
        supersedes: digest of the entry whose budget ends.
    """

    terms: Statement
    epoch: int
    supersedes: str

    @property
    def message(self) -> bytes:
        """What approvers sign: population, epoch, what it supersedes, the terms of the budget, and the reason."""
        content = self.terms.content()
        said: dict[str, JsonValue] = {
            "type": _TYPE,
            "population": self.terms.dataset,
            "epoch": self.epoch,
            "supersedes": self.supersedes,
            "budget": content["budget"],
            "reason": self.terms.purpose,
        }
        return canonical_json(said).encode()

    def approved_with(self, key: SigningKey) -> Signature:
        """Return the approval of whoever holds `key`."""
        return Signature(key.public_hex, key.sign(self.message).hex())


def refusal_of_approvals(
    message: bytes, approvers: Sequence[str], signatures: Sequence[Signature], used: Collection[str]
) -> str | None:
    """Return why `signatures` do not order what `message` says, in words; None where they do.

    Args:
        message: of the renewal.
        approvers: public keys of those who may order it.
        signatures: what they gave.
        used: signatures of earlier renewals.
    """
    keys = [signature.key for signature in signatures]
    if len(keys) < APPROVALS_NEEDED:
        return f"a renewal needs {APPROVALS_NEEDED} approvers, and {len(keys)} signed this one"
    if len(set(keys)) < len(keys):
        return "a renewal needs two different approvers, and one of them signed this one twice"
    for signature in signatures:
        name = f"the key {signature.key[:16]}"
        if signature.key not in approvers:
            return f"{name} signed this renewal, but it is not that of an approver"
        if not is_signed(message, key=signature.key, signature=signature.value):
            if signature.value in used:
                return f"the signature of {name} was given for an earlier renewal, and it is good for that one only"
            return f"the signature of {name} is not one under this renewal"
    return None
