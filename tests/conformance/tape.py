"""Recording and replaying the answers of the door.

`Recorder` stands between a generator and a real curator and keeps every request with its answer. `Player` answers the
same requests from that tape, with no data present. A generator that sees more than the answers cannot be replayed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator.gradient_queries import GradientSession, Loss, NoisyGradient, TrainingPlan
from dpsynth.curator.queries import Grouping, MarginalQueries, MarginalSession, NoisyMarginal
from dpsynth.curator.vote_queries import NoisyVotes, Teaching
from dpsynth.schema.domain import Clique, Domain
from dpsynth.schema.schema import Schema

Arrays = Sequence[NDArray[np.floating]]


@dataclass(frozen=True)
class Exchange:
    """One request with its answer, copied: whoever was given the answer may write into it."""

    request: tuple[object, ...]
    answer: Any

    def __post_init__(self) -> None:
        """Keep what was said, whatever becomes of it."""
        object.__setattr__(self, "answer", deepcopy(self.answer))


@dataclass
class Tape:
    """Everything that crossed the door in one fit, in order."""

    schema: Schema
    event_delta: Decimal = Decimal(0)
    exchanges: list[Exchange] = field(default_factory=list)


class ReplayMismatch(AssertionError):
    """A generator asked something else when no data was there."""


class Recorder:
    def __init__(self, curator: MarginalQueries) -> None:
        self._curator = curator
        self.tape = Tape(curator.schema)

    @property
    def schema(self) -> Schema:
        return self._curator.schema

    @property
    def domain(self) -> Domain:
        return self._curator.domain

    @property
    def event_delta(self) -> Decimal:
        self.tape.event_delta = self._curator.event_delta  # type: ignore[attr-defined]
        return self.tape.event_delta

    @contextmanager
    def within(self, budget: PrivacyBudget, *, purpose: str) -> Iterator[MarginalSession]:
        with self._curator.within(budget, purpose=purpose) as session:
            self.tape.exchanges.append(Exchange(("within", str(budget), purpose), session.mu_squared))
            yield _RecordedSession(session, self.tape)

    @contextmanager
    def training(
        self,
        plan: TrainingPlan,
        loss: Loss,
        parameters: Arrays,
        *,
        auxiliary: Arrays = (),
        purpose: str,
        block: int = 0,
    ) -> Iterator[GradientSession]:
        inner = self._curator.training(  # type: ignore[attr-defined]
            plan, loss, parameters, auxiliary=auxiliary, purpose=purpose, block=block
        )
        with inner as session:
            self.tape.exchanges.append(Exchange(_training_request(plan, parameters, auxiliary, purpose), None))
            yield _RecordedTraining(session, self.tape)

    def __getattr__(self, name: str) -> object:
        # A cheat may reach around the protocol; let it, so that the replay test and not this class catches it.
        return getattr(self._curator, name)


class _RecordedSession:
    def __init__(self, session: MarginalSession, tape: Tape) -> None:
        self._session = session
        self._tape = tape

    @property
    def mu_squared(self) -> Fraction:
        return self._session.mu_squared

    @property
    def remaining_mu_squared(self) -> Fraction:
        remaining = self._session.remaining_mu_squared
        self._tape.exchanges.append(Exchange(("remaining_mu_squared",), remaining))
        return remaining

    def measure(
        self, clique: Clique, mu_squared: Fraction, *, groupings: Mapping[str, Grouping] | None = None
    ) -> NoisyMarginal:
        answer = self._session.measure(clique, mu_squared, groupings=groupings)
        self._tape.exchanges.append(Exchange(("measure", clique, mu_squared, dict(groupings or {})), answer))
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
        request = _select_request(estimates, mu_squared, weights, penalties, groupings, count)
        answer = self._session.select(
            estimates, mu_squared, weights=weights, penalties=penalties, groupings=groupings, count=count
        )
        self._tape.exchanges.append(Exchange(request, answer))
        return answer

    def votes(
        self, teaching: Teaching, samples: NDArray[np.integer], generated: NDArray[np.integer], mu_squared: Fraction
    ) -> NoisyVotes:
        request = _votes_request(teaching, samples, generated, mu_squared)
        answer: NoisyVotes = self._session.votes(teaching, samples, generated, mu_squared)  # type: ignore[attr-defined]
        self._tape.exchanges.append(Exchange(request, answer))
        return answer


class _RecordedTraining:
    def __init__(self, session: GradientSession, tape: Tape) -> None:
        self._session = session
        self._tape = tape

    @property
    def plan(self) -> TrainingPlan:
        return self._session.plan

    @property
    def steps_left(self) -> int:
        return self._session.steps_left

    @property
    def is_between_blocks(self) -> bool:
        return self._session.is_between_blocks

    def noisy_gradient(self, parameters: Arrays, auxiliary: Arrays = ()) -> NoisyGradient:
        answer = self._session.noisy_gradient(parameters, auxiliary)
        self._tape.exchanges.append(Exchange(_gradient_request(parameters, auxiliary), answer))
        return answer


class Player:
    """A curator that has a tape and no data."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._place = 0

    @property
    def schema(self) -> Schema:
        return self._tape.schema

    @property
    def domain(self) -> Domain:
        return self._tape.schema.domain

    @property
    def event_delta(self) -> Decimal:
        return self._tape.event_delta

    @property
    def finished(self) -> bool:
        return self._place == len(self._tape.exchanges)

    def next(self, request: tuple[object, ...]) -> Any:
        if self.finished:
            raise ReplayMismatch(f"asked {request[0]} after the tape had ended")
        exchange = self._tape.exchanges[self._place]
        if exchange.request != request:
            raise ReplayMismatch(f"request {self._place} was {exchange.request[0]} and is now different")
        self._place += 1
        return exchange.answer

    @contextmanager
    def within(self, budget: PrivacyBudget, *, purpose: str) -> Iterator[MarginalSession]:
        mu_squared: Fraction = self.next(("within", str(budget), purpose))
        yield _PlayedSession(self, mu_squared)

    @contextmanager
    def training(
        self,
        plan: TrainingPlan,
        loss: Loss,
        parameters: Arrays,
        *,
        auxiliary: Arrays = (),
        purpose: str,
        block: int = 0,
    ) -> Iterator[GradientSession]:
        self.next(_training_request(plan, parameters, auxiliary, purpose))
        yield _PlayedTraining(self, plan)


