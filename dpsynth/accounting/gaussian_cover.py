"""The smallest Gaussian that covers an event, but for a small probability that the event fails outright.

What has no finite mu, or a large one, often is nearly Gaussian: a thousand steps of training are. It then costs the
adaptive filter that mu and the small probability. `docs/design/gaussian_cover.md` proves that this is sound, and says
how the comparison of two curves is made rigorous.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from dpsynth.accounting.budget import exact_decimal
from dpsynth.accounting.events import DpEvent, GaussianCoverDpEvent
from dpsynth.accounting.gaussian import gaussian_deltas
from dpsynth.accounting.gaussian_dp import MU_SQUARED_RESOLUTION
from dpsynth.accounting.pld import PldAccountant
from dpsynth.errors import InvalidInput

_POINTS = 301
_BEYOND = 1.02
_LARGEST_MU = 32.0
_LARGEST_EPSILON = 300.0
_MARGIN = 1 + 1e-6
_ROUNDING = 1e-9
_STEPS = 60


def covered(event: DpEvent, delta: float | int | str | Decimal) -> GaussianCoverDpEvent:
    """Return `event` as one that fails with probability `delta` and otherwise costs the smallest squared mu.

    A tenth of the delta that the budget sets aside for its events is usually a good choice: with less, mu has to follow
    the event further into its tail.

    Raises:
        InvalidInput: no accountant knows the event, it fails with more than `delta`, or no mu up to 32 covers it.
    """
    share = exact_decimal("delta", delta)
    return GaussianCoverDpEvent(event, share, gaussian_cover(event, share))


def gaussian_cover(event: DpEvent, delta: Decimal) -> Fraction:
    """Return the smallest squared mu that covers `event` but for `delta`, rounded up by a relative 2e-6.

    What is rounded up is far above what another version of the numerical libraries changes, so that a cover that was
    found once is found to hold for ever.

    Raises:
        InvalidInput: no accountant knows the event, it fails with more than `delta`, or no mu up to 32 covers it.
    """
    curve = _profile(event, delta)
    if curve is None:
        raise InvalidInput(f"the event fails outright with more than delta {delta:g}, or its losses are too large")
    epsilons, needed = curve
    least, most = 0.0, 1.0
    while not _lies_above(most, epsilons, needed):
        least, most = most, 2 * most
        if most > _LARGEST_MU:
            raise InvalidInput(f"no mu up to {_LARGEST_MU:g} covers the event; it protects nobody")
    for _ in range(_STEPS):
        middle = (least + most) / 2
        if _lies_above(middle, epsilons, needed):
            most = middle
        else:
            least = middle
    return math.ceil(Fraction(most * _MARGIN) ** 2 / MU_SQUARED_RESOLUTION) * MU_SQUARED_RESOLUTION


@lru_cache(maxsize=1024)
def covers(event: DpEvent, delta: Decimal, mu_squared: Fraction) -> bool:
    """Return whether `event` is mu-GDP but for a probability of `delta`, as far as can be proven.

    Raises:
        InvalidInput: no accountant knows the event.
    """
    if not 0 < mu_squared <= 2 * _LARGEST_MU**2:
        return False
    curve = _profile(event, delta)
    return curve is not None and _lies_above(math.sqrt(mu_squared) * (1 - 1e-15), *curve)


def _profile(event: DpEvent, delta: Decimal) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return epsilons from 0 on, and upper bounds of what a Gaussian has to reach there; the last of them is 0.

    None where the bound on the event does not fall to `delta`.
    """
    accountant, share = PldAccountant().compose(event), float(delta) * (1 - _ROUNDING)
    end = accountant.get_epsilon(share)
    if end > _LARGEST_EPSILON:
        return None
    for beyond in (_BEYOND, _BEYOND**4):
        epsilons = np.linspace(0.0, max(beyond * end, 1e-9), _POINTS)
        needed = np.maximum(accountant.get_deltas(epsilons, share) - share, 0.0) / (1 - share) * (1 + _ROUNDING)
        if needed[-1] == 0.0:
            return epsilons, needed
    return None


def _lies_above(mu: float, epsilons: NDArray[np.float64], needed: NDArray[np.float64]) -> bool:
    """Return whether delta of mu-GDP lies above what is needed at every epsilon, those between the points included.

    Both curves are convex in e^epsilon. Between two points the needed one is at most its chord, and that of mu-GDP at
    least its tangent in the middle; of two straight lines it is enough to compare the ends.
    """
    middle = (epsilons[:-1] + epsilons[1:]) / 2
    half = (epsilons[1] - epsilons[0]) / 2
    height = gaussian_deltas(middle, mu)
    slope = np.exp(middle) * ndtr(-middle / mu - mu / 2)
    left = height - slope * math.expm1(-half) * (1 - _ROUNDING)
    right = height - slope * math.expm1(half) * (1 + _ROUNDING)
    return bool(np.all(left >= needed[:-1]) and np.all(right >= needed[1:]))
