"""One session of questions: every answer is drawn from one allowance, and leaves through one gate."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator.allowance import Allowance
from dpsynth.curator.gate import Gate
from dpsynth.curator.marginals import MarginalCounter, measure_marginal
from dpsynth.curator.queries import Grouping, NoisyMarginal
from dpsynth.curator.record_matches import MatchCounter, MatchQuestion, NoisyMatches, count_matches
from dpsynth.curator.selection import select_cliques
from dpsynth.curator.vote_queries import NoisyVotes, Teaching
from dpsynth.curator.votes import Classroom, count_votes
from dpsynth.schema.domain import Clique


class Session:
    """Answers to questions about marginals, to teachers and about matches, drawn from one allowance."""

    __slots__ = ("_allowance", "_classroom", "_counter", "_gate", "_matcher")

    def __init__(
        self, counter: MarginalCounter, classroom: Classroom, matcher: MatchCounter, allowance: Allowance, gate: Gate
    ) -> None:
        """Answer by these, each of which keeps its rows sealed."""
        self._counter = counter
        self._classroom = classroom
        self._matcher = matcher
        self._allowance = allowance
        self._gate = gate

    @property
    def mu_squared(self) -> Fraction:
        """The whole allowance."""
        return self._allowance.mu_squared

    @property
    def remaining_mu_squared(self) -> Fraction:
        """What is left of it."""
        return self._allowance.remaining_mu_squared

    def measure(
        self, clique: Clique, mu_squared: Fraction, *, groupings: Mapping[str, Grouping] | None = None
    ) -> NoisyMarginal:
        """Return a noisy marginal; see `MarginalSession.measure`."""
        return measure_marginal(self._counter, self._gate, clique, mu_squared, groupings=groupings or {})

    def select(
        self,
        estimates: Mapping[Clique, NDArray[np.float64]],
        mu_squared: Fraction,
        *,
        weights: Mapping[Clique, int],
        penalties: Mapping[Clique, float],
        groupings: Mapping[str, Grouping] | None = None,
        count: int = 1,
    ) -> tuple[Clique, ...]:
        """Return cliques whose estimates are far from the truth; see `MarginalSession.select`."""
        return select_cliques(
            self._counter,
            self._gate,
            estimates,
            mu_squared,
            weights=weights,
            penalties=penalties,
            groupings=groupings or {},
            count=count,
        )

    def votes(
        self,
        teaching: Teaching,
        samples: NDArray[np.integer],
        generated: NDArray[np.integer],
        mu_squared: Fraction,
    ) -> NoisyVotes:
        """Return noisy votes; see `VoteSession.votes`."""
        return count_votes(self._classroom, self._gate, teaching, samples, generated, mu_squared)

    def matches(self, question: MatchQuestion, mu_squared: Fraction) -> NoisyMatches:
        """Return noisy counts of matches; see `MatchSession.matches`."""
        return count_matches(self._matcher, self._gate, question, mu_squared)
