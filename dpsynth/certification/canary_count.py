"""How many canaries a table has room for: planted ones must stay a small part of what is trained on."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import bdtrc

from dpsynth.certification.policy import Policy

_TOO_MANY = 1e-3
"""Chance that coins, which are fair and independent, include more than the limit."""


def most_canaries(units: int, policy: Policy) -> int:
    """Return how many canaries may be drawn for a table of so many declared units.

    Half of `canary_share` of the units is the limit for included ones. Coins have to be independent, so how many they
    include cannot be set; so many are drawn that the limit is kept but for one chance in a thousand.

    Args:
        units: declared number of units.
        policy: how many canaries it aims for, and their share.
    """
    limit = _limit(units, policy)
    counts = np.arange(limit + 1, 2 * limit + 1)
    kept = int(np.count_nonzero(bdtrc(limit, counts, 0.5) <= _TOO_MANY))
    return min(policy.canaries, limit + kept)


def units_for(canaries: int, policy: Policy) -> int:
    """Return the smallest number of declared units for which so many canaries may be drawn.

    Args:
        canaries: at least 1.
        policy: their share.
    """
    limits = np.arange(canaries)
    short = int(np.count_nonzero(bdtrc(limits, canaries, 0.5) > _TOO_MANY))
    return math.ceil(2 * short / policy.canary_share)


def _limit(units: int, policy: Policy) -> int:
    return math.floor(policy.canary_share * units / 2)
