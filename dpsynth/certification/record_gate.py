"""The record gate: planned from public facts, asked of the rows once, and paid out of the release's own budget.

A score is a function of one record, the synthetic table and public values; the threshold is fixed from the synthetic
table alone. `docs/design/record_gate.md` says why the decision is post-processing of what was charged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import GdpEvent
from dpsynth.accounting.gaussian_dp import epsilon_from_mu_squared, mu_squared_from_budget
from dpsynth.attacks.records import RESOLUTION, Records
from dpsynth.certification.canaries import planned_canaries
from dpsynth.certification.canary_evidence import canaries_can_decide
from dpsynth.certification.kept_matches import KeptMatches
from dpsynth.certification.policy import Policy
from dpsynth.certification.record_evidence import (
    MatchCounts,
    RecordEvidence,
    can_pass,
    unanswered,
    units_needed,
    weigh_matches,
)
from dpsynth.curator.curator import Curator
from dpsynth.curator.record_matches import RECORD_GATE, MatchQuestion
from dpsynth.errors import InvalidBudget, LedgerError
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable

_MILLIONTH = Decimal("0.000001")
_QUERIES = 2_000
"""Synthetic rows that ask for the threshold, compared with all others."""


@dataclass(frozen=True, slots=True)
class GatePlan:
    """Who decides about a release, and what it costs; a function of schema, policy and claim.

    Attributes:
        claim: the budget of the whole release.
        generator: what the generator gets of it.
        record: what the record gate gets; None where it is not asked.
        controls: share of the units that is held back from training.
        canaries_decide: whether there can be enough canaries for a PASS.
        obstacle: why the record gate cannot let a table of this size pass; empty where it can or is not asked.
    """

    claim: PrivacyBudget
    generator: PrivacyBudget
    record: PrivacyBudget | None
    controls: Fraction
    canaries_decide: bool
    obstacle: str = ""

    @property
    def events(self) -> tuple[GdpEvent, ...]:
        """What will be reserved, one by one."""
        budgets = [self.generator] if self.record is None else [self.generator, self.record]
        return tuple(GdpEvent(mu_squared_from_budget(budget)) for budget in budgets)

    def describe(self, policy: Policy) -> str:
        """Return who decides and what it costs, in words."""
        if self.record is None:
            return "the record gate is not asked: it is free of charge to let the canaries decide"
        return (
            f"the record gate counts people whom the table matches, and costs {self.record} of the claim (the "
            f"generator gets {self.generator}); {100 * float(self.controls):.3g} % of the units are held "
            f"back from training; at most {100 * float(policy.record_copy_tolerance):.3g} % may have an equal row and "
            f"{100 * float(policy.record_tolerance):.3g} % a near one beyond chance"
        )


def plan_gate(schema: Schema, policy: Policy, claim: PrivacyBudget, *, event_delta: Decimal = Decimal(0)) -> GatePlan:
    """Return who will decide; reads neither rows nor ledger.

    Args:
        schema: with the declared number of units.
        policy: when the record gate is asked, and what it may take.
        claim: the budget of the whole release.
        event_delta: part of a delta that a generator may use for events that may fail outright.

    Raises:
        InvalidBudget: the claim is too small to be divided.
    """
    count, _ = planned_canaries(schema, policy)
    decide = canaries_can_decide(count, policy)
    if policy.record_gate == "never" or (policy.record_gate == "needed" and decide):
        return GatePlan(claim, claim, None, policy.control_fraction, decide)
    generator, record = divide(claim, policy.record_share, event_delta=event_delta)
    variance = float(1 / mu_squared_from_budget(record))
    controls, obstacle, units = policy.record_controls, "", schema.public_rows or 0
    if not can_pass(policy, variance, controls, units):
        needed = units_needed(policy, variance, controls)
        obstacle = (
            f"the record gate cannot show with noise and from {units:,} declared units that at most "
            f"{100 * float(policy.record_copy_tolerance):.3g} % of them have an equal row in the table and "
            f"{100 * float(policy.record_tolerance):.3g} % a near one beyond chance; at this budget it takes about "
            f"{needed:,} units"
        )
    return GatePlan(claim, generator, record, controls, decide, obstacle)


def divide(
    claim: PrivacyBudget, share: Fraction, *, event_delta: Decimal = Decimal(0)
) -> tuple[PrivacyBudget, PrivacyBudget]:
    """Return the generator's part of a claim and the record gate's, which together cost at most the claim.

    Squared mu adds up, also where the second is chosen after the first was answered. A generator may set up to half of
    delta, and at most `event_delta`, aside for events that may fail outright: its part fits then as well.

    Raises:
        InvalidBudget: the claim is too small to be divided.
    """
    record = _within(share * mu_squared_from_budget(claim), claim.delta)
    taken = mu_squared_from_budget(record)
    epsilons = []
    for delta in {claim.delta, claim.delta - min(event_delta, claim.delta / 2)}:
        left = mu_squared_from_budget(PrivacyBudget(claim.epsilon, delta)) - taken
        epsilons.append(_within(left, delta).epsilon)
    return PrivacyBudget(min(epsilons), claim.delta), record


def _within(mu_squared: Fraction, delta: Decimal) -> PrivacyBudget:
    """Return the largest budget in millionths of epsilon that costs at most `mu_squared`."""
    millionths = int(epsilon_from_mu_squared(mu_squared, delta) * 10**6) + 1
    while millionths > 0:
        budget = PrivacyBudget(_MILLIONTH * millionths, delta)
        if mu_squared_from_budget(budget) <= mu_squared:
            return budget
        millionths -= 1
    raise InvalidBudget(f"delta {delta} and a squared mu of {float(mu_squared):.3g} are too small for a record gate")


def question_about(table: SyntheticTable, policy: Policy) -> MatchQuestion:
    """Return what counts as a match of `table`, a function of the table and of nothing else.

    Near is what only a share of `record_chance` of the table's own rows are to another row of it.
    """
    sizes = [column.size for column in table.schema.columns]
    codes = np.minimum.outer(np.arange(max(sizes)), np.array(sizes) - 1).astype(np.int32)
    values = np.rint(Records.from_codes(codes, table.schema).values * RESOLUTION).astype(np.int32)
    places = [values[:size, column] for column, size in enumerate(sizes)]
    shuffled = table.codes[np.random.default_rng(len(table.codes)).permutation(len(table.codes))]
    question = MatchQuestion(shuffled, places, reach=RESOLUTION, near=0)
    if len(shuffled) < 2:
        return question
    own = np.sort(question.distances(list(shuffled[:_QUERIES].T), skip_equal_index=True))
    nearest = int(own[math.floor(policy.record_chance * len(own))])
    return MatchQuestion(shuffled, places, reach=RESOLUTION, near=max(nearest - 1, 0))


def ask_record_gate(
    curator: Curator, table: SyntheticTable, plan: GatePlan, policy: Policy, *, kept: KeptMatches | None = None
) -> RecordEvidence | None:
    """Return what the record gate says about a judged table; None where it was not planned.

    Args:
        curator: holds the rows.
        table: what is judged.
        plan: whether the gate is asked, and what it gets.
        policy: what is tolerated.
        kept: where a release that may be resumed keeps the answer; one that is there is not asked for again.

    Raises:
        InvalidInput: what is kept was edited, or is about another table.

    Privacy: the planned budget of the record gate, reserved before the rows are asked. What was made is not lost where
    the ledger refuses: without an answer the evidence is inconclusive.
    """
    if plan.record is None:
        return None
    question = question_about(table, policy)
    counts = None if kept is None else kept.read(question)
    if counts is None:
        try:
            with curator.within(plan.record, purpose=RECORD_GATE) as session:
                answer = session.matches(question, session.mu_squared)
        except LedgerError as refusal:
            return unanswered(f"The ledger did not let the record gate ask: {refusal}")
        members, controls = ((int(a), int(b), int(c)) for a, b, c in (answer.members, answer.controls))
        counts = MatchCounts(members, controls, round(answer.stddev, 6))
        if kept is not None:
            # Not before the charge is settled: an answer that is there was charged by its own name.
            kept.write(question, counts)
    return weigh_matches(counts, policy)
