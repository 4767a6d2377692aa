"""What is drawn from, with the exact law of a draw, and doubles that draw from another."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dpsynth.curator._sealed import Private
from dpsynth.curator.gate import Gate
from dpsynth.curator.rows import PrivateRows, compact
from dpsynth.curator.vote_queries import Teaching
from dpsynth.curator.votes import Classroom, count_votes
from dpsynth.mechanisms import DiscreteLaplaceMechanism, ExponentialMechanism, RoundedGaussianMechanism, Sensitivity
from dpsynth.mechanisms.partition_selection import PartitionSelection
from dpsynth.randomness import SystemNoise, secret_coins
from dpsynth.schema.domain import Domain

NOISE = SystemNoise()
ONE = Sensitivity(1, 1, 1)
_DOMAIN = Domain(("kind",), (2,))

Draw = Callable[[int, int], NDArray[Any]]
"""Of the world, 0 or 1, and a number of draws; returns answers of that world."""


@dataclass(frozen=True, eq=False)
class Sampler:
    """A primitive on two neighboring inputs.

    Attributes:
        name: what it is.
        draw: answers of a world.
        values: answers that world 0 gives with more than a negligible chance, ascending.
        probabilities: of them.
        order: the largest chance that an answer of world 1 exceeds one of world 0, ties by a coin, under the claim.
        cost: of one draw, over that of noise from a table.
    """

    name: str
    draw: Draw
    values: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    order: float
    cost: int = 1

    @property
    def variance(self) -> float:
        """Of an answer of world 0."""
        mean = float(self.values @ self.probabilities)
        return float((self.values - mean) ** 2 @ self.probabilities)

    @property
    def mean(self) -> float:
        """Of the same."""
        return float(self.values @ self.probabilities)


def gaussian(variance: Fraction) -> Sampler:
    """Return rounded Gaussian noise on 0 and on 1."""
    mechanism = RoundedGaussianMechanism(variance)
    values, mass = _gaussian_law(float(variance))

    def draw(world: int, count: int) -> NDArray[Any]:
        return mechanism(np.full(count, world, dtype=np.int64), sensitivity=ONE, noise=NOISE)

    return Sampler(f"rounded Gaussian, variance {variance}", draw, values, mass, _order_of(1 / math.sqrt(variance)))


def laplace(scale: Fraction) -> Sampler:
    """Return discrete Laplace noise on 0 and on 1."""
    mechanism = DiscreteLaplaceMechanism(scale)
    values = np.arange(-math.ceil(60 * scale), math.ceil(60 * scale) + 1)
    weights = np.exp(-np.abs(values) / float(scale))
    mass = weights / weights.sum()

    def draw(world: int, count: int) -> NDArray[Any]:
        return mechanism(np.full(count, world, dtype=np.int64), sensitivity=ONE, noise=NOISE)

    below = np.cumsum(mass)
    # P(X + 1 > Y) + P(X + 1 = Y) / 2 = P(Y <= X) + P(Y = X + 1) / 2
    order = float(mass @ below + (mass[:-1] @ mass[1:]) / 2)
    return Sampler(f"discrete Laplace, scale {scale}", draw, values, mass, order)


def choice(epsilon: Fraction) -> Sampler:
    """Return whether the one of 64 candidates is chosen that is best, and worst among neighbors."""
    mechanism = ExponentialMechanism(epsilon)
    scores = [np.r_[1, np.zeros(63)].astype(np.int64), np.r_[0, np.ones(63)].astype(np.int64)]
    weight = math.exp(float(epsilon) / 2)
    first = [weight / (weight + 63), 1 / (1 + 63 * weight)]
    moved = Sensitivity(64, 64, 1)

    def draw(world: int, count: int) -> NDArray[Any]:
        return np.array(
            [mechanism(scores[world], sensitivity=moved, noise=NOISE) > 0 for _ in range(count)], dtype=np.int64
        )

    order = first[0] * (1 - first[1]) + (first[0] * first[1] + (1 - first[0]) * (1 - first[1])) / 2
    return Sampler(
        f"exponential mechanism, epsilon {epsilon}", draw, np.arange(2), np.array([first[0], 1 - first[0]]), order, 500
    )


def naming(variance: Fraction, threshold: int) -> Sampler:
    """Return whether a category of 5 people, or of 6, is named."""
    mechanism = PartitionSelection(variance, threshold)

    def draw(world: int, count: int) -> NDArray[Any]:
        named = mechanism({str(i): 5 + world for i in range(count)}, sensitivity=ONE, noise=NOISE)
        answers = np.zeros(count, dtype=np.int64)
        answers[[int(text) for text, _ in named]] = 1
        return answers

    chances = [float(special.ndtr(-(threshold - 0.5 - size) / math.sqrt(variance))) for size in (5, 6)]
    order = chances[1] * (1 - chances[0]) + (chances[0] * chances[1] + (1 - chances[0]) * (1 - chances[1])) / 2
    law = np.array([1 - chances[0], chances[0]])
    return Sampler(f"partition selection, threshold {threshold}", draw, np.arange(2), law, order, 20)


def votes(variance_of: Fraction = Fraction(1, 9)) -> Sampler:
    """Return the noisy votes of teachers without rows, who vote for every second sample, less what they vote."""
    codes = np.zeros((0, 1), dtype=np.int32)
    rows = PrivateRows(_DOMAIN, compact(codes, _DOMAIN), codes)
    teaching = Teaching(3, (np.arange(2),), (np.eye(2, dtype=np.int64),))
    records = np.zeros((1000, 1), dtype=np.int64)

    class Unbounded:
        def charge(self, purpose: str, event: Any) -> None:
            """Let everything pass."""

    def draw(world: int, count: int) -> NDArray[Any]:
        found = []
        for _ in range(-(-count // 1000)):
            classroom = Classroom(Private(rows), _DOMAIN, NOISE)
            counted = count_votes(
                classroom, Gate(Unbounded(), NOISE), teaching, records, records[:1], 1000 * variance_of
            )
            exact = (np.add.outer(np.arange(1000), np.arange(3)) % 2 == 0).sum(axis=1)
            found.append(counted.counts - exact + world)
        return np.concatenate(found)[:count]

    mechanism = RoundedGaussianMechanism.for_mu_squared(1000 * variance_of, Sensitivity(1000, 1000, 1))
    values, mass = _gaussian_law(float(mechanism.variance))
    return Sampler("vote counter", draw, values, mass, _order_of(1 / math.sqrt(mechanism.variance)), 3)


def coins(probability: Fraction) -> Sampler:
    """Return coins that decide who is in a batch; both worlds are the same."""
    numerator, denominator = probability.as_integer_ratio()

    def draw(world: int, count: int) -> NDArray[Any]:  # noqa: ARG001
        return secret_coins(NOISE, count, numerator, denominator).astype(np.int64)

    law = np.array([1 - float(probability), float(probability)])
    return Sampler(f"Poisson coins, probability {probability}", draw, np.arange(2), law, 0.5)


def honest() -> tuple[Sampler, ...]:
    """Return the primitives: narrow noise, noise from a table, noise from a sum of tables, and all others."""
    return (
        gaussian(Fraction(1, 2)),
        gaussian(Fraction(100, 3)),
        gaussian(Fraction(513**2)),
        laplace(Fraction(5, 2)),
        laplace(Fraction(1000, 7)),
        choice(Fraction(1)),
        naming(Fraction(4), 8),
        votes(),
        coins(Fraction(1, 3)),
    )


def doubles() -> tuple[tuple[str, Sampler], ...]:
    """Return samplers with the law of an honest one on paper, and another in fact."""
    fair, small = gaussian(Fraction(100, 3)), laplace(Fraction(5, 2))

    def like(sampler: Sampler, draw: Draw) -> Sampler:
        return Sampler(sampler.name, draw, sampler.values, sampler.probabilities, sampler.order, sampler.cost)

    def floating(world: int, count: int) -> NDArray[Any]:
        return world + np.random.default_rng().laplace(0, 2.5, count)

    # Meant was 10 ** 2 / 3, and written 10 ^ 2, which is 8, as in the original PATE-GAN.
    xor = Fraction(10 ^ 2, 3)
    return (
        ("noise halved", like(fair, gaussian(Fraction(100, 12)).draw)),
        ("nine tenths of the noise", like(fair, gaussian(Fraction(27)).draw)),
        ("xor in a noise scale", like(fair, gaussian(xor).draw)),
        ("Laplace noise of floating-point numbers", like(small, floating)),
        ("Laplace noise of another scale", like(small, laplace(Fraction(2)).draw)),
        ("coins with 1.05 of their probability", like(coins(Fraction(1, 3)), coins(Fraction(35, 100)).draw)),
        ("a choice with twice its epsilon", like(choice(Fraction(1)), choice(Fraction(2)).draw)),
    )


def _gaussian_law(variance: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    reach = math.ceil(12 * math.sqrt(variance)) + 2
    upper = special.ndtr(-(np.arange(reach + 1) - 0.5) / math.sqrt(variance))
    half = upper[:-1] - upper[1:]
    return np.arange(1 - reach, reach), np.concatenate([half[:0:-1], half])


def _order_of(mu: float) -> float:
    return float(special.ndtr(mu / math.sqrt(2)))
