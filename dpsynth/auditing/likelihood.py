"""How much more likely a fit's answers are with the unit than without: the best statistic a white-box auditor can have.

The auditor made both tables, so for every question that was asked he knows the exact answer in either world. What is
random in an answer is only its noise, whose law is declared. By the lemma of Neyman and Pearson no other function of
the answers tells the worlds apart better. If the law is not what was declared, the statistic is only less good, never
invalid: bounds that are drawn from it count how often it is right.
"""

from __future__ import annotations

import numpy as np
import scipy.special
from numpy.typing import NDArray

from dpsynth.auditing.listener import Choice, Conversation
from dpsynth.auditing.neighbors import NeighborPair
from dpsynth.curator.marginals import marginal_sensitivity
from dpsynth.curator.queries import Grouping, NoisyMarginal
from dpsynth.mechanisms.exponential import ExponentialMechanism
from dpsynth.schema.domain import Clique


class ExactAnswers:
    """Exact marginals of both worlds, counted from tables that the auditor made up."""

    __slots__ = ("_codes", "_counted", "_pair", "sensitivity")

    def __init__(self, pair: NeighborPair) -> None:
        """Count over the tables of `pair`."""
        self._pair = pair
        self._codes = (pair.codes(0), pair.codes(1))
        self._counted: dict[tuple[int, tuple[str | Grouping, ...]], NDArray[np.int64]] = {}
        self.sensitivity = marginal_sensitivity(pair.schema.unit)

    def marginal(self, world: int, clique: Clique, groupings: dict[str, Grouping]) -> NDArray[np.int64]:
        """Return the counts of `clique` in a world, groups counted in place of the codes they hold."""
        axes: tuple[str | Grouping, ...] = tuple(groupings.get(name, name) for name in clique)
        key = (world, axes)
        if key not in self._counted:
            self._counted[key] = self._count(world, axes)
        return self._counted[key]

    def _count(self, world: int, axes: tuple[str | Grouping, ...]) -> NDArray[np.int64]:
        domain, codes = self._pair.schema.domain, self._codes[world]
        shape, places = [], []
        for axis in axes:
            name = axis.column if isinstance(axis, Grouping) else axis
            own = codes[:, domain.position(name)]
            shape.append(axis.size if isinstance(axis, Grouping) else domain.size(name))
            places.append(np.asarray(axis.groups)[own] if isinstance(axis, Grouping) else own)
        flat = np.ravel_multi_index(tuple(places), tuple(shape)) if places else np.zeros(len(codes), dtype=np.intp)
        counts = np.bincount(flat, minlength=int(np.prod(shape, dtype=np.int64)))
        return counts.reshape(shape).astype(np.int64)


def log_likelihood_ratio(said: Conversation, exact: ExactAnswers) -> float:
    """Return log P[answers | with the unit] - log P[answers | without it], up to rounding.

    Votes are left out: which teacher a unit belongs to is drawn behind the door.
    """
    return sum(_of_marginal(answer, exact) for answer in said.marginals) + sum(
        _of_choice(choice, exact) for choice in said.choices
    )


def _of_marginal(answer: NoisyMarginal, exact: ExactAnswers) -> float:
    """Return the difference of two normal log densities."""
    without, with_unit = (exact.marginal(world, answer.clique, dict(answer.groupings)) for world in (0, 1))
    moved = (with_unit - without).astype(np.float64)
    middle = (with_unit + without) / 2
    return float((moved * (answer.counts - middle)).sum()) / answer.stddev**2


def _of_choice(choice: Choice, exact: ExactAnswers) -> float:
    """Return the difference of two logs of softmax, choice by choice."""
    if len(choice.estimates) == 1:
        return 0.0
    mechanism = ExponentialMechanism.for_mu_squared(choice.mu_squared / len(choice.chosen))
    largest_weight = max(choice.weights.values())
    rate = float(mechanism.epsilon) / (2 * exact.sensitivity.l1 * largest_weight)
    candidates = list(choice.estimates)
    logits = np.array([[rate * _score(choice, clique, world, exact) for clique in candidates] for world in (0, 1)])
    ratio, left = 0.0, np.ones(len(candidates), dtype=np.bool_)
    for clique in choice.chosen:
        place = candidates.index(clique)
        normal = scipy.special.logsumexp(np.where(left, logits, -np.inf), axis=1)
        ratio += float((logits[1, place] - normal[1]) - (logits[0, place] - normal[0]))
        left[place] = False
    return ratio


def _score(choice: Choice, clique: Clique, world: int, exact: ExactAnswers) -> float:
    counts = exact.marginal(world, clique, dict(choice.groupings))
    distance = float(np.abs(counts - choice.estimates[clique]).sum())
    return choice.weights[clique] * (distance - choice.penalties[clique])
