"""The record gate, through the doors: what it costs, whom it lets pass, and that it cannot be asked twice."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.attacks.nearest_neighbour import NearestNeighbour
from dpsynth.certification.certificate import Certificate, Override
from dpsynth.certification.gate_sections import problem_of_gates
from dpsynth.certification.plan import plan_release
from dpsynth.certification.policy import Policy, Verdict, default_policy
from dpsynth.certification.record_gate import divide, plan_gate, question_about
from dpsynth.certification.verify import verify_release
from dpsynth.curator import Curator
from dpsynth.curator._sealed import unseal
from dpsynth.errors import BudgetExceeded, CertificationRefused
from dpsynth.generators.registry import generator
from dpsynth.ledger import EntryKind, Ledger
from dpsynth.release import release
from dpsynth.schema.schema import Schema
from tests.certification.made_releases import survey_rows, survey_schema, table_of

CLAIM = PrivacyBudget(1, "1e-6")
POLICY = default_policy()
FOR_ANY_CODE = replace(POLICY, audit_layers="")
"""So that generators of tests, which nobody has audited, get as far as the gates."""


def people(rows: int, seed: int, schema: Schema) -> pd.DataFrame:
    return table_of(survey_rows(rows, np.random.default_rng(seed), schema), schema).to_pandas()


class Leaking:
    """A generator that puts training rows into its table, which no generator outside of tests can reach."""

    name = "leaking"

    def __init__(self, share: float) -> None:
        self.share = share

    def fit(self, curator: Any, budget: PrivacyBudget, *, rng: np.random.Generator) -> Any:
        model = generator("independent").fit(curator, budget, rng=rng)
        asked = getattr(curator, "_inner", curator)
        training = np.stack(unseal(asked.sealed_rows()).training, axis=1).astype(np.int32)
        return _Copies(model, training, self.share)


class _Copies:
    def __init__(self, model: Any, training: np.ndarray, share: float) -> None:
        self._model, self._training, self._share = model, training, share

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def sample(self, rows: int, *, rng: np.random.Generator, given: Any = None) -> Any:
        table = self._model.sample(rows, rng=rng)
        # That share of the rows asked for, nobody twice before everybody once, in no order: a release keeps a quarter.
        copied = self._training[np.resize(rng.permutation(len(self._training)), round(self._share * rows))]
        # Not among them: copies of canaries alone would fail the release.
        return table_of(rng.permutation(np.concatenate([copied, table.codes[len(copied) :]])), table.schema)


def ledger_of(schema: Schema, path: Path) -> Ledger:
    books = Ledger(path / "ledger.db")
    books.set_budget(schema.dataset, PrivacyBudget(3, "1e-5"), unit=schema.unit.describe())
    return books


def released(
    path: Path, maker: Any, *, rows: int, policy: Policy = POLICY, override: Override | None = None
) -> tuple[Certificate, Ledger]:
    """Return the certificate of a release, exported or withheld."""
    schema = survey_schema(rows)
    books = ledger_of(schema, path)
    try:
        made = release(
            people(rows, 4, schema),
            schema,
            CLAIM,
            out=path / "release",
            ledger=books,
            generator=maker,
            policy=policy,
            override=override,
        )
    except CertificationRefused:
        raw = (path / "release-internal" / "withheld" / "certificate.json").read_bytes()
        return Certificate.from_json(raw), books
    return made.certificate, books


def verdict_of(certificate: Certificate, check: str) -> str:
    return next(each.verdict for each in certificate.document.checks if each.name == check)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Certificate, Ledger, Path]:
    path = tmp_path_factory.mktemp("honest")
    return *released(path, "mst", rows=5_000), path


def test_an_honest_table_of_five_thousand_people_passes(honest: tuple[Certificate, Ledger, Path]) -> None:
    certificate, _, path = honest
    assert certificate.verdict is Verdict.PASS, certificate.reasons
    assert certificate.document.record_gate is not None
    assert certificate.document.canaries.verdict == "INCONCLUSIVE"
    assert verify_release(path / "release", now=datetime.now(UTC)).problems == ()


def test_the_generator_and_the_gate_share_the_claim(honest: tuple[Certificate, Ledger, Path]) -> None:
    certificate, books, _ = honest
    document = certificate.document
    assert document.claim.epsilon == "1"
    assert "matches of members and controls" in {charge.purpose for charge in document.claim.charges}
    assert Fraction(document.claim.mu_squared or "9") <= mu_squared_from_budget(CLAIM)
    # The privacy loss distribution is the second accountant, and knows nothing of squared mu.
    assert float(document.accountants.pld) <= 1.0001
    reserved = [entry for entry in books.entries() if entry.kind is EntryKind.RESERVE]
    assert [entry.purpose for entry in reserved][-1] == "record gate"
    assert sum(mu_squared_from_budget_text(entry.asked) for entry in reserved) <= mu_squared_from_budget(CLAIM)


def mu_squared_from_budget_text(asked: str) -> Fraction:
    epsilon, delta = (part.split()[-1] for part in asked.split(","))
    return mu_squared_from_budget(PrivacyBudget(epsilon, delta))


@pytest.mark.usefixtures("few_attacks")
def test_a_locked_plan_pays_for_the_generator_and_for_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And an attack that fails behind the door costs nothing of what was paid for."""

    def fails(*given: Any, **named: Any) -> None:
        raise ValueError("a cell: Zebulon")

    monkeypatch.setattr(NearestNeighbour, "score", fails)
    schema = survey_schema(5_000)
    events = plan_gate(schema, POLICY, CLAIM).events
    with Ledger(tmp_path / "ledger.db") as books:
        books.set_budget(schema.dataset, PrivacyBudget(3, "1e-5"), unit=schema.unit.describe(), policy="plan")
        books.lock_plan(schema.dataset, [("fit", events[0]), ("judge", events[1])])
        made = release(
            people(1_500, 4, schema),
            schema,
            CLAIM,
            out=tmp_path / "release",
            ledger=books,
            generator="independent",
            override=Override("Ada", "a test has too few rows for a PASS"),
        )
        assert books.remaining(schema.dataset) == "0 of 2 planned requests"
        reserved = [entry for entry in books.entries() if entry.kind is EntryKind.RESERVE]
        assert [entry.purpose for entry in reserved][-1] == "record gate"
        with pytest.raises(BudgetExceeded):  # another try is on nobody's list
            plan_release(schema, CLAIM, ledger=books, generator=generator("independent"), policy=POLICY)
    document = made.certificate.document
    assert document.record_gate is not None
    assert len(document.record_gate.members) == 3
    assert document.accountants.proven
    assert problem_of_gates(document) is None
    internal = (tmp_path / "release-internal" / "audit.json").read_text(encoding="utf-8")
    assert json.loads(internal)["failed"] == [{"attack": "nearest-neighbour-ratio", "error": "ValueError"}]
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert b"Zebulon" not in path.read_bytes()
    assert verify_release(tmp_path / "release", now=datetime.now(UTC)).problems == ()


