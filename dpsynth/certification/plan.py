"""What a release is going to do, before it does anything: who is charged, how much, and what will be left."""

from __future__ import annotations

from dataclasses import dataclass

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.events import ZCDpEvent
from dpsynth.accounting.filter import AdaptiveFilter
from dpsynth.accounting.zcdp import rho_from_budget
from dpsynth.certification.policy import Policy
from dpsynth.errors import SchemaError, SchemaProblem
from dpsynth.ledger import Ledger
from dpsynth.schema.schema import Schema


@dataclass(frozen=True, slots=True)
class ReleasePlan:
    """The public facts of a release that has not begun.

    Attributes:
        dataset: the data set that will be charged.
        unit: who is protected, in words.
        generator: name of the generator.
        claim: what will be charged at most.
        rho: the same in zero-concentrated terms.
        budget: the whole budget of the data set.
        left_before: what is left now, in words.
        left_after: what will be left, in words.
        columns: number of columns.
        cells: number of value combinations of the declared domain.
    """

    dataset: str
    unit: str
    generator: str
    claim: PrivacyBudget
    rho: float
    budget: PrivacyBudget
    left_before: str
    left_after: str
    columns: int
    cells: int


def plan_release(
    schema: Schema, claim: PrivacyBudget, *, ledger: Ledger, generator: str, policy: Policy
) -> ReleasePlan:
    """Return the plan of a release, or refuse it; neither reads data nor writes to the ledger.

    Raises:
        SchemaError: blanks, or no declared number of units.
        InvalidBudget: the policy can never certify the claim.
        BudgetNotSet: the data set has no budget.
        BudgetExceeded: the claim does not fit into what is left.
    """
    schema.require_complete()
    if schema.public_rows is None:
        raise SchemaError(
            schema.dataset,
            [
                SchemaProblem(
                    "dpsynth.public_rows",
                    "declare about how many people the table holds, from public knowledge: delta must stay below one "
                    "over it, and it bounds the number of canaries",
                )
            ],
        )
    policy.require_admissible(claim, schema.public_rows)
    rho = rho_from_budget(claim)
    event = ZCDpEvent(rho)
    ledger.require_room(schema.dataset, event, asked=str(claim))
    budget = ledger.budget(schema.dataset)
    after = ledger.spent(schema.dataset) + cost_of(event)
    return ReleasePlan(
        dataset=schema.dataset,
        unit=schema.unit.describe(),
        generator=generator,
        claim=claim,
        rho=float(rho),
        budget=budget,
        left_before=ledger.remaining(schema.dataset),
        left_after=AdaptiveFilter(budget).describe_remaining(after),
        columns=len(schema.columns),
        cells=schema.domain.cells(),
    )
