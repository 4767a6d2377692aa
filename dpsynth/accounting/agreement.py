"""Two accountants have to agree with the proof before a certificate is issued.

The claim of a certificate is proven by adding squared mu, or pure epsilons, exactly. The privacy-loss and the Renyi
accountant reach their values on other ways, from the same list of events, and are here to find mistakes. Renyi values
are looser: they may lie above the claim. What was charged to a position of a locked plan is proven by privacy-loss
distributions as well, because its parameters were fixed before anything was seen. The design note
`docs/design/accounting.md` shows that a right implementation always passes, and which mistakes are caught.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from dpsynth.accounting.accountant import simple_events
from dpsynth.accounting.budget import PrivacyBudget, epsilon_rounded_up
from dpsynth.accounting.cost import PrivacyCost, cost_of, total_cost
from dpsynth.accounting.events import DpEvent, ExponentialDpEvent, SelfComposedDpEvent
from dpsynth.accounting.gaussian_dp import epsilon_from_mu_squared
from dpsynth.accounting.locked_plan import pays_for
from dpsynth.accounting.zcdp import epsilon_from_rho
from dpsynth.errors import AccountantsDisagree, InvalidInput

if TYPE_CHECKING:
    from dpsynth.accounting.pld import PldAccountant
    from dpsynth.accounting.rdp import RdpAccountant

ABSOLUTE_TOLERANCE = 1e-6
RELATIVE_TOLERANCE = 1e-5
"""By how much a privacy-loss value may lie above the sum or the Renyi value: the pessimism of its grid, no more."""

_FLOATING_POINT = 1e-9
_LARGEST_RATIO = 2.0
_SMALL = 0.1
_LARGEST_COMPARED = 5.0
_SMOOTHED = 1e-3


@dataclass(frozen=True, slots=True)
class Agreement:
    """The cost of one release under four accountants, each rounded up at the fourth decimal.

    Attributes:
        gdp_epsilon: from exact sums of squared mu or of pure epsilons, whichever is smaller: the proof of the claim.
            Where an event has no finite mu, from sums of rho in place of squared mu. Infinite where no sum is finite,
            which only a plan allows.
        zcdp_epsilon: from exact sums of rho or of pure epsilons; looser.
        rdp_epsilon: from Renyi divergences; looser too.
        pld_epsilon: from privacy-loss distributions.
        proven_epsilon: what proves the claim: `gdp_epsilon`, or for a plan `pld_epsilon`, if that is smaller.
    """

    gdp_epsilon: Decimal
    zcdp_epsilon: Decimal
    rdp_epsilon: Decimal
    pld_epsilon: Decimal
    proven_epsilon: Decimal


def cross_check(event: DpEvent, claim: PrivacyBudget, *, planned: DpEvent | None = None) -> Agreement:
    """Return the cost of `event` at the delta of `claim` under four accountants that agree.

    Args:
        event: everything that was charged.
        claim: what the certificate would say.
        planned: the event at the position of a locked plan that pays for `event`; None where none does. It counts
            whole, whatever part of it was used, and another method has to confirm its privacy losses.

    Raises:
        AccountantsDisagree: what proves the claim exceeds it, `planned` does not pay for `event`, or two accountants
            cannot both be right.
        InvalidInput: some part of `event` is not supported.
    """
    # Both need SciPy, which is loaded where something is certified and not by everybody who imports the package.
    from dpsynth.accounting.pld import PldAccountant
    from dpsynth.accounting.rdp import RdpAccountant

    if planned is not None:
        if not pays_for(planned, [event]):
            raise AccountantsDisagree("the planned event does not pay for what was charged")
        event = planned
    cost, uncovered = cost_of(event), _cost_without_covers(event)
    summed, concentrated = _epsilon_of_sums(cost, claim.delta), _epsilon_of_sums(_without_mu(cost), claim.delta)
    if planned is None and (summed is None or concentrated is None):
        raise AccountantsDisagree(
            "the sums of squared mu, of rho and of pure epsilon are all infinite, or the events' own deltas exceed the "
            "claim; the other accountants alone prove nothing"
        )
    summed = math.inf if summed is None else summed
    concentrated = math.inf if concentrated is None else concentrated
    renyi, losses = RdpAccountant().compose(event), PldAccountant().compose(event)
    rdp, pld = renyi.get_epsilon(claim.delta), losses.get_epsilon(claim.delta)
    found = f"the Renyi accountant finds epsilon {rdp:.6g}, the privacy-loss accountant {pld:.6g}"
    if not rdp * (1 + RELATIVE_TOLERANCE) + ABSOLUTE_TOLERANCE >= pld:
        raise AccountantsDisagree(f"{found}; the second can never be larger")
    if not float(summed) * (1 + RELATIVE_TOLERANCE) + ABSOLUTE_TOLERANCE >= pld:
        raise AccountantsDisagree(f"{found}; the second can never be above the sum, which is {float(summed):.6g}")
    # Both accountants count the tail under a cover, and take its delta off all the same.
    by_rho = _epsilon_of_sums(PrivacyCost(uncovered.rho, uncovered.epsilon, cost.delta), claim.delta)
    if by_rho is not None and rdp * (1 - _FLOATING_POINT) - ABSOLUTE_TOLERANCE > by_rho:
        raise AccountantsDisagree(f"{found}; the first can never be above the sum of rho, {float(by_rho):.6g}")
    if rdp > _LARGEST_RATIO * pld + _SMALL:
        raise AccountantsDisagree(f"{found}; they should not be that far apart")
    _require_equal_divergence(event, renyi, losses)
    audited = _is_within_audit(event, claim.delta, pld)
    proven = summed if planned is None else min(summed, pld)
    if proven > Fraction(claim.epsilon):
        raise AccountantsDisagree(f"{claim} is claimed, but the events cost epsilon {float(proven):.6g}; {found}")
    if min(summed, rdp) > Fraction(claim.epsilon) and not audited:
        raise AccountantsDisagree(f"{found}; only the second is within {claim}, and no other method confirms it")
    return Agreement(
        gdp_epsilon=_rounded_up(summed),
        zcdp_epsilon=_rounded_up(concentrated),
        rdp_epsilon=_rounded_up(rdp),
        pld_epsilon=_rounded_up(min(pld, rdp, summed)),
        proven_epsilon=_rounded_up(proven),
    )


def _rounded_up(epsilon: Fraction | float) -> Decimal:
    return Decimal("Infinity") if epsilon == math.inf else epsilon_rounded_up(epsilon)


def _epsilon_of_sums(cost: PrivacyCost, delta: Decimal) -> Fraction | float | None:
    """Return what `AdaptiveFilter` would need for `cost`, by the better of its two sums, or None."""
    left = Fraction(delta) - cost.delta
    if left < 0:
        return None
    converted: Fraction | float | None = None
    if left and cost.mu_squared is not None:
        converted = epsilon_from_mu_squared(cost.mu_squared, left)
    elif left and cost.rho is not None:
        converted = epsilon_from_rho(cost.rho, left)
    if cost.epsilon is None or (converted is not None and converted < cost.epsilon):
        return converted
    return cost.epsilon


def _cost_without_covers(event: DpEvent) -> PrivacyCost:
    """Return the sums over what accountants see: a cover hides the tail of an event, and moments count it."""
    parts = simple_events(event).items()
    return total_cost(cost_of(SelfComposedDpEvent(part, count)) for part, count in parts)


def _without_mu(cost: PrivacyCost) -> PrivacyCost:
    return PrivacyCost(cost.rho, cost.epsilon, cost.delta)


def _is_within_audit(event: DpEvent, delta: Decimal, pld: float) -> bool:
    """Compare with an interval of another method, and return whether there is one: where every event has a law.

    Above, a tenth of a percent is left for integer noise that the accountant smooths.
    """
    from dpsynth.accounting.loss_audit import audit_epsilon

    try:
        audited = audit_epsilon(event, delta)
    except InvalidInput:
        return False
    least = audited.lowest * (1 - RELATIVE_TOLERANCE) - ABSOLUTE_TOLERANCE
    if not least <= pld <= audited.highest * (1 + _SMOOTHED) + ABSOLUTE_TOLERANCE:
        raise AccountantsDisagree(
            f"the privacy-loss accountant finds epsilon {pld:.6g}, and an audit by another method one between "
            f"{audited.lowest:.6g} and {audited.highest:.6g}"
        )
    return True


def _require_equal_divergence(event: DpEvent, renyi: RdpAccountant, losses: PldAccountant) -> None:
    """Compare both accountants at order two, where they agree to a percent: one lost event in fifty shows.

    There the divergence of the integer Gaussian is exactly that of the continuous one, and the two bounds on a
    bounded-range draw, epsilon^2 / 4 and 2 log cosh(epsilon / 2), differ by less than epsilon^4 / 96.
    """
    first, second = renyi.get_renyi_divergence(2.0), losses.get_renyi_divergence(2.0)
    if first > _LARGEST_COMPARED:
        return
    slack = ABSOLUTE_TOLERANCE * 1e-3 + 2 * float(cost_of(event).delta)
    for part, count in simple_events(event).items():
        slack += count * (float(part.epsilon) ** 4 / 96 if isinstance(part, ExponentialDpEvent) else 4e-12)
    if not 0.995 * second - slack <= first <= 1.005 * second + slack:
        raise AccountantsDisagree(
            f"the divergence of order two is {first:.6g} for the Renyi accountant and {second:.6g} for the other"
        )
