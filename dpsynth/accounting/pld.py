"""The privacy-loss accountant: the law of the whole loss, not only its moments.

Mechanisms with one worst pair of neighbors are composed by that pair. Mechanisms without one, that is zero-concentrated
events, exponential mechanisms, and integer Gaussians on vectors with little noise, enter by their moments. The design
note `docs/design/accounting.md` proves that both may be combined, and that the result is never above the moment bound.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.accountant import EventTally, checked_delta, checked_epsilon, simple_events
from dpsynth.accounting.budget import as_written
from dpsynth.accounting.events import DpEvent
from dpsynth.accounting.loss_composition import LossComposition
from dpsynth.accounting.moments import delta_of_moments, epsilon_of_moments
from dpsynth.accounting.worst_pairs import RangeTreatment, WorstPairs
from dpsynth.errors import InvalidInput

_TAIL = 1e-25
_TAIL_SHARE = 1e-6
_NEAR_THE_END = 0.5  # pure losses end at their sum; near that end the law is rugged, and deserves a finer grid
_FINEST = 1e-4
_SHORT_LIST = 20
_COARSE = 8.0


class PldAccountant:
    """Adds privacy losses as distributions.

    Exponential mechanisms are tried in three ways, as pairs, as Gaussians and by their moments, and where all events
    are pure the sum of their epsilons is a fourth bound; the smallest is given.

    Source:
        Zhu, Dong, Wang (2022), theorem 10 (composition); Doroshenko and others (2022) (grids).
    """

    __slots__ = ("_tally",)

    def __init__(self) -> None:
        """Start with nothing composed."""
        self._tally = EventTally()

    def supports(self, event: DpEvent) -> bool:
        """Return whether `compose` would accept `event`."""
        try:
            simple_events(event)
        except InvalidInput:
            return False
        return True

    def compose(self, event: DpEvent, count: int = 1) -> Self:
        """Add `event`, `count` times, and return the accountant; an event that is refused leaves it as it was.

        Raises:
            InvalidInput: some part of `event` is not supported, or `count` is negative.
        """
        self._tally.add(event, count)
        return self

    def get_renyi_divergence(self, order: float) -> float:
        """Return the Renyi divergence of `order` above 1 with the unit removed, given that nothing failed."""
        worst = WorstPairs.of(self._tally.items(), RangeTreatment.BY_MOMENTS)
        exponent = order - 1.0
        if worst.pairs and not worst.hopeless:
            return _compositions(worst, _TAIL)[0].log_moment(exponent) / exponent
        return float(worst.without_pairs().log_moments(np.array([exponent]))[0]) / exponent

    def get_epsilon(self, delta: Decimal | Fraction | float) -> float:
        """Return the epsilon of everything composed so far at `delta`, rounded up; infinity where there is none.

        Raises:
            InvalidBudget: `delta` is not at least 0 and below 1.
        """
        asked = checked_delta(delta)
        cost = self._tally.cost
        if self._tally.unbounded or as_written(delta) < cost.delta:
            return math.inf
        best = math.inf if cost.epsilon is None else float(cost.epsilon)
        if asked == 0.0:
            return best
        for worst in self._promising(asked):
            if not worst.pairs or worst.hopeless:
                best = min(best, epsilon_of_moments(worst.without_pairs().log_moments, asked))
                continue
            tail = min(_TAIL, _TAIL_SHARE * asked / sum(worst.pairs.values()))
            found = max(part.epsilon(asked) for part in _compositions(worst, tail))
            if cost.epsilon is not None and found > _NEAR_THE_END * cost.epsilon:
                found = max(part.epsilon(asked) for part in _compositions(worst, tail, _finest(cost.epsilon, worst)))
            best = min(best, found)
        return best

    def get_delta(self, epsilon: Decimal | Fraction | float) -> float:
        """Return the delta of everything composed so far at `epsilon`, rounded up.

        Raises:
            InvalidBudget: `epsilon` is negative or undefined.
        """
        asked = checked_epsilon(epsilon)
        cost = self._tally.cost
        if self._tally.unbounded:
            return 1.0
        best = float(cost.delta) if cost.epsilon is not None and as_written(epsilon) >= cost.epsilon else 1.0
        for worst in self._treatments():
            if not worst.pairs or worst.hopeless:
                best = min(best, delta_of_moments(worst.without_pairs().log_moments, asked))
                continue
            near = cost.epsilon is not None and asked > _NEAR_THE_END * cost.epsilon
            finest = _finest(cost.epsilon, worst) if cost.epsilon is not None and near else math.inf
            best = min(best, max(part.delta(asked) for part in _compositions(worst, _TAIL, finest)))
        return best

    def get_deltas(self, epsilons: NDArray[np.float64], least: float) -> NDArray[np.float64]:
        """Return the delta of everything composed so far at each of `epsilons`, each rounded up.

        Args:
            epsilons: float array, ascending, each at least 0.
            least: deltas below this are of no interest.

        Raises:
            InvalidBudget: the first of `epsilons` is negative or undefined.
        """
        checked_epsilon(float(epsilons[0]))
        if self._tally.unbounded:
            return np.ones_like(epsilons)
        best = np.ones_like(epsilons)
        for worst in self._treatments():
            if not worst.pairs or worst.hopeless:
                curve = worst.without_pairs().log_moments
                found = np.array([delta_of_moments(curve, float(epsilon)) for epsilon in epsilons])
            else:
                tail = max(_TAIL, _TAIL_SHARE * least / sum(worst.pairs.values()))
                found = np.max([part.deltas(epsilons) for part in _compositions(worst, tail)], axis=0)
            best = np.minimum(best, found)
        return best

    def _promising(self, delta: float) -> list[WorstPairs]:
        """Return the treatments; of a long list only that which is best on a coarse grid, because each is sound."""
        found = self._treatments()
        if len(found) == 1 or max(len(worst.pairs) for worst in found) <= _SHORT_LIST:
            return found
        if any(worst.hopeless or not worst.pairs for worst in found):
            return found

        def roughly(worst: WorstPairs) -> float:
            return LossComposition.of(worst, _TAIL, added=False, coarseness=_COARSE).epsilon(delta)

        return [min(found, key=roughly)]

    def _treatments(self) -> list[WorstPairs]:
        by_moments = WorstPairs.of(self._tally.items(), RangeTreatment.BY_MOMENTS)
        if not by_moments.ranges:
            return [by_moments]
        others = (RangeTreatment.AS_PAIRS, RangeTreatment.AS_GAUSSIANS)
        return [by_moments, *(WorstPairs.of(self._tally.items(), ranges) for ranges in others)]


def _finest(end: Fraction, worst: WorstPairs) -> float:
    return _FINEST * float(end) / sum(worst.pairs.values())


def _compositions(worst: WorstPairs, tail: float, finest: float = math.inf) -> list[LossComposition]:
    directions = (False, True) if worst.has_directions else (False,)
    return [LossComposition.of(worst, tail, added=added, finest=finest) for added in directions]
