"""Releases made by hand: a health survey, a ledger in memory, and generators that leak or do not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import DpEvent, ExponentialDpEvent, GaussianDpEvent, GdpEvent
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.certification.bundle import write_bundle
from dpsynth.certification.canaries import CanaryPlan, JudgedTable, draw_canaries
from dpsynth.certification.certificate import Certificate, Override, certify
from dpsynth.certification.commitment import Commitment
from dpsynth.certification.facts import ReleaseFacts, attempts_among
from dpsynth.certification.policy import Policy, default_policy
from dpsynth.certification.signing import SigningKey
from dpsynth.certification.utility import marginal_of
from dpsynth.curator.queries import NoisyMarginal
from dpsynth.generators.error_bars import LEVEL, ErrorBar, ErrorBars
from dpsynth.ledger import Ledger
from dpsynth.randomness import SeededNoise
from dpsynth.report import render_report
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable

CLAIM = PrivacyBudget("1", "1e-6")
POLICY = default_policy()
ISSUED = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
SOFTWARE = {"dpsynth": "0.1.0", "python": "3.11"}
UNITS = 50_000

_TEXT = """
name: survey
dpsynth:
  unit: {{kind: row}}
  public_rows: {units}
missingValues: ["", "NA"]
fields:
  - name: age
    type: integer
    constraints: {{minimum: 0, maximum: 99, required: true}}
    dpsynth: {{bins: 20, outside: slot}}
  - name: income
    type: number
    constraints: {{minimum: -1000, maximum: 9000}}
    dpsynth: {{bins: 25, spikes: [0], decimals: 2}}
  - name: visits
    type: integer
    constraints: {{minimum: 0, maximum: 49}}
    dpsynth: {{bins: 25, outside: slot}}
  - name: region
    type: string
    categories: ["north", "south", "east", "west", "=sum", "centre"]
    dpsynth: {{outside_label: elsewhere}}
  - name: health
    type: string
    categories: [poor, fair, good, excellent]
    categoriesOrdered: true
    constraints: {{required: true}}
    dpsynth: {{outside: slot}}
  - name: smoker
    type: boolean
    trueValues: ["yes"]
    falseValues: ["no"]
  - name: enrolled
    type: date
    format: default
    constraints: {{minimum: 2010-01-01, maximum: 2019-12-31}}
    dpsynth: {{bins: 30}}
"""


@cache
def survey_schema(units: int = UNITS) -> Schema:
    return Schema.from_text(_TEXT.format(units=units))


def survey_rows(rows: int, rng: np.random.Generator, schema: Schema | None = None) -> NDArray[np.int32]:
    """Return codes of people: concentrated around a hidden trait, with some missing and outside cells."""
    columns = (schema or survey_schema()).columns
    trait = rng.normal(size=rows)
    cells = []
    for column in columns:
        spread = (trait + 0.7 * rng.normal(size=rows)) / 1.3
        code = np.clip((0.5 + spread / 4) * column.declared_size, 0, column.declared_size - 1).astype(np.int32)
        special = rng.random(rows) < 0.02
        code[special] = rng.integers(column.declared_size, column.size, size=int(special.sum()))
        cells.append(code)
    return np.stack(cells, axis=1)


def table_of(codes: NDArray[np.int32], schema: Schema | None = None) -> SyntheticTable:
    return SyntheticTable(schema or survey_schema(), codes, spread_seed=5, provenance={"generator": "hand"})


@cache
def drawn(seed: int, *, units: int = UNITS, policy: Policy = POLICY, claim: PrivacyBudget = CLAIM) -> CanaryPlan:
    return draw_canaries(survey_schema(units), policy, claim, rng=np.random.default_rng(seed), noise=SeededNoise(seed))


def training_rows(plan: CanaryPlan, rows: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return people with the planted canaries among them."""
    return np.concatenate([survey_rows(rows, rng), plan.included_rows])


EVENTS: tuple[tuple[str, DpEvent], ...] = (
    ("measure age", GaussianDpEvent(14.0)),
    ("measure region", GaussianDpEvent(14.0)),
    ("choose a pair", ExponentialDpEvent(Fraction(1, 20))),
    ("measure age, region", GaussianDpEvent(17.0)),
)


