"""Significance of what an attack found, under the hypothesis that members and controls are exchangeable."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import NDArray


def fisher_one_sided(member_hits: int, members: int, control_hits: int, controls: int) -> float:
    """Return the probability of at least `member_hits` hits among members, given the total number of hits.

    Source: R. A. Fisher, Statistical Methods for Research Workers (1934), section 21.02: the upper hypergeometric tail.
    """
    hits = member_hits + control_hits
    total = members + controls
    mean = hits * members / max(total, 1)
    # Terms fall off at least as fast as a normal law beyond the mean; what is left out is below 1e-30 of the sum.
    reach = math.ceil(12 * math.sqrt(mean * controls / max(total, 1))) + 60
    among_members = np.arange(member_hits, min(members, hits, max(member_hits, math.ceil(mean)) + reach) + 1)
    logs = (
        _log_binomial(members, among_members)
        + _log_binomial(controls, hits - among_members)
        - _log_binomial(members + controls, np.array(hits))
    )
    return min(1.0, float(np.exp(logs).sum()))


def holm_adjusted(p_values: Sequence[float], weights: Sequence[float] | None = None) -> tuple[float, ...]:
    """Return p-values that may all be compared with one significance for the whole family, in the order given.

    Args:
        p_values: one per hypothesis.
        weights: positive, fixed before any row was seen; a hypothesis of twice the weight is tested with twice the
            significance at first. Equal weights by default.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statistics 6 (1979), sections 2
    and 4.
    """
    count = len(p_values)
    shares = np.ones(count) if weights is None else np.asarray(weights, dtype=np.float64)
    weighted = [p_value / share for p_value, share in zip(p_values, shares, strict=True)]
    order = sorted(range(count), key=lambda position: weighted[position])
    # What is left to share out before each step, added up from the smallest end.
    left = np.cumsum(shares[order][::-1])[::-1]
    adjusted = [1.0] * count
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, float(left[rank]) * weighted[place]))
        adjusted[place] = largest
    return tuple(adjusted)


def _log_binomial(total: int, chosen: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return log(total choose chosen), minus infinity where impossible."""
    possible = (chosen >= 0) & (chosen <= total)
    inside = np.where(possible, chosen, 0)
    log_factorial = scipy.special.gammaln
    logs = log_factorial(total + 1) - log_factorial(inside + 1) - log_factorial(total - inside + 1)
    return np.where(possible, logs, -np.inf)
