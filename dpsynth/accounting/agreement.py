"""Two accountants have to agree with the proof before a certificate is issued.

The claim of a certificate is proven by adding rho, or pure epsilons, exactly. The Renyi and the privacy-loss accountant
reach their values on other ways, from the same list of events, and are here to find mistakes. The design note
`docs/design/accounting.md` shows that a right implementation always passes, and which mistakes are caught.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from dpsynth.accounting.accountant import simple_events
from dpsynth.accounting.budget import PrivacyBudget, epsilon_rounded_up
from dpsynth.accounting.cost import PrivacyCost, cost_of
from dpsynth.accounting.events import DpEvent, ExponentialDpEvent
from dpsynth.accounting.zcdp import epsilon_from_rho
from dpsynth.errors import AccountantsDisagree

if TYPE_CHECKING:
    from dpsynth.accounting.pld import PldAccountant
    from dpsynth.accounting.rdp import RdpAccountant

ABSOLUTE_TOLERANCE = 1e-6
RELATIVE_TOLERANCE = 1e-5
"""By how much a privacy-loss value may lie above the Renyi value: the pessimism of its grid, and nothing else."""

_FLOATING_POINT = 1e-9
_LARGEST_RATIO = 2.0
_SMALL = 0.1
_LARGEST_COMPARED = 5.0


@dataclass(frozen=True, slots=True)
class Agreement:
    """The cost of one release under three accountants, each rounded up at the fourth decimal.

    Attributes:
        zcdp_epsilon: from exact sums of rho or of pure epsilons, whichever is smaller: the proof of the claim.
        rdp_epsilon: from Renyi divergences.
        pld_epsilon: from privacy-loss distributions.
    """

    zcdp_epsilon: Decimal
    rdp_epsilon: Decimal
    pld_epsilon: Decimal


def cross_check(event: DpEvent, claim: PrivacyBudget) -> Agreement:
    """Return the cost of `event` at the delta of `claim` under three accountants that agree.

    Raises:
        AccountantsDisagree: some accountant finds more than the claim, or two accountants cannot both be right.
        InvalidInput: some part of `event` is not supported.
    """
    # Both need SciPy, which is loaded where something is certified and not by everybody who imports the package.
    from dpsynth.accounting.pld import PldAccountant
    from dpsynth.accounting.rdp import RdpAccountant

    summed = _epsilon_of_sums(cost_of(event), claim.delta)
    if summed is None:
        raise AccountantsDisagree(
            "the sums of rho and of pure epsilon are both infinite, or the events' own deltas exceed the claim; the "
            "other accountants alone prove nothing"
        )
    renyi, losses = RdpAccountant().compose(event), PldAccountant().compose(event)
    rdp, pld = renyi.get_epsilon(claim.delta), losses.get_epsilon(claim.delta)
    found = f"the Renyi accountant finds epsilon {rdp:.6g}, the privacy-loss accountant {pld:.6g}"
    if not rdp * (1 + RELATIVE_TOLERANCE) + ABSOLUTE_TOLERANCE >= pld:
        raise AccountantsDisagree(f"{found}; the second can never be larger")
    if rdp * (1 - _FLOATING_POINT) - ABSOLUTE_TOLERANCE > summed:
        raise AccountantsDisagree(f"{found}; neither can be above the sum, which is {float(summed):.6g}")
    if rdp > _LARGEST_RATIO * pld + _SMALL:
        raise AccountantsDisagree(f"{found}; they should not be that far apart")
    _require_equal_divergence(event, renyi, losses)
    if Fraction(summed) > Fraction(claim.epsilon):
        raise AccountantsDisagree(f"{claim} is claimed, but the events cost epsilon {float(summed):.6g}; {found}")
    return Agreement(
        zcdp_epsilon=epsilon_rounded_up(summed),
        rdp_epsilon=epsilon_rounded_up(rdp),
        pld_epsilon=epsilon_rounded_up(min(pld, rdp)),
    )


def _epsilon_of_sums(cost: PrivacyCost, delta: Decimal) -> Fraction | float | None:
    """Return what `AdaptiveFilter` would need for `cost`, by the better of its two sums."""
    left = Fraction(delta) - cost.delta
    if left < 0:
        return None
    converted = None if cost.rho is None or left == 0 else epsilon_from_rho(cost.rho, left)
    if cost.epsilon is None or (converted is not None and converted < cost.epsilon):
        return converted
    return cost.epsilon


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