ERROR_BARS = ErrorBars(
    LEVEL,
    (
        ErrorBar(("age",), (11,), "measured", 0.01, 0.0, 0.02),
        ErrorBar(("region",), (5,), "measured", 0.02, 0.005, 0.04),
        ErrorBar(("age", "region"), (11, 5), "measured", 0.03, 0.0, 0.08),
    ),
)


COMMITMENT = Commitment({"release_id": "release-1", "seed": "1"}, salt="5a17" * 16)


def settled_ledger(
    *,
    release_id: str = "release-1",
    events: tuple[tuple[str, DpEvent], ...] = EVENTS,
    ledger: Ledger | None = None,
    bound: bool = True,
) -> Ledger:
    """Return a ledger in which one release reserved its claim, opened it and settled `events`."""
    schema = survey_schema()
    books = Ledger("sqlite://") if ledger is None else ledger
    books.set_budget(schema.dataset, PrivacyBudget("3", "1e-5"), unit=schema.unit.describe())
    if bound:
        books.note(schema.dataset, COMMITMENT.note, release_id=release_id)
    reservation = books.reserve(
        schema.dataset,
        release_id=release_id,
        purpose="fit hand",
        event=GdpEvent(mu_squared_from_budget(CLAIM)),
        asked=str(CLAIM),
        unit=schema.unit.describe(),
        certifiable=True,
    )
    books.settle(books.open(reservation), events)
    return books


def noisy_marginals(table: SyntheticTable) -> tuple[NoisyMarginal, ...]:
    """Return marginals near those of `table`, as a generator would have measured them."""
    rng = np.random.default_rng(3)
    domain = table.schema.domain
    marginals = []
    for clique, event in ((("age",), EVENTS[0][1]), (("region",), EVENTS[1][1]), (("age", "region"), EVENTS[3][1])):
        counts = marginal_of(table.codes, domain, clique)
        noisy = np.round(counts + rng.normal(scale=14.1, size=counts.shape)).astype(np.int64)
        marginals.append(NoisyMarginal(clique, noisy.reshape(domain.shape(clique)), 14.142, event))
    return tuple(marginals)


def facts_about(table: SyntheticTable, ledger: Ledger, *, release_id: str = "release-1") -> ReleaseFacts:
    dataset = table.schema.dataset
    return ReleaseFacts(
        release_id=release_id,
        claim=CLAIM,
        charged=EVENTS,
        generator="hand",
        parameters={"rounds": 1},
        noisy_rows=float(max(table.rows, 10_000)),
        marginals=noisy_marginals(table),
        error_bars=ERROR_BARS if table.rows else ErrorBars(LEVEL, ()),
        noise_certifiable=True,
        ledger_extract=tuple(ledger.extract(release_id)),
        remaining=ledger.remaining(dataset),
        attempts=attempts_among(ledger.entries(dataset)),
    )


@dataclass(frozen=True)
class MadeRelease:
    """A release up to its certificate."""

    facts: ReleaseFacts
    judged: JudgedTable
    certificate: Certificate

    def write(self, out: Path, key: SigningKey) -> Path:
        return write_bundle(
            out,
            table=self.judged.table,
            certificate=self.certificate,
            schema=self.judged.table.schema,
            ledger_extract=self.facts.ledger_extract,
            report_html=page(self.certificate),
            key=key,
        )


@cache
def _rendered(certificate_json: bytes) -> str:
    return render_report(certificate_json)


def page(certificate: Certificate) -> str:
    """Return the report of a certificate, rendered once."""
    return _rendered(certificate.to_json())


def honest_judged(rows: int = 2_000) -> JudgedTable:
    return drawn(1).judge(table_of(survey_rows(rows, np.random.default_rng(2))), CLAIM, POLICY)


def honest_release(
    *, rows: int = 2_000, table_file: str = "synthetic.csv", override: Override | None = None, **changes: object
) -> MadeRelease:
    """Return a release of a fresh draw; `changes` are made to its facts."""
    judged = honest_judged(rows)
    facts = replace(facts_about(judged.table, settled_ledger()), **changes)  # type: ignore[arg-type]
    certificate = certify(
        facts, judged, POLICY, issued_at=ISSUED, table_file=table_file, override=override, software=SOFTWARE
    )
    return MadeRelease(facts, judged, certificate)
