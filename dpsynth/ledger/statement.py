"""What an entry says: its kinds, its fields, and the JSON that is stored for ever.

Compatibility contract: format 1 stays readable and writable as it was; a field is never renamed and never changes its
meaning. Format 2 leaves out what is empty. `statement_reading` is the way back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import ComposedDpEvent, DpEvent, JsonValue, event_to_json
from dpsynth.accounting.filter import FilterKind
from dpsynth.errors import InvalidInput
from dpsynth.ledger.authorship import current_actor, current_software, current_time, new_salt, software_digest

FORMAT = 2
"""Version of the JSON form of new entries."""

UNNAMED_FILTER = FilterKind.ZERO_CONCENTRATED
"""The filter of a budget entry that names none."""


class EntryKind(StrEnum):
    """What an entry is."""

    # Text compares equal to its kind, so it has to have its hash; and sets of kinds are asked about every entry.
    __hash__ = str.__hash__

    LINK = "LINK"
    """A data set belongs to populations, whose budgets it charges; once, before anything else is said about it."""

    BUDGET = "BUDGET"
    """A population gets its budget, once."""

    PLAN = "PLAN"
    """Everything that a budget of the policy `plan` will ever pay for, fixed before the first reservation."""

    EPOCH = "EPOCH"
    """A population of new people or new data gets a new budget, signed by two approvers."""

    RESERVE = "RESERVE"
    """An upper bound of what a release will cost is set aside."""

    OPEN = "OPEN"
    """The rows are about to be read for a reservation."""

    STEPS = "STEPS"
    """The steps of a training up to a number are used, whether or not they will be answered."""

    SETTLE = "SETTLE"
    """What was really asked of the rows, never more than was reserved."""

    VOID = "VOID"
    """A reservation that never opened the rows is given back."""

    DECLARE = "DECLARE"
    """What another tool has spent already; counts at its true size, whether it fits or not."""

    NOTE = "NOTE"
    """A remark; costs nothing."""

    SIGN = "SIGN"
    """A key vouches for the entry before, and so for all before it."""


class BudgetPolicy(StrEnum):
    """Which requests a budget pays for."""

    ADAPTIVE = "adaptive"
    """Each may be chosen after seeing the answers to earlier ones."""

    PLAN = "plan"
    """Those on a list that was locked before the first of them, and no other."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One event and, in words, what it was for."""

    purpose: str
    event: DpEvent


@dataclass(frozen=True, slots=True)
class Signature:
    """An Ed25519 signature and the public key that it is of, both in hexadecimal (64 bytes and 32)."""

    key: str
    value: str


Curve = Mapping[str, Mapping[str, str]]
"""Per population: what counts after an entry, as the epsilon at each of a few deltas; both in decimal digits."""


