"""The canary gate: invented rows, half of them planted in the training data, that a private release must not give away.

Canaries are drawn from the public schema and each is included by an independent fair coin, so for every fixed set of
canaries and coins the verdict is a function of the synthetic table: it costs real people nothing. The table is judged
first and cleaned of canaries second; `CanaryPlan.judge` does both, so the order cannot be mistaken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.attacks import canaries as instrument
from dpsynth.attacks.records import Records
from dpsynth.certification.canary_count import most_canaries, units_for
from dpsynth.certification.canary_evidence import CanaryCounts, CanaryEvidence, no_evidence, weigh
from dpsynth.certification.obeying_rows import obeying_combinations, obeying_rows
from dpsynth.certification.policy import Policy
from dpsynth.errors import InvalidInput
from dpsynth.randomness import NoiseSource, secret_coins
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable

_QUERIES = 2_000
"""Uniform rows that ask for the threshold, beside the canaries and never planted."""

_MOST_PUBLIC_ROWS = 20_000
"""Uniform rows that they are compared with; more would only make it slower."""

_CELLS_PER_UNIT = 100
"""Fewest value combinations for each declared unit: exact matches by chance stay below one in so many."""

_JUDGED = "canaries"
"""Provenance key of a table that has been judged."""


@dataclass(frozen=True, slots=True)
class JudgedTable:
    """A synthetic table after the canary gate: the only kind that can be certified.

    Attributes:
        table: the table that may be exported; no row of it equals a canary.
        evidence: what the canaries said about the table before their copies were dropped.
    """

    table: SyntheticTable
    evidence: CanaryEvidence


@dataclass(frozen=True, slots=True, eq=False)
class CanaryPlan:
    """Canaries, coins, threshold and rule, all fixed before training.

    Attributes:
        schema: the public schema that they were drawn from.
        policy: tolerance and significance of the verdict.
        claim: the budget that the generator will be given.
        rows: codes, shape (canaries, columns).
        coins: which of them are included, shape (canaries,).
        threshold: Gower distance to the nearest synthetic row below which a canary counts as recognised.
        reason: why there are none; empty if there are.
    """

    schema: Schema
    policy: Policy
    claim: PrivacyBudget
    rows: NDArray[np.int32]
    coins: NDArray[np.bool_]
    threshold: float
    reason: str = ""

    @property
    def included_rows(self) -> NDArray[np.int32]:
        """The rows to plant among the training rows, shape (included, columns)."""
        return self.rows[self.coins]

    def judge(self, sampled: SyntheticTable, claim: PrivacyBudget, policy: Policy) -> JudgedTable:
        """Return the verdict on a freshly sampled table, together with that table without copies of canaries.

        Args:
            sampled: the table as the generator sampled it, nothing dropped.
            claim: the budget that the generator was given.
            policy: tolerance and significance.

        Raises:
            InvalidInput: the table was judged before or has another schema, or claim and policy are not those that the
                canaries were drawn for: the rule must be fixed before the table is seen.

        Privacy: nothing is charged; the canaries and coins are independent of the rows.
        """
        if _JUDGED in sampled.provenance:
            raise InvalidInput("this table was judged before and holds no copies of canaries; judge the sampled one")
        if sampled.schema.digest != self.schema.digest:
            raise InvalidInput("the table has another schema than the canaries")
        if (claim, policy) != (self.claim, self.policy):
            raise InvalidInput("the canaries were drawn for another claim or policy; the rule is fixed before training")
        if self.reason:
            return JudgedTable(_stamped(sampled), no_evidence(self.reason, policy))
        recognised = recognised_among(self.rows, sampled, self.threshold)
        counts = CanaryCounts(
            canaries=len(self.rows),
            included=int(self.coins.sum()),
            recognised_included=int((recognised & self.coins).sum()),
            recognised_excluded=int((recognised & ~self.coins).sum()),
        )
        evidence = weigh(counts, self.threshold, claim, policy)
        return JudgedTable(_stamped(sampled.select(~is_among(sampled.codes, self.rows))), evidence)


def draw_canaries(
    schema: Schema, policy: Policy, claim: PrivacyBudget, *, rng: np.random.Generator, noise: NoiseSource
) -> CanaryPlan:
    """Return canaries for one release, or a plan without any and the reason.

    Rows are drawn uniformly over ordinary values: a missing cell or the slot for values outside the domain would
    otherwise be as frequent as each real value, and no canary would look like a record. All of them obey the rules of
    the schema: no generator could give away a row that it must not make, and the gate would pass for the wrong reason.

    Args:
        schema: public knowledge; its declared number of units bounds the number of canaries.
        policy: how many, and how large the domain must be.
        claim: the budget of the release that will be judged.
        rng: public randomness for values and threshold.
        noise: the coins come from here.

    Privacy: reads no row. The threshold comes from uniform rows over the public schema alone.
    """
    reason = _why_none(schema, policy)
    if reason:
        nothing = np.empty((0, len(schema.columns)), dtype=np.int32)
        return CanaryPlan(schema, policy, claim, nothing, np.empty(0, dtype=np.bool_), 0.0, reason)
    count = _count(schema, policy)
    rows = obeying_rows(schema, count, rng)
    return CanaryPlan(schema, policy, claim, rows, secret_coins(noise, count, 1, 2), _threshold(schema, policy, rng))


def planned_canaries(schema: Schema, policy: Policy) -> tuple[int, str]:
    """Return how many canaries a release will draw, and if none, why; public knowledge alone decides."""
    reason = _why_none(schema, policy)
    return (0, reason) if reason else (_count(schema, policy), "")


def _count(schema: Schema, policy: Policy) -> int:
    return most_canaries(schema.public_rows or 0, policy)


def _threshold(schema: Schema, policy: Policy, rng: np.random.Generator) -> float:
    """Return the distance below which a table of uniform rows comes to an unseen row with the chance of the policy.

    Half the median distance, the usual choice, lets an honest table in a domain of few columns come near one unseen row
    in fifty, which drowns a rare copy; and it is needlessly strict where there are many columns.
    """
    units = schema.public_rows or 0
    compared = min(units, _MOST_PUBLIC_ROWS)
    queries = Records.from_codes(obeying_rows(schema, _QUERIES, rng), schema)
    public_rows = Records.from_codes(obeying_rows(schema, compared, rng), schema)
    # The chance grows with the number of rows, so a larger table than the one that was compared gets a smaller part.
    chance = policy.canary_chance * compared / units
    return instrument.preregistered_threshold(queries, public_rows, chance=chance)


def _why_none(schema: Schema, policy: Policy) -> str:
    """Return why canaries would not be informative, or nothing."""
    cells = obeying_combinations(schema)
    if schema.public_rows is None:
        return (
            "No canaries: the schema does not declare about how many units the table holds (public_rows), "
            "so the number of planted rows cannot be kept small."
        )
    needed = units_for(1, policy)
    if schema.public_rows < needed:
        return (
            f"No canaries: about {schema.public_rows} units are declared, and at least {needed} are needed "
            "before one row may be planted."
        )
    enough = max(policy.canary_cells, _CELLS_PER_UNIT * schema.public_rows)
    if cells < enough:
        return (
            f"No canaries: the declared domain has only {cells:,} combinations of ordinary values "
            f"(needed: {enough:,}), so an invented row cannot be told from people."
        )
    return ""


def recognised_among(canaries: NDArray[np.int32], sampled: SyntheticTable, threshold: float) -> NDArray[np.bool_]:
    """Return which canaries a freshly sampled table comes nearer to than `threshold`, shape (canaries,)."""
    if not len(canaries):
        return np.empty(0, dtype=np.bool_)
    return instrument.guess_included(
        Records.from_codes(canaries, sampled.schema),
        Records.from_codes(sampled.codes, sampled.schema),
        threshold=threshold,
    )


def is_among(codes: NDArray[np.int32], canaries: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which rows equal some canary, shape (rows,)."""
    known = {row.tobytes() for row in np.ascontiguousarray(canaries)}
    return np.fromiter((row.tobytes() in known for row in np.ascontiguousarray(codes)), np.bool_, len(codes))


def _stamped(table: SyntheticTable) -> SyntheticTable:
    return replace(table, provenance={**table.provenance, _JUDGED: "judged, copies dropped"})
