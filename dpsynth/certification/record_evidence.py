"""What noisy counts of matches say about a table: how much more often it matches its members than other people.

Bounds hold with the noise and the sampling of people counted in; docs/design/record_gate.md proves them. The verdict is
a function of the noisy counts, so whoever has the certificate can compute it again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import scipy

from dpsynth.certification.policy import Policy, Verdict

_LENGTH_SHARE = 0.1
"""Part of each allowed error for the number of units, which is noisy too; it hardly matters."""

_STEPS = 44
_POWER_STEPS = 14
_FAR = 12.0
_MOST_UNITS = 100_000_000
_KINDS = ("equal", "near")


@dataclass(frozen=True, slots=True)
class MatchCounts:
    """Noisy numbers of units, all that the verdict depends on; public.

    Attributes:
        members: in training, with an equal row in the synthetic table, with a near one, and with neither.
        controls: the same of units that were held back.
        stddev: standard deviation of the noise of each, in units.
    """

    members: tuple[int, int, int]
    controls: tuple[int, int, int]
    stddev: float


@dataclass(frozen=True, slots=True)
class ExcessOfMatches:
    """How much larger the share of matched members is than that of matched controls.

    Attributes:
        kind: `equal`, or `near` where equal rows count as well.
        members: estimated share of members, from 0 to 1.
        controls: estimated share of controls.
        lower: lower bound on the excess; both kinds hold together with the confidence of the policy.
        upper: upper bound on the excess, with the confidence of the policy.
        tolerance: what the policy allows.
    """

    kind: str
    members: float
    controls: float
    lower: float
    upper: float
    tolerance: float

    @property
    def verdict(self) -> Verdict:
        """FAIL where more than the tolerance is shown, PASS where less is, INCONCLUSIVE otherwise."""
        if self.lower > self.tolerance:
            return Verdict.FAIL
        return Verdict.PASS if self.upper <= self.tolerance else Verdict.INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class RecordEvidence:
    """The record gate's finding: post-processing of noisy counts that were charged.

    Attributes:
        counts: what was answered; None where nothing was.
        excesses: of equal rows, and of near ones; none without an answer.
        verdict: PASS, FAIL or INCONCLUSIVE.
        reasons: why, in sentences.
    """

    counts: MatchCounts | None
    excesses: tuple[ExcessOfMatches, ...]
    verdict: Verdict
    reasons: tuple[str, ...]


def unanswered(reason: str) -> RecordEvidence:
    """Return the evidence where the question was planned and not answered."""
    return RecordEvidence(None, (), Verdict.INCONCLUSIVE, (reason,))


def weigh_matches(counts: MatchCounts, policy: Policy) -> RecordEvidence:
    """Return the verdict of noisy counts: FAIL if either kind fails, PASS if both pass.

    Source: docs/design/record_gate.md.
    """
    excesses = bounds_on_excess(
        counts,
        tolerances=(float(policy.record_copy_tolerance), float(policy.record_tolerance)),
        significance=float(policy.significance),
    )
    verdict = Verdict.worst(excess.verdict for excess in excesses)
    reasons = [_sentence(excess, policy) for excess in excesses]
    if verdict is Verdict.INCONCLUSIVE:
        reasons.append(_decisive(counts, policy))
    return RecordEvidence(counts, excesses, verdict, tuple(reasons))


def bounds_on_excess(
    counts: MatchCounts, *, tolerances: tuple[float, float], significance: float
) -> tuple[ExcessOfMatches, ...]:
    """Return the excess of equal and of near matches with bounds, noise counted in."""
    variance = max(counts.stddev**2 - 1 / 12, 0.0)
    found = []
    for cells, (kind, tolerance) in enumerate(zip(_KINDS, tolerances, strict=True), start=1):
        members = _Share.of(counts.members, cells, variance)
        controls = _Share.of(counts.controls, cells, variance)
        # Both kinds must pass, so each may use the whole error; either may fail, so for that they divide it.
        upper = members.upper(significance / 2) - controls.lower(significance / 2)
        lower = members.lower(significance / 4) - controls.upper(significance / 4)
        found.append(ExcessOfMatches(kind, members.estimate, controls.estimate, lower, max(upper, lower), tolerance))
    return tuple(found)


def units_needed(policy: Policy, variance: float, controls: Fraction) -> int:
    """Return about how many units a table needs before an honest one can pass, at this variance of the noise."""
    most = 128
    while most < _MOST_UNITS and not can_pass(policy, variance, controls, most):
        most *= 2
    least = most // 2
    while most - least > most // 32:
        middle = (least + most) // 2
        least, most = (least, middle) if can_pass(policy, variance, controls, middle) else (middle, most)
    return most


def can_pass(policy: Policy, variance: float, controls: Fraction, units: int) -> bool:
    """Return whether a table that matches people by chance alone would pass, noise being what it mostly is."""
    members, others = round(units * (1 - controls)), round(units * controls)
    chance = float(policy.record_chance)
    expected = MatchCounts(
        (0, round(chance * members), members - round(chance * members)),
        (0, round(chance * others), others - round(chance * others)),
        math.sqrt(variance + 1 / 12),
    )
    return weigh_excess(expected, policy) is Verdict.PASS


def weigh_excess(counts: MatchCounts, policy: Policy) -> Verdict:
    """Return the verdict of `weigh_matches` without its words."""
    tolerances = float(policy.record_copy_tolerance), float(policy.record_tolerance)
    found = bounds_on_excess(counts, tolerances=tolerances, significance=float(policy.significance))
    return Verdict.worst(excess.verdict for excess in found)


def smallest_excess_shown(
    people: tuple[int, int],
    stddev: float,
    *,
    cells: int,
    chance: float,
    tolerance: float,
    significance: float,
    power: float,
) -> float | None:
    """Return the smallest true excess at which the gate fails with probability `power`; None where none does.

    The rule of the gate is taken as it is; how far an estimate falls below the truth with probability 1 - `power` is
    taken to be normal.

    Args:
        people: number of units in training, and held back.
        stddev: standard deviation of the noise of each count.
        cells: 1 for equal rows, 2 for near or equal ones.
        chance: share of people that are matched without a leak.
        tolerance: what the policy allows.
        significance: chance of a wrong bound that is allowed.
        power: with which probability the leak is to be found.
    """
    members, controls = people
    if members < 1 or controls < 1:
        return None
    variance, error = max(stddev**2 - 1 / 12, 0.0), significance / 4
    limit = tolerance + _Share(round(chance * controls), controls, cells, variance).upper(error)
    luck = float(scipy.special.ndtri(power))
    of_controls = chance * (1 - chance) / controls + cells * variance / controls**2

    def fails(excess: float) -> bool:
        rate = chance + excess
        spread = math.sqrt(rate * (1 - rate) / members + cells * variance / members**2 + of_controls)
        return _Share(round(members * (rate - luck * spread)), members, cells, variance).exceeds(limit, error)

    below, above = 0.0, 1.0 - chance
    if limit >= 1 or not fails(above):
        return None
    for _ in range(_POWER_STEPS):
        middle = (below + above) / 2
        below, above = (below, middle) if fails(middle) else (middle, above)
    return above


@dataclass(frozen=True, slots=True)
class _Share:
    """A share of units, seen through noise: `hits` of `length`, each with independent noise."""

    hits: int
    length: int
    cells: int
    variance: float

    @classmethod
    def of(cls, counts: tuple[int, int, int], cells: int, variance: float) -> _Share:
        return cls(sum(counts[:cells]), sum(counts), cells, variance)

    @property
    def estimate(self) -> float:
        return min(max(self.hits / max(self.length, 1), 0.0), 1.0)

    def upper(self, error: float) -> float:
        """Return a share that the true one exceeds with at most this chance."""
        length = math.floor(self.length - self._slack(error))
        hits = max(self.hits, 0)  # there are no fewer than none; a larger bound is a valid one
        if length < 1 or hits >= length:
            return 1.0
        allowed, sigma = (1 - _LENGTH_SHARE) * error, math.sqrt(self.cells * self.variance)
        low, high = 0.0, 1.0
        for _ in range(_STEPS):
            middle = (low + high) / 2
            if _at_most(hits + self.cells / 2, length, middle, sigma) > allowed:
                low = middle
            else:
                high = middle
        return high

    def lower(self, error: float) -> float:
        """Return a share that the true one falls below with at most this chance."""
        low, high = 0.0, 1.0
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.exceeds(middle, error) else (low, middle)
        return low

    def exceeds(self, share: float, error: float) -> bool:
        """Return whether the true share is above `share`, wrongly so with at most this chance."""
        length = math.ceil(self.length + self._slack(error))
        hits = min(self.hits, length)
        if length < 1 or hits <= 0:
            return False
        sigma = math.sqrt(self.cells * self.variance)
        # At least so many hits: at most so many misses, with the noise turned round.
        return _at_most(length - hits + self.cells / 2, length, 1 - share, sigma) <= (1 - _LENGTH_SHARE) * error

    def _slack(self, error: float) -> float:
        """Return by how much the noisy length may be off: three normal numbers, each rounded."""
        return -float(scipy.special.ndtri(_LENGTH_SHARE * error)) * math.sqrt(3 * self.variance) + 3 / 2


def _at_most(limit: float, length: int, chance: float, sigma: float) -> float:
    """Return the chance that a binomial number plus a normal one is at most `limit`, but for far tails."""
    mean = length * chance
    spread = _FAR * math.sqrt(mean * (1 - chance)) + 3 * _FAR
    numbers = np.arange(max(math.floor(mean - spread), 0), min(math.ceil(mean + spread), length) + 1, dtype=np.float64)
    below = scipy.special.ndtr((limit - numbers) / sigma) if sigma > 0 else numbers <= limit
    return float(scipy.stats.binom.pmf(numbers, length, chance) @ below)


def _sentence(excess: ExcessOfMatches, policy: Policy) -> str:
    what = "a row equal to theirs" if excess.kind == "equal" else "a row near theirs or equal to it"
    shares = (
        f"about {100 * excess.members:.1f} % of the people in training and {100 * excess.controls:.1f} % of those held "
        f"back have {what} in the synthetic table"
    )
    tolerated = f"tolerated: {100 * excess.tolerance:.3g} %"
    confidence = f"with {policy.describe_confidence()} confidence, noise included,"
    if excess.verdict is Verdict.FAIL:
        return f"{shares}; {confidence} that is at least {100 * excess.lower:.1f} % beyond chance ({tolerated})."
    bound = f"at most {100 * max(excess.upper, 0.0):.1f} % beyond chance ({tolerated})"
    return f"{shares}; {confidence} that is {bound}."


def _decisive(counts: MatchCounts, policy: Policy) -> str:
    """Return the sentence that says how many units would decide, at the rates seen and with the same noise."""
    here = max(sum(counts.members) + sum(counts.controls), 1)
    factor = 1.0
    while here * factor <= _MOST_UNITS:
        factor *= 1.25
        grown = MatchCounts(_times(counts.members, factor), _times(counts.controls, factor), counts.stddev)
        if weigh_excess(grown, policy) is not Verdict.INCONCLUSIVE:
            return f"At the rates seen so far a table of about {round(here * factor, -2):,.0f} units would decide it."
    return "The rates seen so far are so close to what is tolerated that no reasonable number of units would decide it."


def _times(counts: tuple[int, int, int], factor: float) -> tuple[int, int, int]:
    first, second, third = (max(round(count * factor), 0) for count in counts)
    return first, second, third
