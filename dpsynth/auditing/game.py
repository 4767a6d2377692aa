"""The worst-case distinguishing game: fit in two worlds, many times, and see how well anybody can tell them apart.

Each run opens a table of the auditor's through the front door, with a fresh ledger and the operating system's entropy,
and leaves three things: the log likelihood ratio of the answers (white box), what a released table shows (black box),
and the noise itself, which the auditor knows because he knows the exact answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.cost import cost_of
from dpsynth.attacks.repeated_runs import mu_of_order
from dpsynth.auditing.likelihood import ExactAnswers, log_likelihood_ratio
from dpsynth.auditing.listener import Conversation, Listener
from dpsynth.auditing.neighbors import NeighborPair
from dpsynth.curator.curator import Curator
from dpsynth.generators.base import FittedSynthesizer, Synthesizer
from dpsynth.ledger import Ledger
from dpsynth.progress import phase, unreported

Door = Callable[[NeighborPair, int], Curator]
"""Opens the table of a world."""

_BEYOND = Fraction(10**12)
"""Stands for the squared mu of what has none; no claim is so large."""

_MOST_TRAINING = 500
"""Runs in each world that the black-box statistic learns from; all others are counted."""

_CLEARLY_MORE = 0.75
"""Of mu: more than luck gives one of two ways to learn in halves of 40 runs."""

_MOST_CELLS = 4096
"""Of the table of all columns together; a game with more looks at single columns and pairs."""


@dataclass(frozen=True, slots=True)
class Game:
    """What is audited, and what is claimed about it.

    Attributes:
        generator: the generator, with its hyperparameters.
        pair: the two worlds.
        claim: the budget of each fit, and what is claimed about it.
        rows: synthetic rows that the black-box attacker asks for.
        door: opens the table of a world; the front door unless a test puts another one there.
    """

    generator: Synthesizer[Any]
    pair: NeighborPair
    claim: PrivacyBudget
    rows: int = 1000
    door: Door | None = None

    def play(self, runs: int, *, rng: np.random.Generator) -> PlayedGame:
        """Fit `runs` times in each world.

        Args:
            runs: how many fits there are per world.
            rng: public randomness; noise is the operating system's.

        Raises:
            DpsynthError: whatever a fit raises; a world in which that happens must not exist.
        """
        exact = ExactAnswers(self.pair)
        played: list[list[_Run]] = [[], []]
        with phase("worst-case game", runs) as advance:
            for _ in range(runs):
                with unreported():
                    for world in (0, 1):
                        played[world].append(self._run(world, exact, rng))
                advance(1)
        both = [run for world in played for run in world]
        return PlayedGame(
            likelihoods=np.array([[run.likelihood for run in world] for world in played]),
            features=np.array([[run.features for run in world] for world in played]),
            residuals=np.concatenate([run.residuals for run in both]),
            largest_charge=max((run.charged for run in both), default=Fraction(0)),
            fewest_questions=min((run.questions for run in both), default=0),
            most_questions=max((run.questions for run in both), default=0),
        )

    def _run(self, world: int, exact: ExactAnswers, rng: np.random.Generator) -> _Run:
        curator = (self.door or self._front_door)(self.pair, world)
        listener = Listener(curator)
        model = self.generator.fit(listener, self.claim, rng=rng)
        said = listener.conversation
        charged = sum((cost_of(event).mu_squared or _BEYOND for _, event in curator.charged), Fraction(0))
        return _Run(
            likelihood=log_likelihood_ratio(said, exact),
            features=self._features(model, rng),
            residuals=_residuals(said, world, exact),
            charged=charged,
            questions=len(said.marginals) + len(said.choices) + len(said.votes),
        )

    def _front_door(self, pair: NeighborPair, world: int) -> Curator:
        dataset = pair.schema.dataset
        ledger = Ledger("sqlite://")
        ledger.set_budget(dataset, self.claim, unit=pair.schema.unit.describe())
        return Curator.open(pair.table(world), pair.schema, ledger=ledger)

    def _features(self, model: FittedSynthesizer, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return what a released table and the noisy number of rows beside it show, in rows, shape (features,)."""
        codes = model.sample(self.rows, rng=rng).codes
        sizes = self.pair.schema.domain.sizes
        if np.prod(sizes, dtype=np.float64) <= _MOST_CELLS:
            groups: list[tuple[int, ...]] = [tuple(range(len(sizes)))]
        else:
            groups = [(first, second) for second in range(len(sizes)) for first in range(second + 1)]
        counts = np.concatenate([_cells(codes[:, group], [sizes[place] for place in group]) for group in groups])
        total = float(model.total)
        return np.append(total, counts * total / max(self.rows, 1))


