"""The questions that a policy asks of a release, answered from public and charged values only."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import numpy as np

from dpsynth.accounting.agreement import Agreement
from dpsynth.certification.canaries import JudgedTable
from dpsynth.certification.facts import ReleaseFacts
from dpsynth.certification.gate_checks import attempts_check, audits_check, canary_check, record_check
from dpsynth.certification.policy import Check, Policy, Verdict, written_delta
from dpsynth.schema.table import SyntheticTable

_MOST_NAMED_COLUMNS = 5

_ORDER_OF_MAGNITUDE = 10

CHECK_NAMES = (
    "claimed epsilon",
    "claimed delta",
    "cost of everything that was asked",
    "ledger",
    "source of the noise",
    "size of the training table",
    "declared number of units",
    "empty columns",
    "canaries",
    "record gate",
    "implementation audits",
    "attempts",
)
"""Every check of a policy, in order; a certificate without one of them is none."""

FIRST_CHECK_NAMES = tuple(name for name in CHECK_NAMES if name not in {"record gate", "implementation audits"})
"""The same for certificates that were made before policies were files."""


def policy_checks(facts: ReleaseFacts, judged: JudgedTable, policy: Policy, agreement: Agreement) -> tuple[Check, ...]:
    """Return every check of `policy`, met or not, in the order in which a reader asks."""
    return tuple(_checks(facts, judged, policy, agreement))


def _checks(facts: ReleaseFacts, judged: JudgedTable, policy: Policy, agreement: Agreement) -> Iterator[Check]:
    claim = facts.claim
    units = judged.table.schema.public_rows
    yield Check(
        name="claimed epsilon",
        value=f"{claim.epsilon.normalize():f}",
        limit=f"at most {policy.max_epsilon}",
        reason=policy.reasons["max_epsilon"],
        verdict=_met(claim.epsilon <= policy.max_epsilon),
    )
    yield Check(
        name="claimed delta",
        value=written_delta(claim.delta),
        limit=policy.describe_delta_limit(units),
        reason=policy.reasons["max_delta"],
        verdict=_met(policy.delta_is_admissible(claim.delta, units)),
    )
    yield Check(
        name="cost of everything that was asked",
        value=_describe_cost(facts, agreement),
        limit=f"{'the first' if facts.planned else 'the first two'} at most the claimed {claim.epsilon.normalize():f}",
        reason=(
            "The cost is computed from the list of charges, more than once and by independent methods; where they "
            "disagree beyond what their bounds allow, no certificate is issued at all."
        ),
        # A larger cost has raised AccountantsDisagree before this line.
        verdict=Verdict.PASS,
    )
    yield Check(
        name="ledger",
        value=_describe_ledger(facts),
        limit="the ledger holds the same charges for this release, settled",
        reason="What the certificate lists must be what the books say, or the budget of the data set means nothing.",
        verdict=_met(facts.ledger_agrees()),
    )
    yield Check(
        name="source of the noise",
        value=facts.noise_source,
        limit="the operating system's entropy",
        reason="Noise that somebody can replay can be subtracted; seeded noise is for tests.",
        verdict=_met(facts.noise_certifiable),
    )
    yield Check(
        name="size of the training table",
        value=f"about {facts.noisy_rows:,.0f} rows (noisy estimate){_held_back(facts, policy)}",
        limit=f"at least {policy.minimum_rows} rows",
        reason=policy.reasons["minimum_rows"],
        verdict=Verdict.PASS if facts.noisy_rows >= policy.minimum_rows else Verdict.INCONCLUSIVE,
    )
    yield _declared_units(facts, units)
    yield _empty_columns(judged.table, policy)
    yield canary_check(judged.evidence, facts, policy)
    yield record_check(facts, policy)
    yield audits_check(facts.audits(policy), policy)
    yield attempts_check(facts, policy)


def _describe_cost(facts: ReleaseFacts, agreement: Agreement) -> str:
    losses, renyi = f"{agreement.pld_epsilon} (privacy loss distributions)", f"{agreement.rdp_epsilon} (Renyi)"
    sums, rho = _finite(agreement.gdp_epsilon, "exact sums"), _finite(agreement.zcdp_epsilon, "rho")
    if facts.planned is None:
        return f"epsilon {sums}, {losses}; looser: {renyi}, {rho}; rounded up"
    proven = f"epsilon {agreement.proven_epsilon} for all that the locked plan holds for this release, used or not"
    return f"{proven}; it is the smaller of {losses} and {sums}; looser: {renyi}, {rho}; rounded up"


def _finite(epsilon: Decimal, method: str) -> str:
    return f"{epsilon} ({method})" if epsilon.is_finite() else f"no finite value ({method})"


def _declared_units(facts: ReleaseFacts, units: int | None) -> Check:
    far_too_many = units is not None and facts.noisy_rows * _ORDER_OF_MAGNITUDE < units
    declared = "none declared" if units is None else f"about {units:,} declared"
    return Check(
        name="declared number of units",
        value=f"{declared}, about {facts.noisy_rows:,.0f} rows by the noisy estimate",
        limit=f"at most {_ORDER_OF_MAGNITUDE} times the noisy estimate",
        reason="The declared number doses the canaries and limits delta; far too high, it makes both look better.",
        verdict=Verdict.INCONCLUSIVE if far_too_many else Verdict.PASS,
    )


def _held_back(facts: ReleaseFacts, policy: Policy) -> str:
    share = 100 * float(policy.control_fraction if facts.gate is None else facts.gate.controls)
    return f"; {share:.3g} % of the units were held back from training, for the internal audit"


def _describe_ledger(facts: ReleaseFacts) -> str:
    asked = f"{len(facts.charged)} charges"
    return f"{asked}, as in the ledger" if facts.ledger_agrees() else f"{asked}, but the ledger holds others"


def _empty_columns(table: SyntheticTable, policy: Policy) -> Check:
    limit = float(policy.largest_empty_share)
    shares = empty_shares(table)
    largest = max(shares.values(), default=0.0)
    over = [name for name, share in shares.items() if share > limit]
    named = ", ".join(f"'{name}'" for name in over[:_MOST_NAMED_COLUMNS])
    more = f" and {len(over) - _MOST_NAMED_COLUMNS} more" if len(over) > _MOST_NAMED_COLUMNS else ""
    value = (
        f"these columns carry no information: {named}{more}; compare their values with the schema"
        if over
        else f"at most {100 * largest:.1f} % of the synthetic cells of a column are missing or outside its domain"
    )
    return Check(
        name="empty columns",
        value=value,
        limit=f"at most {100 * limit:.3g} % of the cells of every column",
        reason=policy.reasons["largest_empty_share"],
        verdict=_met(not over),
    )


def empty_shares(table: SyntheticTable) -> dict[str, float]:
    """Return the share of missing and out-of-domain cells of each column of a synthetic table, by name."""
    shares = {}
    for place, column in enumerate(table.schema.columns):
        special = [code for code in (column.missing_code, column.outside_code) if code is not None]
        cells = table.codes[:, place]
        shares[column.name] = float(np.isin(cells, special).mean()) if cells.size else 0.0
    return shares


def _met(condition: bool) -> Verdict:  # noqa: FBT001 - the condition is the whole argument
    return Verdict.PASS if condition else Verdict.FAIL