@pytest.mark.parametrize(("share", "rows"), [(1.0, 5_000), (0.1, 12_000)])
def test_a_table_that_holds_its_rows_fails_by_the_record_gate(share: float, rows: int, tmp_path: Path) -> None:
    # Of 5,000 rows, noise hides a tenth that are copied from one table in fifteen.
    certificate, _ = released(tmp_path, Leaking(share), rows=rows, policy=FOR_ANY_CODE)
    assert verdict_of(certificate, "record gate") == "FAIL"
    assert certificate.verdict is Verdict.FAIL


def test_a_table_of_a_hundred_people_never_passes(tmp_path: Path) -> None:
    schema = survey_schema(100)
    with ledger_of(schema, tmp_path) as books:
        plan = plan_release(schema, CLAIM, ledger=books, generator=generator("independent"), policy=POLICY)
    with pytest.raises(CertificationRefused, match="it takes about"):
        plan.require_a_chance(None)
    (tmp_path / "made").mkdir()
    certificate, _ = released(tmp_path / "made", "independent", rows=100, override=Override("Ada", "to see"))
    assert certificate.verdict is not Verdict.PASS
    assert verdict_of(certificate, "record gate") == "INCONCLUSIVE"


def test_a_large_table_is_judged_by_canaries_for_nothing() -> None:
    plan = plan_gate(survey_schema(40_000), POLICY, CLAIM)
    assert plan.record is None
    assert plan.generator == CLAIM
    assert plan.controls == POLICY.control_fraction
    assert plan_gate(survey_schema(40_000), replace(POLICY, record_gate="always"), CLAIM).record is not None
    never = plan_gate(survey_schema(5_000), replace(POLICY, record_gate="never"), CLAIM)
    assert (never.record, never.canaries_decide) == (None, False)


@pytest.mark.parametrize("claim", [CLAIM, PrivacyBudget("0.1", "1e-9"), PrivacyBudget(8, "1e-5")])
def test_the_parts_of_a_claim_add_up_to_no_more(claim: PrivacyBudget) -> None:
    for event_delta in ("0", "1e-7"):
        made, gate = divide(claim, Fraction(3, 20), event_delta=PrivacyBudget(1, event_delta).delta)
        whole = mu_squared_from_budget(claim)
        parts = mu_squared_from_budget(made), mu_squared_from_budget(gate)
        assert sum(parts) <= whole
        assert parts[1] > Fraction(14, 100) * whole
        assert parts[0] > Fraction(84, 100) * whole


def test_near_is_what_few_of_the_tables_own_rows_are() -> None:
    table = table_of(survey_rows(1_000, np.random.default_rng(1)))
    question = question_about(table, replace(POLICY, record_chance=Fraction(1, 5)))
    own = question.distances(list(question.table.T), skip_equal_index=True)
    assert question.near > 0
    assert 0.1 < (own <= question.near).mean() <= 0.2
    assert question_about(table_of(table.codes[:1]), POLICY).near == 0


def test_a_resumed_release_may_ask_once_and_no_other_question(tmp_path: Path) -> None:
    schema = survey_schema(5_000)
    data = people(300, 1, schema)
    table = table_of(survey_rows(50, np.random.default_rng(2), schema), schema)
    with ledger_of(schema, tmp_path) as books:
        curator = Curator.open(data, schema, ledger=books, release_id="r")
        for _ in range(2):  # an open release may; that it asks once is up to who makes the release
            with curator.within(PrivacyBudget("0.1", "1e-6"), purpose="record gate") as session:
                session.matches(question_about(table, POLICY), session.mu_squared)
        assert [purpose for purpose, _ in curator.charged] == ["matches of members and controls"] * 2


def test_an_edited_record_gate_is_found(honest: tuple[Certificate, Ledger, Path]) -> None:
    document = honest[0].document
    section = document.record_gate
    assert section is not None
    assert problem_of_gates(document) is None
    for changes, said in (
        ({"members": (section.members[0] + 900, *section.members[1:])}, "other bounds"),
        ({"near_upper": section.near_upper / 2}, "other bounds"),
        ({"verdict": "FAIL"}, "something else"),
        ({"members": ()}, "without an answer"),
    ):
        edited = document.model_copy(update={"record_gate": section.model_copy(update=changes)})
        assert said in (problem_of_gates(edited) or "")
    assert "something else" in (problem_of_gates(document.model_copy(update={"record_gate": None})) or "")