class _PlayedTraining:
    def __init__(self, player: Player, plan: TrainingPlan) -> None:
        self._player = player
        self._plan = plan
        self._taken = 0

    @property
    def plan(self) -> TrainingPlan:
        return self._plan

    @property
    def steps_left(self) -> int:
        return self._plan.steps - self._taken

    def noisy_gradient(self, parameters: Arrays, auxiliary: Arrays = ()) -> NoisyGradient:
        answer: NoisyGradient = self._player.next(_gradient_request(parameters, auxiliary))
        self._taken += 1
        return answer


class _PlayedSession:
    def __init__(self, player: Player, mu_squared: Fraction) -> None:
        self._player = player
        self._mu_squared = mu_squared

    @property
    def mu_squared(self) -> Fraction:
        return self._mu_squared

    @property
    def remaining_mu_squared(self) -> Fraction:
        answer: Fraction = self._player.next(("remaining_mu_squared",))
        return answer

    def measure(
        self, clique: Clique, mu_squared: Fraction, *, groupings: Mapping[str, Grouping] | None = None
    ) -> NoisyMarginal:
        answer: NoisyMarginal = self._player.next(("measure", clique, mu_squared, dict(groupings or {})))
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
        request = _select_request(estimates, mu_squared, weights, penalties, groupings, count)
        answer: tuple[Clique, ...] = self._player.next(request)
        return answer

    def votes(
        self, teaching: Teaching, samples: NDArray[np.integer], generated: NDArray[np.integer], mu_squared: Fraction
    ) -> NoisyVotes:
        answer: NoisyVotes = self._player.next(_votes_request(teaching, samples, generated, mu_squared))
        return answer


def _select_request(
    estimates: Mapping[Clique, NDArray[np.float64]],
    mu_squared: Fraction,
    weights: Mapping[Clique, int],
    penalties: Mapping[Clique, float],
    groupings: Mapping[str, Grouping] | None,
    count: int,
) -> tuple[object, ...]:
    return (
        "select",
        tuple((clique, estimates[clique].tobytes(), weights[clique], penalties[clique]) for clique in estimates),
        mu_squared,
        dict(groupings or {}),
        count,
    )


def _votes_request(
    teaching: Teaching, samples: NDArray[np.integer], generated: NDArray[np.integer], mu_squared: Fraction
) -> tuple[object, ...]:
    """Return the request to the last bit: samples that depend on rows are others without them."""
    arrays = (*teaching.groups, *teaching.likeness, samples, generated)
    return ("votes", teaching.teachers, mu_squared, *(np.asarray(part, dtype=np.int64).tobytes() for part in arrays))


def _training_request(plan: TrainingPlan, parameters: Arrays, auxiliary: Arrays, purpose: str) -> tuple[object, ...]:
    shapes = tuple(np.shape(array) for array in (*parameters, *auxiliary))
    return ("training", plan, shapes, purpose)


def _gradient_request(parameters: Arrays, auxiliary: Arrays) -> tuple[object, ...]:
    """Return the request to the last bit: whoever mixes rows into parameters asks something else without them."""
    return ("noisy_gradient", *(np.asarray(array, dtype=np.float64).tobytes() for array in (*parameters, *auxiliary)))
