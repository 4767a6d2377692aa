"""What a release is going to do, before it does anything: who is charged, how much, and what will be left."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import GdpEvent
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.certification.canaries import planned_canaries
from dpsynth.certification.canary_count import units_for
from dpsynth.certification.canary_evidence import bound_without_hits
from dpsynth.certification.certificate import Override
from dpsynth.certification.facts import Attempt, attempts_among, configuration_of
from dpsynth.certification.gate_checks import audits_against, audits_found, failed_with
from dpsynth.certification.implementation_audits import audited_name, audits_of_this_version
from dpsynth.certification.policy import Policy, Verdict
from dpsynth.certification.record_gate import GatePlan, plan_gate
from dpsynth.errors import CertificationRefused, InvalidInput, SchemaError, SchemaProblem
from dpsynth.generators.base import MarginalSynthesizer
from dpsynth.ledger import BudgetPolicy, Ledger
from dpsynth.schema.schema import Schema


@dataclass(frozen=True, slots=True)
class ReleasePlan:
    """The public facts of a release that has not begun.

    Attributes:
        dataset: the data set that will be charged.
        unit: who is protected, in words.
        generator: name of the generator; for `auto` also the one that it picks, and why.
        claim: what will be charged at most.
        mu_squared: the same as the square of the Gaussian-DP parameter mu, in which costs add up.
        budget: the whole budget of the data set.
        left_before: what is left now, in words.
        left_after: what will be left, in words.
        columns: number of columns.
        cells: number of value combinations of the declared domain.
        policy: name and digest of the policy.
        gate: who decides, what that costs and what can be shown, in words; or why nothing can.
        audits: which audits of the implementation are on record for the code that runs, in words.
        obstacles: why this release cannot pass whatever comes out, in sentences; empty where it can.
        decided: who decides, and how the claim is divided for it.
    """

    dataset: str
    unit: str
    generator: str
    claim: PrivacyBudget
    mu_squared: float
    budget: PrivacyBudget
    left_before: str
    left_after: str
    columns: int
    cells: int
    policy: str
    gate: str
    audits: str
    obstacles: tuple[str, ...]
    decided: GatePlan

    def require_a_chance(self, override: Override | None) -> None:
        """Refuse a release that could not pass, before it is paid for, unless a person takes the decision.

        Raises:
            CertificationRefused: it cannot pass, and nobody overrides that; nothing was charged.
        """
        if self.obstacles and override is None:
            raise CertificationRefused(
                Verdict.INCONCLUSIVE.value,
                self.obstacles,
                "Nothing was read or charged. A named person may order the release all the same: --override-by NAME "
                "--override-reason WHY; both go on the certificate.",
            )


def plan_release(
    schema: Schema, claim: PrivacyBudget, *, ledger: Ledger, generator: MarginalSynthesizer, policy: Policy
) -> ReleasePlan:
    """Return the plan of a release, or refuse it; neither reads data nor writes to the ledger.

    Raises:
        InvalidInput: the ledger is in memory only.
        SchemaError: blanks, or no declared number of units.
        InvalidBudget: the policy can never certify the claim.
        BudgetNotSet: the data set has no budget.
        BudgetExceeded: the claim does not fit into what is left.
    """
    schema.require_complete()
    if not ledger.durable:
        raise InvalidInput("a release needs a ledger on disk: what it costs must be remembered for ever")
    if schema.public_rows is None:
        raise SchemaError(
            schema.dataset,
            [
                SchemaProblem(
                    "dpsynth.public_rows",
                    "declare about how many units the table holds, from public knowledge: delta must stay below one "
                    "over it, and it bounds the number of canaries",
                )
            ],
        )
    policy.require_admissible(claim, schema.public_rows)
    mu_squared = mu_squared_from_budget(claim)
    event = GdpEvent(mu_squared)
    decided = plan_gate(schema, policy, claim, event_delta=ledger.event_delta(schema.dataset))
    # A locked plan pays for what is on its list to the letter; any other budget for the sum.
    listed = ledger.policy(schema.dataset) is BudgetPolicy.PLAN
    for reserved in decided.events if listed else (event,):
        ledger.require_room(schema.dataset, reserved, asked=str(claim))
    attempts = attempts_among(ledger.entries(schema.dataset))
    gate, obstacles = _outlook(schema, policy, decided, attempts, configuration_of(schema, generator, claim))
    chosen, reason = _chosen(generator, schema, decided.generator)
    audits = audits_of_this_version(audited_name(generator, chosen), policy.audit_layers.split())
    return ReleasePlan(
        dataset=schema.dataset,
        unit=schema.unit.describe(),
        generator=f"{generator.name}: {chosen}, because {reason}" if chosen else generator.name,
        claim=claim,
        mu_squared=float(mu_squared),
        budget=ledger.budget(schema.dataset),
        left_before=ledger.remaining(schema.dataset),
        left_after=ledger.remaining(schema.dataset, after=event),
        columns=len(schema.columns),
        cells=schema.domain.cells(),
        policy=policy.identity,
        gate="; ".join(obstacles) or gate,
        audits=audits_found(audits),
        obstacles=obstacles + audits_against(audits, policy),
        decided=decided,
    )


def _chosen(generator: MarginalSynthesizer, schema: Schema, claim: PrivacyBudget) -> tuple[str, str]:
    """Return what `auto` picks and why; two empty texts for any other generator."""
    # Loads every generator that it may pick.
    from dpsynth.generators.auto import Auto

    if not isinstance(generator, Auto):
        return "", ""
    rule = generator.choose(schema, claim)
    return rule.generator, rule.reason


def _outlook(
    schema: Schema, policy: Policy, plan: GatePlan, attempts: tuple[Attempt, ...], configuration: str
) -> tuple[str, tuple[str, ...]]:
    """Return who decides and what that takes, and what already stands against a PASS."""
    obstacles = []
    count, reason = planned_canaries(schema, policy)
    canaries = reason or (
        f"{count} canaries; with none recognised they give away at most "
        f"{bound_without_hits(count, 0.5, policy):.1%} (tolerated: {float(policy.canary_tolerance):.0%})"
    )
    gate = canaries if plan.record is None else f"{plan.describe(policy)}. {canaries}"
    if plan.obstacle:
        obstacles.append(plan.obstacle)
    if plan.record is None and not plan.canaries_decide:
        obstacles.append(reason or f"{canaries}; {_units_for_canaries(schema, policy)}")
    if len(attempts) >= policy.attempts_allowed:
        obstacles.append(
            f"{len(attempts)} trainings since the last export were refused, and {policy.attempts_allowed} are allowed. "
            f"{policy.reasons['attempts_allowed']} Let one of the withheld releases go (dpsynth override), or none"
        )
    failed = failed_with(attempts, configuration)
    if failed is not None:
        obstacles.append(
            f"release {failed.release_id} had the same schema, generator, options and budget, and its verdict was "
            "FAIL: the same again could only be luckier. Change what was at fault"
        )
    return gate, tuple(obstacles)


def _units_for_canaries(schema: Schema, policy: Policy) -> str:
    units = units_for(_canaries_needed(policy), policy)
    return f"{schema.public_rows:,} units are declared, and about {units:,} are needed before a release can pass"


def _canaries_needed(policy: Policy) -> int:
    return next(
        count for count in itertools.count(2) if bound_without_hits(count, 0.5, policy) <= policy.canary_tolerance
    )
