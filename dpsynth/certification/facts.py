"""What a release says about itself: public and charged values only, gathered in one place for the certificate."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import rfc8785

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import ComposedDpEvent, DpEvent, JsonValue, event_to_json
from dpsynth.certification.budget_shares import BudgetShares, budget_shares
from dpsynth.certification.implementation_audits import VersionAudits, audited_name, audits_of_this_version
from dpsynth.certification.policy import Policy
from dpsynth.certification.record_evidence import RecordEvidence
from dpsynth.certification.record_gate import GatePlan
from dpsynth.curator.curator import Curator
from dpsynth.curator.discovery import PURPOSE as DISCOVERY
from dpsynth.curator.queries import NoisyMarginal
from dpsynth.generators.base import FittedSynthesizer, MarginalSynthesizer
from dpsynth.generators.error_bars import ErrorBars
from dpsynth.ledger import (
    EntryKind,
    Head,
    Ledger,
    LedgerEntry,
    PlannedRelease,
    head_of_extract,
    planned_release,
)
from dpsynth.ledger.authorship import software_digest
from dpsynth.schema.schema import Schema

_NOTED = re.compile("withheld, (?P<verdict>FAIL|INCONCLUSIVE), certificate [0-9a-f]{64}")

EXPORTED = "exported"
"""Purpose of the ledger note that a release leaves when it has been exported."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One training on the way to an export; it was charged whether or not anything came of it.

    Attributes:
        release_id: its name in the ledger.
        time: when the rows were opened for it, UTC.
        asked: the budget that it asked for, in words.
        configuration: SHA-256 of schema, generator, hyperparameters and claim; empty where the ledger holds none.
        verdict: what came of it; empty where it was not judged, or not yet.
    """

    release_id: str
    time: str
    asked: str
    configuration: str = ""
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """Everything about a release that its certificate is made from, apart from the judged table.

    Attributes:
        release_id: its name in the ledger.
        claim: the budget that the generator was given.
        charged: every question that was asked of the rows, as (purpose, event), oldest first.
        generator: name in the registry.
        parameters: hyperparameters.
        noisy_rows: the generator's noisy estimate of the number of real training rows, canaries not counted.
        marginals: the noisy answers that the model was built from.
        error_bars: how far the judged table may be from the measured one.
        noise_certifiable: whether the noise came from the operating system.
        ledger_extract: the ledger's entries of this release and the chain around them, one JSON object each.
        remaining: what is left of the data set's budget, in words.
        attempts: trainings since the last export, this one included.
        shares: how the data set's budget is used up; None where it is not counted in squared mu.
        gate: who was to decide; None where canaries were.
        record: what the record gate said; None where it was not asked.
        recipients: for whom the table is meant, as declared.
        environment: where and under which rules it will be used, as declared.
        audited: under which name audits of the generator are on record, see `audited_name`.
    """

    release_id: str
    claim: PrivacyBudget
    charged: tuple[tuple[str, DpEvent], ...]
    generator: str
    parameters: Mapping[str, JsonValue]
    noisy_rows: float
    marginals: tuple[NoisyMarginal, ...]
    error_bars: ErrorBars
    noise_certifiable: bool
    ledger_extract: tuple[Mapping[str, JsonValue], ...]
    remaining: str
    attempts: tuple[Attempt, ...]
    shares: BudgetShares | None = None
    gate: GatePlan | None = None
    record: RecordEvidence | None = None
    recipients: str = ""
    environment: str = ""
    audited: str = ""

    def audits(self, policy: Policy) -> VersionAudits:
        """Return what is recorded about the running version and this generator."""
        begun = (_content(line) for line in self.ledger_entries)
        said = [(str(content.get("kind")), str(content.get("software_sha256", ""))) for content in begun]
        found = audits_of_this_version(self.audited, policy.audit_layers.split())
        return dataclasses.replace(found, changed=begun_by_other_code(said))

    @property
    def event(self) -> DpEvent:
        """All charges as one event."""
        return ComposedDpEvent(tuple(event for _, event in self.charged))

    @property
    def planned(self) -> PlannedRelease | None:
        """What a locked plan holds for this release; None where no plan pays for it.

        Raises:
            LedgerCorrupted: the extract holds a plan, but does not verify.
        """
        return planned_release(self.ledger_extract, self.release_id)

    @property
    def ledger_head(self) -> Head:
        """The last ledger entry that the extract reaches."""
        return head_of_extract(self.ledger_extract)

    @property
    def ledger_entries(self) -> tuple[Mapping[str, JsonValue], ...]:
        """The lines of the extract that hold an entry of this release in full, oldest first."""
        return tuple(line for line in self.ledger_extract if _content(line).get("release_id") == self.release_id)

    def ledger_agrees(self) -> bool:
        """Return whether the ledger settled exactly the charges of this release."""
        settled: list[JsonValue] = []
        for line in self.ledger_entries:
            charges = _content(line).get("charges")
            if _content(line).get("kind") == EntryKind.SETTLE and isinstance(charges, list):
                settled += charges
        return settled == [charge_to_json(purpose, event) for purpose, event in self.charged]

    @property
    def noise_source(self) -> str:
        """Where the noise came from, in words."""
        return "the operating system's entropy" if self.noise_certifiable else "a seeded stream, for tests only"


def facts_of(
    curator: Curator,
    generator: MarginalSynthesizer,
    model: FittedSynthesizer,
    *,
    claim: PrivacyBudget,
    ledger: Ledger,
    error_bars: ErrorBars,
    gate: GatePlan | None = None,
    record: RecordEvidence | None = None,
    recipients: str = "",
    environment: str = "",
) -> ReleaseFacts:
    """Return the facts of a finished fit and of the judged table that came of it.

    Raises:
        BudgetNotSet: the ledger holds no budget for the data set.
        LedgerError: the ledger cannot be read.

    Privacy: reads the ledger, the schema and the fitted model; nothing sealed is opened.
    """
    dataset = curator.schema.dataset
    parameters = _parameters(generator, curator.schema, claim if gate is None else gate.generator)
    return ReleaseFacts(
        release_id=curator.release_id,
        claim=claim,
        charged=curator.charged,
        generator=generator.name,
        parameters=parameters,
        noisy_rows=float(model.total) - curator.planted,
        marginals=tuple(model.measurements),
        error_bars=error_bars,
        noise_certifiable=curator.certifiable,
        ledger_extract=tuple(ledger.extract(curator.release_id)),
        remaining=ledger.remaining(dataset),
        attempts=attempts_among(ledger.entries(dataset)),
        shares=budget_shares(ledger, dataset, ComposedDpEvent(tuple(event for _, event in curator.charged))),
        gate=gate,
        record=record,
        recipients=recipients,
        environment=environment,
        audited=audited_name(generator, str(parameters.get("chosen", ""))),
    )


def _parameters(generator: MarginalSynthesizer, schema: Schema, claim: PrivacyBudget) -> dict[str, JsonValue]:
    """Return the hyperparameters; of `auto` also which generator it picked and why, and that one's."""
    # Loads every generator that it may pick.
    from dpsynth.generators.auto import Auto

    if not isinstance(generator, Auto):
        return parameters_of(generator)
    rule = generator.choose(schema, claim)
    return {"chosen": rule.generator, "reason": rule.reason, **parameters_of(rule.make())}