# Without slots: a hundred thousand of them are read at every opening, each from the dictionary that was found in it.
@dataclass(frozen=True, kw_only=True)
class Statement:
    """What is said, by whom and when; a `LedgerEntry` is a statement with its place in the chain.

    Attributes:
        kind: what the entry is.
        dataset: the data set that is charged; the population of a BUDGET, PLAN or EPOCH; empty for SIGN.
        release_id: the release that asked; empty for budgets and general notes.
        purpose: why, in words; for a note, the note.
        reservation: index of the RESERVE entry that an OPEN, STEPS, SETTLE or VOID speaks about.
        budget: of a BUDGET or EPOCH entry.
        event_delta: with a budget: the part of its delta that is set aside for events which may fail outright.
        filter_kind: with a budget: what decides whether a request fits into it.
        policy: with a budget: which requests it pays for.
        approvers: with a budget: public keys of those who may together renew it, in hexadecimal.
        charges: the upper bound in a RESERVE, what was really done in a SETTLE or DECLARE, the list of a PLAN; else
            empty.
        asked: the request in the words of the user.
        unit: who is protected, in words.
        certifiable: whether the noise came from a source that a certificate may rest on.
        populations: of a LINK.
        ticket: of a RESERVE or DECLARE: where the request was decided, as the user's own files name it.
        legal_basis: of a RESERVE or DECLARE: the legal basis of the processing, in words.
        configuration: of a RESERVE: SHA-256 of schema, generator and options.
        steps: of a RESERVE: how many there are, if they are claimed before they are answered; of a STEPS: up to which
            they are used.
        fingerprint: of a STEPS or SETTLE: the rows that were read, under a key outside the ledger; see `Fingerprint`.
        artefact: of a NOTE: SHA-256 of the release folder's list of checksums.
        expires: of an OPEN: until when rows may be read, UTC.
        curve: what counts after the entry; said for readers, computed anew by `verify`, and never relied upon.
        signatures: of an EPOCH or SIGN.
        actor: the account that wrote the entry.
        time: UTC, ISO 8601 with microseconds.
        software: name and version of the writer.
        software_sha256: digest of the writer's source code.
        salt: 32 random hexadecimal digits.
        format: version of the JSON form.
    """

    kind: EntryKind
    dataset: str
    release_id: str = ""
    purpose: str = ""
    reservation: int | None = None
    budget: PrivacyBudget | None = None
    event_delta: Decimal = Decimal(0)
    filter_kind: FilterKind = FilterKind.GAUSSIAN
    policy: BudgetPolicy = BudgetPolicy.ADAPTIVE
    approvers: tuple[str, ...] = ()
    charges: tuple[Charge, ...] = ()
    asked: str = ""
    unit: str = ""
    certifiable: bool = True
    populations: tuple[str, ...] = ()
    ticket: str = ""
    legal_basis: str = ""
    configuration: str = ""
    steps: int = 0
    fingerprint: str = ""
    artefact: str = ""
    expires: str = ""
    curve: Curve | None = None
    signatures: tuple[Signature, ...] = ()
    actor: str = field(default_factory=current_actor)
    time: str = field(default_factory=current_time)
    software: str = field(default_factory=current_software)
    software_sha256: str = field(default_factory=software_digest)
    salt: str = field(default_factory=new_salt)
    format: int = FORMAT

    @property
    def events(self) -> tuple[DpEvent, ...]:
        """The event of each charge."""
        return tuple(charge.event for charge in self.charges)

    @property
    def event(self) -> DpEvent | None:
        """All charges as one event; None where there are none."""
        if not self.charges:
            return None
        if len(self.charges) == 1:
            return self.charges[0].event
        return ComposedDpEvent(self.events)

    def content(self) -> dict[str, JsonValue]:
        """Return what is said as a JSON object.

        Raises:
            InvalidInput: a field is filled that entries of this kind or format do not have.
        """
        content = self.every_field()
        if self.format == 1:
            newer = self.kind not in FIRST_KINDS or self.approvers or self.policy is not BudgetPolicy.ADAPTIVE
            if newer or any([content.pop(key) for key in SECOND_FORMAT_KEYS]):  # noqa: C419  every one is taken out
                raise InvalidInput(f"entries of format 1 have no {self.kind}, and none of the fields of format 2")
            return content
        said = {key: value for key, value in content.items() if value or key in ALWAYS}
        unfit = [key for key in said if key in ONLY and self.kind not in ONLY[key]]
        if unfit:
            raise InvalidInput(f"{self.kind} has no {', '.join(unfit)}")
        return said

    def every_field(self) -> dict[str, JsonValue]:
        """Return every field as JSON, empty ones too, for exports; stored is `content`."""
        return {
            "format": self.format,
            "kind": self.kind.value,
            "dataset": self.dataset,
            "release_id": self.release_id,
            "purpose": self.purpose,
            "reservation": self.reservation,
            "budget": self._budget_to_json(),
            "charges": [{"purpose": charge.purpose, "event": event_to_json(charge.event)} for charge in self.charges],
            "asked": self.asked,
            "unit": self.unit,
            "certifiable": self.certifiable,
            "populations": list(self.populations),
            "ticket": self.ticket,
            "legal_basis": self.legal_basis,
            "configuration": self.configuration,
            "steps": self.steps,
            "fingerprint": self.fingerprint,
            "artefact": self.artefact,
            "expires": self.expires,
            "curve": None if self.curve is None else {name: dict(point) for name, point in self.curve.items()},
            "signatures": [{"key": signature.key, "value": signature.value} for signature in self.signatures],
            "actor": self.actor,
            "time": self.time,
            "software": self.software,
            "software_sha256": self.software_sha256,
            "salt": self.salt,
        }

    def _budget_to_json(self) -> JsonValue:
        if self.budget is None:
            return None
        written: dict[str, JsonValue] = {
            "epsilon": f"{self.budget.epsilon:f}",
            "delta": f"{self.budget.delta:f}",
            "event_delta": f"{self.event_delta:f}",
            "policy": self.policy.value,
        }
        # Budgets of before filters had names say nothing; they keep their meaning and their spelling.
        if self.filter_kind is not UNNAMED_FILTER:
            written["filter"] = self.filter_kind.value
        if self.approvers:
            written["approvers"] = list(self.approvers)
        return written


ALWAYS = frozenset({"format", "kind", "dataset", "certifiable", "actor", "time", "software", "software_sha256", "salt"})
"""What every entry of format 2 says."""

ONLY: Mapping[str, frozenset[EntryKind]] = {
    "populations": frozenset({EntryKind.LINK}),
    "ticket": frozenset({EntryKind.RESERVE, EntryKind.DECLARE}),
    "legal_basis": frozenset({EntryKind.RESERVE, EntryKind.DECLARE}),
    "configuration": frozenset({EntryKind.RESERVE}),
    "steps": frozenset({EntryKind.RESERVE, EntryKind.STEPS}),
    "fingerprint": frozenset({EntryKind.STEPS, EntryKind.SETTLE}),
    "artefact": frozenset({EntryKind.NOTE}),
    "expires": frozenset({EntryKind.OPEN}),
    "curve": frozenset({EntryKind.RESERVE, EntryKind.SETTLE, EntryKind.VOID, EntryKind.DECLARE}),
    "signatures": frozenset({EntryKind.EPOCH, EntryKind.SIGN}),
}
"""Which kinds may fill the fields that came with format 2."""

SECOND_FORMAT_KEYS = frozenset(ONLY) | {"software_sha256"}

FIRST_KINDS = frozenset(
    {EntryKind.BUDGET, EntryKind.RESERVE, EntryKind.OPEN, EntryKind.SETTLE, EntryKind.VOID, EntryKind.NOTE}
)
"""The kinds of format 1."""
