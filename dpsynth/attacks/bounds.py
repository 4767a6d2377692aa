"""Intervals for proportions: what a count of hits can and cannot say.

All bounds are one-sided, because the questions are: is the risk certainly above the limit, is it certainly below?
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import scipy

from dpsynth.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate between two bounds.

    Attributes:
        estimate: the point estimate.
        lower: with probability `confidence`, the true value is not below this.
        upper: with probability `confidence`, the true value is not above this.
        confidence: of each bound on its own; both hold together with at least 2 * confidence - 1, so two bounds of
            95 % make an interval of 90 %.
    """

    estimate: float
    lower: float
    upper: float
    confidence: float

    def __post_init__(self) -> None:
        """Refuse intervals that contradict themselves."""
        if not self.lower <= self.estimate <= self.upper or not 0.5 <= self.confidence < 1:
            raise InvalidInput("an interval needs lower <= estimate <= upper and a confidence in [0.5, 1)")


def clopper_pearson(successes: int, trials: int, *, confidence: float) -> Interval:
    """Return the exact interval for the probability behind `successes` out of `trials`; [0, 1] without trials.

    Raises:
        InvalidInput: if there are more successes than trials.

    Source: C. J. Clopper and E. S. Pearson, Biometrika 26 (1934).
    """
    if not 0 <= successes <= trials:
        raise InvalidInput("a proportion needs 0 <= successes <= trials")
    if trials == 0:
        return Interval(0.5, 0.0, 1.0, confidence)
    failures = trials - successes
    lower = float(scipy.special.betaincinv(successes, failures + 1, 1 - confidence)) if successes else 0.0
    upper = float(scipy.special.betaincinv(successes + 1, failures, confidence)) if failures else 1.0
    return Interval(successes / trials, lower, upper, confidence)


def difference_of_proportions(first: Interval, second: Interval) -> Interval:
    """Return the interval for the first probability minus the second, of two independent samples.

    Combines the bounds by square and add. With Clopper-Pearson bounds in place of Newcombe's score bounds it is wider
    than his method 10, and stays honest where nothing was hit.

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998) 873, method 10.
    """
    estimate = first.estimate - second.estimate
    below = math.hypot(first.estimate - first.lower, second.upper - second.estimate)
    above = math.hypot(first.upper - first.estimate, second.estimate - second.lower)
    confidence = min(first.confidence, second.confidence)
    return Interval(estimate, max(estimate - below, -1.0), min(estimate + above, 1.0), confidence)


def excess_risk(
    member_successes: int, member_trials: int, control_successes: int, control_trials: int, *, confidence: float
) -> Interval:
    """Return the interval for (p - c) / (1 - c), with success rates p among members and c among controls.

    It is 1 - (1 - p) / (1 - c): the share that membership adds to what could not be had without it. Its bounds combine
    those of the two rates of failure, which are Clopper-Pearson's, by square and add on logarithms: wider than the
    method with score bounds, and honest where little fails. Where one side never fails, two Clopper-Pearson bounds take
    half of the error each. Where certain success among controls is possible, there may be nothing left to add: the
    value there counts as 0, and values below -1 are given as -1.

    Raises:
        InvalidInput: if there are more successes than trials.

    Source: M. Giomi et al., PoPETs 2023 (arXiv 2211.10459), section 4.4, equation 5, there with normal bounds;
    G. Y. Zou and A. Donner, Statistics in Medicine 27 (2008) 1693, section 3.3, for ratios of two proportions.
    """
    counts = (member_successes, member_trials), (control_successes, control_trials)
    never_fails = any(successes == trials for successes, trials in counts)
    each = (1 + confidence) / 2 if never_fails else confidence
    member, control = (clopper_pearson(*count, confidence=each) for count in counts)
    estimate = _share_added(member.estimate, control.estimate)
    if never_fails:
        lower, upper = _share_added(member.lower, control.upper), _share_added(member.upper, control.lower)
    else:
        kept = (1 - member.estimate) / (1 - control.estimate)
        more = math.hypot(_log_failures(member.lower, member.estimate), _log_failures(control.estimate, control.upper))
        less = math.hypot(_log_failures(member.estimate, member.upper), _log_failures(control.lower, control.estimate))
        lower, upper = max(-1.0, 1 - kept * math.exp(more)), 1 - kept * math.exp(-less)
    return Interval(estimate, min(lower, estimate), max(upper, estimate), confidence)


def _log_failures(smaller: float, larger: float) -> float:
    """Return the logarithm of the ratio of the rates of failure that belong to two rates of success."""
    return math.log1p(-smaller) - math.log1p(-larger)


def _share_added(member_rate: float, control_rate: float) -> float:
    if control_rate >= 1:
        return 0.0 if member_rate >= 1 else -1.0
    return max(-1.0, (member_rate - control_rate) / (1 - control_rate))
