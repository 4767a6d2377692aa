"""A11 for Gaussian mechanisms: what correct guesses about coins say about mu, from one single run.

The bound in `dpsynth.attacks.one_run` holds for every (epsilon, delta)-DP training and has to allow for the worst one.
If the claim is Gaussian differential privacy, the whole trade-off curve is claimed, and fewer guesses refute it.

Let p_i be the probability of exactly i correct guesses out of r, with m coins. Under mu-GDP, for every c,

    sum over i >= c of i/m p_i  <=  Phi(Phi^-1(sum over i >= c of (r - i + 1)/m p_{i-1}) + mu):

a coin that is guessed right may as well have fallen the other way, and then the same guess is wrong. From a tail in
question these inequalities are followed down; if what they ask for in the end exceeds all probability there is, so
large a tail is impossible.

Source: S. Mahloujifar, L. Melis, K. Chaudhuri, Auditing f-Differential Privacy in One Run, 2024 (arXiv 2410.22235),
Theorem 9 and Algorithm 3, for two choices per canary; J. Dong, A. Roth, W. Su, Gaussian Differential Privacy, JRSS B 84
(2022), Definition 2.6 and Corollary 1.
"""

from __future__ import annotations

import math

import scipy

from dpsynth.attacks.bounds import clopper_pearson
from dpsynth.errors import InvalidInput

_BISECTIONS = 60
_LARGEST_MU = 64.0


def gaussian_one_run_p_value(*, canaries: int, guesses: int, correct: int, mu: float) -> float:
    """Return a bound on the probability of so many correct guesses under any mu-GDP training, rounded up.

    Args:
        canaries: number of independent fair coins.
        guesses: how many of them were guessed; the others were left open.
        correct: how many guesses were right.
        mu: the claim.

    Raises:
        InvalidInput: unless 0 <= correct <= guesses <= canaries and mu >= 0.
    """
    if not 0 <= correct <= guesses <= canaries or not mu >= 0:
        raise InvalidInput("a one-run bound needs 0 <= correct <= guesses <= canaries and mu >= 0")
    if correct == 0:
        return 1.0
    impossible, possible = 1.0, 0.0
    if not _is_impossible(impossible, canaries, guesses, correct, mu):
        return 1.0
    for _ in range(_BISECTIONS):
        middle = (impossible + possible) / 2
        if _is_impossible(middle, canaries, guesses, correct, mu):
            impossible = middle
        else:
            possible = middle
    return impossible


def gaussian_one_run_mu_lower(*, canaries: int, guesses: int, correct: int, confidence: float = 0.95) -> float:
    """Return a mu that training exceeds with probability `confidence`; 0 where the guesses refute nothing.

    Arguments and errors as in `gaussian_one_run_p_value`. Found by bisection and rounded down.
    """
    gaussian_one_run_p_value(canaries=canaries, guesses=guesses, correct=correct, mu=0.0)
    if correct == 0 or not _is_impossible(1 - confidence, canaries, guesses, correct, 0.0):
        return 0.0
    below, above = 0.0, _LARGEST_MU
    for _ in range(_BISECTIONS):
        middle = (below + above) / 2
        refuted = _is_impossible(1 - confidence, canaries, guesses, correct, middle)
        below, above = (middle, above) if refuted else (below, middle)
    return below


def gaussian_mu_lower(
    *, false_positives: int, without: int, false_negatives: int, with_unit: int, confidence: float = 0.95
) -> float:
    """Return a mu that a mechanism exceeds with probability `confidence`, from independent runs; 0 if none is shown.

    For rates of a test that was fixed before these runs. Both error rates are bounded from above, each at half the
    error, and mu is at least Phi^-1(1 - false-positive rate) - Phi^-1(false-negative rate). Rates over the records of
    *one* run are not independent runs and prove nothing here.

    Args:
        false_positives: runs without the unit that the test took for runs with it.
        without: all runs without the unit.
        false_negatives: runs with the unit that the test took for runs without it.
        with_unit: all runs with the unit.
        confidence: of the bound.

    Raises:
        InvalidInput: if there are more errors than runs.

    Source: Dong, Roth and Su 2022, Definition 2.6; M. Nasr et al., Tight Auditing of Differentially Private Machine
    Learning, USENIX Security 2023 (arXiv 2302.07956), section 4.2.
    """
    each = (1 + confidence) / 2
    false_positive_rate = clopper_pearson(false_positives, without, confidence=each).upper
    false_negative_rate = clopper_pearson(false_negatives, with_unit, confidence=each).upper
    if false_positive_rate >= 1 or false_negative_rate >= 1:
        return 0.0
    quantile = scipy.special.ndtri
    return max(0.0, float(quantile(1 - false_positive_rate) - quantile(false_negative_rate)))


def _is_impossible(tail: float, canaries: int, guesses: int, correct: int, mu: float) -> bool:
    """Return whether no mu-GDP training gives `correct` guesses or more, of `guesses`, with probability `tail`."""
    # The two sums for c = correct, if the whole tail were at exactly that many; then for each smaller c.
    right, wrong = tail * correct / canaries, tail * (guesses - correct) / canaries
    for place in range(correct - 1, -1, -1):
        asked = max(wrong, _smallest_before_blow_up(right, mu))
        right = min(1.0, right + place / (guesses - place) * (asked - wrong))
        wrong = asked
    return right + wrong > guesses / canaries


def _smallest_before_blow_up(probability: float, mu: float) -> float:
    """Return the smallest probability that mu-GDP may turn into the given one."""
    if probability >= 1:
        return 1.0
    if probability <= 0:
        return 0.0
    shifted = float(scipy.special.ndtr(scipy.special.ndtri(probability) - mu))
    return shifted if math.isfinite(shifted) else 0.0
