"""Significance of what an attack found, under the hypothesis that members and controls are exchangeable."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def fisher_one_sided(member_hits: int, members: int, control_hits: int, controls: int) -> float:
    """Return the probability of at least `member_hits` hits among members, given the total number of hits.

    Source: R. A. Fisher, Statistical Methods for Research Workers (1934), section 21.02: the upper hypergeometric tail.
    """
    hits = member_hits + control_hits
    total = members + controls
    mean = hits * members / max(total, 1)
    # Terms fall off at least as fast as a normal law beyond the mean; what is left out is below 1e-30 of the sum.
    reach = math.ceil(12 * math.sqrt(mean * controls / max(total, 1))) + 60
    fewest, most = max(member_hits, hits - controls), min(members, hits)
    if fewest > most:
        return 0.0
    before = np.arange(fewest, min(most, max(fewest, math.ceil(mean)) + reach))
    # Each term is the one before it times a ratio of four small numbers: one factorial law for all of them.
    ratios = (members - before) * (hits - before) / ((before + 1.0) * (controls - hits + before + 1.0))
    logs = np.zeros(before.size + 1)
    np.log(ratios, out=logs[1:])
    np.cumsum(logs, out=logs)
    logs += _log_binomial(members, fewest) + _log_binomial(controls, hits - fewest) - _log_binomial(total, hits)
    return min(1.0, float(np.exp(logs, out=logs).sum()))


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


def _log_binomial(total: int, chosen: int) -> float:
    """Return log(total choose chosen), of a possible choice."""
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)
