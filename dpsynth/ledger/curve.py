"""What counts after an entry, as a reader wants to see it: the epsilon at each of a few deltas.

It describes; it decides nothing. Whether a request fits is the business of the budget's policy, and the promise of a
budget is the budget itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from itertools import repeat

from dpsynth.accounting.budget import epsilon_rounded_up
from dpsynth.accounting.cost import PrivacyCost
from dpsynth.accounting.gaussian_dp import delta_from_mu_squared, epsilon_from_mu_squared
from dpsynth.accounting.zcdp import epsilon_from_rho

DELTAS = {"1e-5": Fraction(1, 10**5), "1e-6": Fraction(1, 10**6), "1e-9": Fraction(1, 10**9)}
"""Where a curve is written down."""

_DELTAS = {name: float(delta) for name, delta in DELTAS.items()}
_STEP = 1e-4
_PLAINLY = 1e-5
_LARGEST = 700.0
_ROOT = math.sqrt(2)

_NOWHERE = (math.inf, -math.inf, math.inf)
_PLAIN: dict[tuple[tuple[str, str], ...], tuple[float, float, float]] = {}
_MOST_PLAIN = 2**16


def curve_of(spent: PrivacyCost) -> dict[str, str]:
    """Return the smallest epsilon that the sums of `spent` prove at each delta, rounded up; none where there is none.

    The sums are those of pure epsilons and of squared mu (of rho, where there is no finite mu); a list with sampled
    events may cost less.
    """
    curve = {}
    for name, delta in DELTAS.items():
        epsilon = _epsilon(spent, delta - spent.delta)
        if epsilon is not None:
            curve[name] = f"{epsilon_rounded_up(epsilon).normalize():f}"
    return curve


def curve_agrees(stated: Mapping[str, str], spent: PrivacyCost) -> bool:
    """Return whether `stated` is `curve_of(spent)`, up to a step of the last decimal."""
    computed = curve_of(spent)
    return stated.keys() == computed.keys() and all(
        abs(float(epsilon) - float(computed[name])) <= 1.5 * _STEP for name, epsilon in stated.items()
    )


def plainly_agrees(stated: Mapping[str, str], pure: float, mu_squared: float) -> bool:
    """Return whether `stated` is plainly the curve of a pure epsilon and a squared mu, without a delta.

    Every entry is asked for at every opening, so this asks whether each number and half a step is plainly enough, and
    a step and a half less plainly too little, which takes a fiftieth of the time; where not, `curve_agrees` decides.
    """
    # More mu needs more epsilon: what is plain at two values is plain between them. Curves come back many times.
    curve = tuple(stated.items())
    least, most, largest = _PLAIN.get(curve, _NOWHERE)
    if least <= mu_squared <= most and largest < pure:
        return True
    if not 0 < mu_squared < math.inf or stated.keys() != DELTAS.keys():
        return False
    mu, epsilons = math.sqrt(mu_squared), tuple(map(float, stated.values()))
    if not all(map(_is_plain, epsilons, repeat(pure), repeat(mu), map(_DELTAS.__getitem__, stated))):
        return False
    if len(_PLAIN) < _MOST_PLAIN:
        _PLAIN[curve] = (min(least, mu_squared), max(most, mu_squared), max(epsilons))
    return True


def _epsilon(spent: PrivacyCost, left: Fraction) -> Fraction | float | None:
    """Return the smallest proven epsilon where `left` of delta is left to convert with."""
    proven: list[Fraction | float] = []
    if spent.epsilon is not None and left >= 0:
        proven.append(spent.epsilon)
    if spent.mu_squared is not None and left > 0:
        proven.append(_converted(spent.mu_squared, left))
    elif spent.rho is not None and left > 0:
        proven.append(epsilon_from_rho(spent.rho, left))
    return min(proven, default=None)


def _converted(mu_squared: Fraction, left: Fraction) -> Fraction | float:
    """Return a whole number of steps that is enough, by the shortest way: found quickly, then checked exactly."""
    mu = math.sqrt(mu_squared)
    if mu == 0:
        return 0.0
    least, most, allowed = 0.0, max(1.0, mu * mu), float(left)
    while _delta(most, mu) > allowed and most < _LARGEST:
        least, most = most, 2 * most
    while most - least > _STEP / 1e5 * max(1.0, most):
        middle = (least + most) / 2
        least, most = (middle, most) if _delta(middle, mu) > allowed else (least, middle)
    steps = math.ceil(most / _STEP)
    for more in range(3):
        if delta_from_mu_squared(mu_squared, (steps + more) * _STEP) <= left:
            return Fraction(steps + more, 10**4)
    return epsilon_from_mu_squared(mu_squared, left)


def _is_plain(epsilon: float, pure: float, mu: float, delta: float) -> bool:
    """Whether `curve_agrees` plainly finds that `epsilon` is at most a step and a half from what it computes."""
    if not 0 <= epsilon < min(pure, _LARGEST):
        return False
    centre, half = epsilon / mu, mu / 2
    above, grown = math.erfc((centre + half) / _ROOT), math.exp(epsilon)
    enough = (math.erfc((centre - half) / _ROOT) - grown * above) / 2
    plenty, needed = delta * (1 - _PLAINLY), delta * (1 + _PLAINLY)
    # What is computed is a whole number of steps, so less than one more than what is enough.
    if enough > plenty and _delta(epsilon + _STEP / 2, mu) > plenty:
        return False
    less = epsilon - 1.5 * _STEP
    if less < 0:
        return True
    # The delta is convex in exp(epsilon), and -above / 2 is its slope there: so much less needs at least so much.
    least = enough - grown * math.expm1(less - epsilon) * above / 2
    return least >= needed or _delta(less, mu) >= needed


def _delta(epsilon: float, mu: float) -> float:
    """Return the delta of what is mu-GDP, to about six digits where it is above 1e-10."""
    centre = epsilon / mu
    below, above = math.erfc((centre - mu / 2) / _ROOT), math.erfc((centre + mu / 2) / _ROOT)
    return (below - math.exp(min(epsilon, _LARGEST)) * above) / 2
