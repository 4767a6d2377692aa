"""What so many records can show: a suite that finds nothing must say what it could have found.

Without such a statement every small sample would look safe.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import scipy

from dpsynth.attacks.bounds import clopper_pearson
from dpsynth.attacks.significance import fisher_one_sided

_LARGEST_TABLE = 10_000_000
_PRECISION = 1e-9
_CONTROL_HITS = 60


@lru_cache(maxsize=256)
def smallest_detectable_rate(
    members: int, controls: int, *, natural_rate: float, significance: float, power: float = 0.8
) -> float:
    """Return the smallest hit rate among members that Fisher's test finds with probability `power`.

    Args:
        members: number of members.
        controls: number of controls that the test compares with.
        natural_rate: hit rate among controls.
        significance: of this one test, so after division by the number of tests.
        power: wanted probability of finding it.

    Returns:
        a rate between `natural_rate` and 1; 1 where not even certain hits would be found.
    """
    hits = np.arange(controls + 1)
    weights = scipy.special.bdtr(hits, controls, natural_rate) - np.append(
        0.0, scipy.special.bdtr(hits[:-1], controls, natural_rate)
    )
    likely = np.flatnonzero(weights > 1e-9)
    # The critical number rises smoothly with the hits among controls: between a few of them it is interpolated.
    asked = likely[np.unique(np.linspace(0, len(likely) - 1, _CONTROL_HITS).astype(np.intp))]
    found_at: list[int] = []
    guess = members / max(controls, 1) * int(asked[0])
    for place, count in enumerate(asked):
        if place:
            slope = (
                members / controls
                if place == 1
                else (found_at[-1] - found_at[-2]) / (asked[place - 1] - asked[place - 2])
            )
            guess = found_at[-1] + slope * (count - asked[place - 1])
        found_at.append(_critical_hits(members, int(count), controls, significance, guess=round(guess)))
    critical = np.rint(np.interp(likely, asked, found_at)).astype(np.intp)

    def chance(rate: float) -> float:
        found = np.where(critical > members, 0.0, scipy.special.bdtrc(np.minimum(critical, members) - 1, members, rate))
        return float(weights[likely] @ np.where(critical == 0, 1.0, found))

    if members == 0 or controls == 0 or chance(1.0) < power:
        return 1.0
    return _first_above(chance, power, natural_rate, 1.0)


def smallest_detectable_auc(members: int, controls: int, *, significance: float, power: float = 0.8) -> float:
    """Return the smallest AUC that the Mann-Whitney test finds with probability `power`, by its normal law."""
    if members == 0 or controls == 0:
        return 1.0
    deviation = math.sqrt((members + controls + 1) / (12 * members * controls))
    return min(1.0, 0.5 + float(scipy.special.ndtri(1 - significance) + scipy.special.ndtri(power)) * deviation)


@lru_cache(maxsize=64)
def rows_to_decide(*, fpr: float, tolerance: float, confidence: float = 0.95, power: float = 0.9) -> int:
    """Return how many members and as many controls let a safe release pass the TPR limit with probability `power`.

    The number that an inconclusive result quotes; exact for the rule in `dpsynth.attacks.ranking.tpr_evidence`.
    """
    below, above = 1, 2
    while _chance_of_pass(above, fpr, tolerance, confidence) < power:
        below, above = above, above * 2
        if above > _LARGEST_TABLE:
            return _LARGEST_TABLE
    while above - below > max(1, above // 100):
        middle = (below + above) // 2
        decided = _chance_of_pass(middle, fpr, tolerance, confidence) >= power
        below, above = (below, middle) if decided else (middle, above)
    return above


def _chance_of_pass(rows: int, fpr: float, tolerance: float, confidence: float) -> float:
    """Return P[upper bound <= tolerance] for exchangeable members and controls, `rows` of each."""
    ranks = np.arange(1, rows + 1)
    safe = scipy.special.bdtrc(ranks - 1, rows, fpr) <= (1 - confidence) / 2
    if not safe.any():
        return 0.0
    rank = int(ranks[safe][0])
    allowed = _largest_allowed(rows, tolerance, (1 + confidence) / 2)
    if allowed < 0:
        return 0.0
    # More than `allowed` members stand above the rank-th highest control exactly when the top (allowed + rank) of all
    # records hold fewer than `rank` controls: a hypergeometric tail.
    return 1 - fisher_one_sided(allowed + 1, rows, rank - 1, rows)


def _largest_allowed(rows: int, tolerance: float, confidence: float) -> int:
    """Return the most hits whose upper bound stays within `tolerance`, or -1."""
    below, above = -1, rows + 1
    while above - below > 1:
        middle = (below + above) // 2
        fits = middle <= rows and clopper_pearson(middle, rows, confidence=confidence).upper <= tolerance
        below, above = (middle, above) if fits else (below, middle)
    return below


def _critical_hits(members: int, control_hits: int, controls: int, significance: float, *, guess: int) -> int:
    """Return the fewest member hits that are significant beside `control_hits`; members + 1 if none are.

    The search spreads from the guess in growing steps, so a good one costs two tests.
    """
    below, above, step = -1, members + 1, 1
    asked = min(max(guess, 0), members)
    while above - below > 1:
        if not below < asked < above:
            asked = (below + above) // 2
        if fisher_one_sided(asked, members, control_hits, controls) <= significance:
            above, asked = asked, asked - step
        else:
            below, asked = asked, asked + step
        step *= 2
    return above


def _first_above(rising: Callable[[float], float], wanted: float, below: float, above: float) -> float:
    """Return a place, next to the first one, where a rising function has reached what is wanted; it has at `above`.

    Source: M. Dowell and P. Jarratt, A modified regula falsi method, BIT 11 (1971): the Illinois algorithm.
    """
    low, high = rising(below) - wanted, rising(above) - wanted
    last = 0
    while low < 0 and high > _PRECISION and above - below > _PRECISION:
        middle = (below * high - above * low) / (high - low)
        value = rising(middle) - wanted
        side = 1 if value >= 0 else -1
        if side > 0:
            above, high, low = middle, value, low / (2 if last == side else 1)
        else:
            below, low, high = middle, value, high / (2 if last == side else 1)
        last = side
    return above if low < 0 else below
