"""What stands against a release is said before it is paid for."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import GdpEvent
from dpsynth.certification.certificate import Override
from dpsynth.certification.facts import attempts_among, configuration_of, note_of_withheld
from dpsynth.certification.plan import ReleasePlan, plan_release
from dpsynth.certification.policy import Policy, default_policy
from dpsynth.certification.policy_file import load_policy
from dpsynth.errors import BudgetExceeded, CertificationRefused, InvalidInput, SchemaError
from dpsynth.generators.registry import generator
from dpsynth.ledger import Ledger
from dpsynth.schema.schema import Schema

COLUMNS = "\n".join(
    f"  - {{name: c{place}, type: integer, constraints: {{minimum: 0, maximum: 99}}, dpsynth: {{bins: 20}}}}"
    for place in range(8)
)
CLAIM = PrivacyBudget(1, "1e-6")
BIT = GdpEvent(Fraction(1, 1000))


def schema(units: int | None, columns: str = COLUMNS) -> Schema:
    rows = "" if units is None else f", public_rows: {units}"
    text = f"name: people\nfields:\n{columns}\ndpsynth: {{unit: {{kind: row}}{rows}}}\n"
    return Schema.from_text(text, source="people.yaml")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    books = Ledger(tmp_path / "ledger.db")
    books.set_budget("people", PrivacyBudget(3, "1e-5"))
    return books


SMALL = "  - {name: sex, type: string, categories: [F, M]}"
CANARIES_ONLY = replace(default_policy(), record_gate="never")


def plan(
    ledger: Ledger,
    units: int | None,
    claim: PrivacyBudget = CLAIM,
    columns: str = COLUMNS,
    policy: Policy | None = None,
) -> ReleasePlan:
    return plan_release(
        schema(units, columns), claim, ledger=ledger, generator=generator("mwem"), policy=policy or default_policy()
    )


def test_a_large_table_meets_no_obstacle(ledger: Ledger) -> None:
    made = plan(ledger, 50_000)
    assert made.obstacles == ()
    assert made.gate.startswith("400 canaries")
    made.require_a_chance(None)
    assert ledger.head().index == 1


def test_a_table_that_is_too_small_to_pass_is_refused_before_the_charge(ledger: Ledger) -> None:
    made = plan(ledger, 600)
    with pytest.raises(CertificationRefused, match="600 declared units"):
        made.require_a_chance(None)
    made.require_a_chance(Override(by="Ada", reason="the audience is known"))
    with pytest.raises(CertificationRefused, match="units are declared"):
        plan(ledger, 6_000, policy=CANARIES_ONLY).require_a_chance(None)


def test_where_canaries_cannot_decide_the_record_gate_does_for_a_part_of_the_claim(ledger: Ledger) -> None:
    made = plan(ledger, 6_000)
    assert made.obstacles == ()
    assert made.gate.startswith("the record gate counts people")
    assert "(the generator gets epsilon 0.91" in made.gate
    assert "about 15,200 units" not in made.gate
    assert plan(ledger, 40_000, columns=SMALL).decided.record is not None


def test_a_domain_that_is_too_small_for_canaries_is_refused_before_the_charge(ledger: Ledger) -> None:
    made = plan(ledger, 40_000, columns=SMALL, policy=CANARIES_ONLY)
    with pytest.raises(CertificationRefused, match="No canaries"):
        made.require_a_chance(None)


def test_too_many_refused_attempts_are_refused_before_the_next_charge(ledger: Ledger) -> None:
    for number in range(3):
        held = ledger.reserve(
            "people", release_id=f"r{number}", purpose="fit", event=BIT, asked="a bit", unit="one row", certifiable=True
        )
        ledger.settle(ledger.open(held), [])
    with pytest.raises(CertificationRefused, match="trainings since the last export"):
        plan(ledger, 40_000).require_a_chance(None)


@pytest.mark.parametrize(("verdict", "refused"), [("FAIL", True), ("INCONCLUSIVE", False)])
def test_what_failed_is_not_tried_again_unchanged(ledger: Ledger, verdict: str, refused: bool) -> None:
    same = configuration_of(schema(40_000), generator("mwem"), CLAIM)
    held = ledger.reserve(
        "people",
        release_id="r1",
        purpose="fit",
        event=BIT,
        asked="a bit",
        unit="one row",
        certifiable=True,
        configuration=same,
    )
    ledger.settle(ledger.open(held), [])
    ledger.note("people", note_of_withheld(verdict, "0" * 64), release_id="r1")
    (attempt,) = attempts_among(ledger.entries("people"))
    assert (attempt.verdict, attempt.configuration) == (verdict, same)
    assert any("its verdict was FAIL" in each for each in plan(ledger, 40_000).obstacles) is refused
    assert plan(ledger, 40_000, PrivacyBudget("0.5", "1e-6")).obstacles == ()


def test_a_policy_that_asks_for_audits_refuses_before_the_charge_where_none_are_recorded(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dpsynth.certification.implementation_audits._shipped_register", lambda: ())
    strict = load_policy("strict")
    (obstacle,) = plan(ledger, 40_000, policy=strict).obstacles
    assert "L0, L1, L2" in obstacle


def test_other_refusals_come_first(ledger: Ledger) -> None:
    with pytest.raises(SchemaError, match="public_rows"):
        plan(ledger, None)
    with pytest.raises(BudgetExceeded):
        plan(ledger, 40_000, PrivacyBudget(4, "1e-6"))
    with pytest.raises(InvalidInput, match="on disk"), Ledger("sqlite://") as memory:
        plan(memory, 40_000)
