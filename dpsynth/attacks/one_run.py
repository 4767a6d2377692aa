"""A11, the arithmetic: what correct guesses about coins say about epsilon, from one single run.

Each of m canaries was put into the training table by an independent fair coin. If training is (epsilon, delta)-DP, the
coins can hardly be guessed from the output, whatever the guesser does and however many coins it leaves open. More
correct guesses than that refute the claim. The bound refutes; it never confirms.

Source: T. Steinke, M. Nasr, M. Jagielski, Privacy Auditing with One (1) Training Run, NeurIPS 2023 (arXiv 2305.08846),
Theorem 5.2 and Appendix D.
"""

from __future__ import annotations

import math

import numpy as np
import scipy

from dpsynth.errors import InvalidInput

_BISECTIONS = 60
_MOST_GUESSES = 100_000
_ROUNDING = 1e-9
"""Lets 0.7 * 10 count as 7."""


def one_run_p_value(*, canaries: int, guesses: int, correct: int, epsilon: float, delta: float = 0.0) -> float:
    """Return the largest probability of so many correct guesses under any (epsilon, delta)-DP training.

    Args:
        canaries: number of independent fair coins.
        guesses: how many of them were guessed; the others were left open.
        correct: how many guesses were right.
        epsilon: the claim.
        delta: the claim.

    Raises:
        InvalidInput: unless 0 <= correct <= guesses <= canaries, epsilon >= 0 and 0 <= delta <= 1.
    """
    if not 0 <= correct <= guesses <= canaries or not epsilon >= 0 or not 0 <= delta <= 1:
        raise InvalidInput("a one-run bound needs 0 <= correct <= guesses <= canaries, epsilon >= 0, 0 <= delta <= 1")
    if correct == 0:
        return 1.0
    accuracy = float(scipy.special.expit(epsilon))
    at_least = float(scipy.special.bdtrc(correct - 1, guesses, accuracy))
    if delta == 0:
        return min(1.0, at_least)
    # steps i = 1 .. correct: P[correct - i <= Binomial < correct] / i, a few fewer right guesses bought with delta.
    steps = np.arange(1, correct + 1)
    just_below = scipy.special.bdtrc(correct - 1 - steps, guesses, accuracy) - at_least
    return min(1.0, at_least + 2 * canaries * delta * max(0.0, float((just_below / steps).max())))


def one_run_epsilon_lower(
    *, canaries: int, guesses: int, correct: int, delta: float = 0.0, confidence: float = 0.95
) -> float:
    """Return an epsilon that training exceeds with probability `confidence`; 0 where the guesses refute nothing.

    Arguments and errors as in `one_run_p_value`. Found by bisection and rounded down: below a significance of one
    half the p-value grows with epsilon, so what is not refuted is an interval without upper end.
    """
    significance = 1 - confidence

    def refuted(epsilon: float) -> bool:
        p_value = one_run_p_value(canaries=canaries, guesses=guesses, correct=correct, epsilon=epsilon, delta=delta)
        return p_value <= significance

    if not refuted(0.0):
        return 0.0
    below, above = 0.0, 1.0
    while refuted(above):
        below, above = above, 2 * above
    for _ in range(_BISECTIONS):
        middle = (below + above) / 2
        below, above = (middle, above) if refuted(middle) else (below, middle)
    return below


def largest_refutable_epsilon(canaries: int, *, delta: float = 0.0, confidence: float = 0.95) -> float:
    """Return the lower bound when half of the canaries were included and every one of those was caught."""
    caught = canaries // 2
    return one_run_epsilon_lower(canaries=canaries, guesses=caught, correct=caught, delta=delta, confidence=confidence)


def guesses_needed(epsilon: float, *, accuracy: float = 1.0, confidence: float = 0.95) -> int | None:
    """Return the fewest guesses that refute `epsilon` (delta 0) at the given accuracy, or None if none are enough.

    Of r guesses, `accuracy` * r rounded down are right. No number of guesses is enough at or below the accuracy
    exp(epsilon) / (1 + exp(epsilon)) that the claim itself allows.
    """
    if accuracy <= float(scipy.special.expit(epsilon)):
        return None
    for guesses in range(1, _MOST_GUESSES):
        correct = math.floor(accuracy * guesses + _ROUNDING)
        p_value = one_run_p_value(canaries=guesses, guesses=guesses, correct=correct, epsilon=epsilon)
        if p_value <= 1 - confidence:
            return guesses
    return None
