"""How many more members than controls are hit, where people count with weights.

Weights depend on a person's own record and on the reference, never on who is a member, so the hits of members and
controls are exchangeable as they are without weights.
"""

from __future__ import annotations

import math

import numpy as np
import scipy
from numpy.typing import NDArray

from dpsynth.attacks.bounds import Interval
from dpsynth.attacks.ranking import Evidence

LEVELS = 16
"""Weights are multiples of one over this, so that sums are exact and their law can be written down."""

_SMALLEST = 1e-12
"""What is left of a p-value after the rounding errors of a Fourier transform."""


def weighted_evidence(members: NDArray[np.float64], controls: NDArray[np.float64], *, confidence: float) -> Evidence:
    """Return the weighted share of members hit minus the weighted share of controls hit.

    Args:
        members: weights, negative for people who are not hit, shape (members,).
        controls: likewise, shape (controls,).
        confidence: of each bound.

    The p-value is exact for people who are members by independent coins, which is what a fair split does; with the
    numbers of both fixed it is a little too large. Bounds are normal, each after adding one person of the largest
    weight who speaks against it, so that a few hits do not claim certainty.

    Source: for the variance of a ratio of two sums, W. G. Cochran, Sampling Techniques (1977), section 2.11.
    """
    empty = Evidence(Interval(0.0, -1.0, 1.0, confidence), 1.0, 0.0)
    if not (members != 0).any() or not (controls != 0).any():
        return empty
    sides = [np.rint(np.sort(side[side != 0]) * LEVELS) for side in (members, controls)]
    rates = [_rate(side) for side in sides]
    against = max(float(np.abs(side).max()) for side in sides)
    width = float(scipy.special.ndtri(confidence))
    bounds = []
    for place, sign in ((1, -1), (0, 1)):
        shifted = list(sides)
        shifted[place] = np.append(shifted[place], against)
        (first, first_variance), (second, second_variance) = (_rate(side) for side in shifted)
        bounds.append(first - second + sign * width * math.sqrt(first_variance + second_variance))
    estimate = rates[0][0] - rates[1][0]
    interval = Interval(estimate, max(-1.0, min(bounds[0], estimate)), min(1.0, max(bounds[1], estimate)), confidence)
    share = members.size / (members.size + controls.size)
    hit = [side[side > 0] for side in sides]
    return Evidence(interval, _p_value(hit[0], hit[1], share), rates[1][0])


def _rate(side: NDArray[np.float64]) -> tuple[float, float]:
    """Return the weighted share of people hit, and the variance of that share."""
    weights = np.abs(side)
    total = float(weights.sum())
    rate = float(side[side > 0].sum()) / total
    off = weights * ((side > 0) - rate)
    return rate, float((off**2).sum()) / total**2


def _p_value(members: NDArray[np.float64], controls: NDArray[np.float64], share: float) -> float:
    """Return the chance that hits whose sides are dealt by coins put as much weight on the members, or more.

    Args:
        members: levels of the weights of members hit.
        controls: of controls hit.
        share: chance that a person is a member.
    """
    counts = np.bincount(np.concatenate([members, controls]).astype(np.intp), minlength=2)
    most, reached = int(counts @ np.arange(counts.size)), int(members.sum())
    if reached == 0:
        return 1.0
    # The law of a sum of independent terms: the product of their characteristic functions.
    size = scipy.fft.next_fast_len(most + 1, real=True)
    turns = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    product = np.ones(turns.size, dtype=np.complex128)
    for level in np.flatnonzero(counts):
        product *= (1 - share + share * turns**level) ** int(counts[level])
    law = np.maximum(scipy.fft.irfft(product, n=size), 0.0)
    return float(np.clip(law[reached : most + 1].sum(), _SMALLEST, 1.0))