@dataclass(frozen=True, slots=True, eq=False)
class PlayedGame:
    """What many runs in two worlds left.

    Attributes:
        likelihoods: log likelihood ratio of the answers of each run, shape (2, runs); row 0 is the world without the
            unit.
        features: what the synthetic table of each run shows, shape (2, runs, features).
        residuals: noise of every answered cell over its declared standard deviation, of all runs, shape (cells,).
        largest_charge: the largest squared mu that a run was charged.
        fewest_questions: of all runs.
        most_questions: of all runs.
    """

    likelihoods: NDArray[np.float64]
    features: NDArray[np.float64]
    residuals: NDArray[np.float64]
    largest_charge: Fraction
    fewest_questions: int
    most_questions: int

    def black_box(self, *, training: float = 0.4) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what tables let guess of the likelihood ratio, without and with the unit, on runs not learnt from.

        The guess is linear. In the runs that it learns from, the auditor knows the likelihood ratio itself, which
        teaches more than the world alone. Where questions have none, as votes, the world is all there is to learn from;
        and where tables show more than answers do, which they never should, the world teaches more: the auditor learns
        from it if in half of these runs it shows clearly more, having been learnt in the other half.

        Args:
            training: share of the runs, the first ones, that are learnt from; never more than 500 in each world.
        """
        seen = min(round(training * self.features.shape[1]), _MOST_TRAINING)
        spread = self.features[:, :seen].reshape(2 * seen, -1).std(axis=0)
        moving = self.features[:, :, spread > 0] / spread[spread > 0]
        known, worlds = self.likelihoods[:, :seen], np.repeat([[0.0], [1.0]], seen, axis=1)
        half, better = seen // 2, worlds
        if np.ptp(known) > 0:
            by_ratio, by_world = (
                _order(moving[:, half:seen] @ _weights(moving[:, :half], taught[:, :half]))
                for taught in (known, worlds)
            )
            better = worlds if mu_of_order(by_world) > mu_of_order(by_ratio) + _CLEARLY_MORE else known
        without, with_unit = moving[:, seen:] @ _weights(moving[:, :seen], better)
        return without, with_unit


def _weights(features: NDArray[np.float64], taught: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the linear guess of `taught`, shape (2, runs), from features of shape (2, runs, features)."""
    runs, size = taught.size, features.shape[2]
    design = np.column_stack([features.reshape(runs, size), np.ones(runs)])
    # A tenth of a standard deviation of each feature is believed before anything is seen: features may be equal.
    ridge = np.diag(np.r_[np.full(size, 0.01 * runs), 0.0])
    solved = np.linalg.lstsq(design.T @ design + ridge, design.T @ taught.ravel(), rcond=None)[0]
    return np.asarray(solved[:-1], dtype=np.float64)


def _order(guesses: NDArray[np.float64]) -> float:
    """Return the share of all pairs of runs of both worlds, shape (2, runs), in the right order; ties count half."""
    without, with_unit = guesses
    if not without.size:
        return 0.5
    return float((np.sign(with_unit[:, None] - without) + 1).mean()) / 2


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    likelihood: float
    features: NDArray[np.float64]
    residuals: NDArray[np.float64]
    charged: Fraction
    questions: int


def _residuals(said: Conversation, world: int, exact: ExactAnswers) -> NDArray[np.float64]:
    parts = [
        ((answer.counts - exact.marginal(world, answer.clique, dict(answer.groupings))) / answer.stddev).ravel()
        for answer in said.marginals
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def _cells(codes: NDArray[np.int32], sizes: list[int]) -> NDArray[np.float64]:
    flat = np.ravel_multi_index(tuple(codes.T), tuple(sizes))
    return np.bincount(flat, minlength=int(np.prod(sizes))).astype(np.float64)