def charge_to_json(purpose: str, event: DpEvent) -> dict[str, JsonValue]:
    """Return one charge in the form of the ledger."""
    return {"purpose": purpose, "event": event_to_json(event)}


def attempts_among(entries: Iterable[LedgerEntry]) -> tuple[Attempt, ...]:
    """Return the trainings of one data set since its last export; `entries` are that data set's, oldest first."""
    asked: dict[str, LedgerEntry] = {}
    attempts: dict[str, Attempt] = {}
    for entry in entries:
        if entry.purpose == DISCOVERY:
            continue  # no generator was trained; it is charged all the same
        if entry.kind is EntryKind.RESERVE:
            asked.setdefault(entry.release_id, entry)
        elif entry.kind is EntryKind.OPEN:
            if entry.release_id not in attempts:  # resumed, or asked in two parts
                first = asked.get(entry.release_id)
                said = ("", "") if first is None else (first.asked, first.configuration)
                attempts[entry.release_id] = Attempt(entry.release_id, entry.time, *said)
        elif entry.kind is EntryKind.NOTE and entry.purpose == EXPORTED:
            attempts.clear()
        elif (noted := _NOTED.fullmatch(entry.purpose)) and entry.release_id in attempts:
            attempts[entry.release_id] = dataclasses.replace(attempts[entry.release_id], verdict=noted["verdict"])
    return tuple(attempts.values())


def begun_by_other_code(entries: Iterable[tuple[str, str]]) -> bool:
    """Return whether any life of a release was asked for, opened the rows or trained by other code than what runs.

    Args:
        entries: kind and digest of the writer's source code of the release's entries; empty where none is on record.
    """
    asking = {EntryKind.RESERVE.value, EntryKind.OPEN.value, EntryKind.STEPS.value}
    return any(kind in asking and digest not in {"", software_digest()} for kind, digest in entries)


def note_of_withheld(verdict: str, certificate_sha256: str) -> str:
    """Return the ledger note that a refused release leaves: what came of it, and which certificate says so."""
    return f"withheld, {verdict}, certificate {certificate_sha256}"


def parameters_of(generator: object) -> dict[str, JsonValue]:
    """Return the hyperparameters of a generator, a frozen dataclass, as JSON."""
    if not dataclasses.is_dataclass(generator) or isinstance(generator, type):
        return {}
    return {field.name: _as_json(getattr(generator, field.name)) for field in dataclasses.fields(generator)}


def configuration_of(schema: Schema, generator: MarginalSynthesizer, claim: PrivacyBudget) -> str:
    """Return the SHA-256 of schema digest, generator, hyperparameters and claim as canonical JSON, for the ledger."""
    said: JsonValue = {
        "schema": schema.digest,
        "generator": generator.name,
        "parameters": parameters_of(generator),
        "claim": str(claim),
    }
    return hashlib.sha256(rfc8785.dumps(said)).hexdigest()


def _content(line: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    content = line.get("content")
    return content if isinstance(content, dict) else {}


def _as_json(value: object) -> JsonValue:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Fraction():
            return str(value)
        case Mapping():
            return {str(key): _as_json(inner) for key, inner in value.items()}
        case Sequence():
            return [_as_json(inner) for inner in value]
        case _:
            return str(value)
