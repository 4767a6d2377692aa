"""What stands against a release is said before it is paid for."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import GdpEvent
from dpsynth.certification.certificate import Override
from dpsynth.certification.plan import ReleasePlan, plan_release
from dpsynth.certification.policy import default_policy
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


def plan(ledger: Ledger, units: int | None, claim: PrivacyBudget = CLAIM, columns: str = COLUMNS) -> ReleasePlan:
    return plan_release(
        schema(units, columns), claim, ledger=ledger, generator=generator("mwem"), policy=default_policy()
    )


def test_a_large_table_meets_no_obstacle(ledger: Ledger) -> None:
    made = plan(ledger, 40_000)
    assert made.obstacles == ()
    assert made.gate.startswith("400 canaries")
    made.require_a_chance(None)
    assert ledger.head().index == 1


def test_a_table_that_is_too_small_to_pass_is_refused_before_the_charge(ledger: Ledger) -> None:
    made = plan(ledger, 6_000)
    with pytest.raises(CertificationRefused, match="units are declared"):
        made.require_a_chance(None)
    made.require_a_chance(Override(by="Ada", reason="the audience is known"))


def test_a_domain_that_is_too_small_for_canaries_is_refused_before_the_charge(ledger: Ledger) -> None:
    made = plan(ledger, 40_000, columns="  - {name: sex, type: string, categories: [F, M]}")
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


def test_other_refusals_come_first(ledger: Ledger) -> None:
    with pytest.raises(SchemaError, match="public_rows"):
        plan(ledger, None)
    with pytest.raises(BudgetExceeded):
        plan(ledger, 40_000, PrivacyBudget(4, "1e-6"))
    with pytest.raises(InvalidInput, match="on disk"), Ledger("sqlite://") as memory:
        plan(memory, 40_000)
