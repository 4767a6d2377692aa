"""Stands between a generator and its curator and notes every question and answer: what a white-box auditor sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator.curator import Curator
from dpsynth.curator.gradient_queries import GradientSession, Loss, TrainingPlan
from dpsynth.curator.queries import Grouping, NoisyMarginal
from dpsynth.curator.vote_queries import NoisyVotes, Teaching, VoteSession
from dpsynth.schema.domain import Clique, Domain
from dpsynth.schema.schema import Schema


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One question for the worst of some candidates, and what was chosen.

    Attributes:
        estimates: candidates with the counts that they were compared with, in rows.
        weights: importance of each candidate.
        penalties: what each candidate's distance is lowered by, in rows.
        groupings: coarser versions of columns that candidates name.
        mu_squared: what all choices together may cost.
        chosen: the candidates that were taken, in order.
    """

    estimates: Mapping[Clique, NDArray[np.float64]]
    weights: Mapping[Clique, int]
    penalties: Mapping[Clique, float]
    groupings: Mapping[str, Grouping]
    mu_squared: Fraction
    chosen: tuple[Clique, ...]


@dataclass(slots=True)
class Conversation:
    """Everything that was asked and answered in one fit.

    Attributes:
        marginals: noisy marginals, in order.
        choices: choices, in order.
        votes: noisy votes, in order.
    """

    marginals: list[NoisyMarginal] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    votes: list[NoisyVotes] = field(default_factory=list)


class Listener:
    """A curator to whom a generator talks as to any other, with somebody taking notes."""

    __slots__ = ("_curator", "conversation")

    def __init__(self, curator: Curator) -> None:
        """Listen to what `curator` is asked."""
        self._curator = curator
        self.conversation = Conversation()

    @property
    def schema(self) -> Schema:
        """What is publicly known."""
        return self._curator.schema

    @property
    def domain(self) -> Domain:
        """Names and sizes of the columns after discretisation."""
        return self._curator.domain

    @property
    def event_delta(self) -> Decimal:
        """The part of the budget's delta that is set aside for events with a delta of their own."""
        return self._curator.event_delta

    @contextmanager
    def within(self, budget: PrivacyBudget, *, purpose: str) -> Iterator[VoteSession]:
        """Answer questions until the context ends; see `MarginalQueries.within`."""
        with self._curator.within(budget, purpose=purpose) as session:
            yield _NotedSession(session, self.conversation)

    def training(
        self,
        plan: TrainingPlan,
        loss: Loss,
        parameters: Sequence[NDArray[np.floating]],
        *,
        auxiliary: Sequence[NDArray[np.floating]] = (),
        purpose: str,
        block: int = 0,
    ) -> AbstractContextManager[GradientSession]:
        """Answer with noisy gradients, of which no notes are taken; see `GradientQueries.training`."""
        return self._curator.training(plan, loss, parameters, auxiliary=auxiliary, purpose=purpose, block=block)


class _NotedSession:
    """A session whose answers are noted; the generator may keep and change its own copies."""

    __slots__ = ("_notes", "_session")

    def __init__(self, session: VoteSession, notes: Conversation) -> None:
        self._session = session
        self._notes = notes

    @property
    def mu_squared(self) -> Fraction:
        return self._session.mu_squared

    @property
    def remaining_mu_squared(self) -> Fraction:
        return self._session.remaining_mu_squared

    def measure(
        self, clique: Clique, mu_squared: Fraction, *, groupings: Mapping[str, Grouping] | None = None
    ) -> NoisyMarginal:
        answer = self._session.measure(clique, mu_squared, groupings=groupings)
        noted = NoisyMarginal(answer.clique, answer.counts.copy(), answer.stddev, answer.event, answer.groupings)
        self._notes.marginals.append(noted)
        return answer

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
        chosen = self._session.select(
            estimates, mu_squared, weights=weights, penalties=penalties, groupings=groupings, count=count
        )
        asked = {clique: np.array(estimate) for clique, estimate in estimates.items()}
        self._notes.choices.append(
            Choice(asked, dict(weights), dict(penalties), dict(groupings or {}), mu_squared, chosen)
        )
        return chosen

    def votes(
        self, teaching: Teaching, samples: NDArray[np.integer], generated: NDArray[np.integer], mu_squared: Fraction
    ) -> NoisyVotes:
        answer = self._session.votes(teaching, samples, generated, mu_squared)
        self._notes.votes.append(NoisyVotes(answer.counts.copy(), answer.teachers, answer.stddev, answer.event))
        return answer
