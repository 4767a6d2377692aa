"""Critics and a network in turn: a noisy gradient teaches the critic, the critics teach the network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator.gradient_queries import GradientSession, TrainingPlan
from dpsynth.generators.gated_critic import GatedCritic
from dpsynth.generators.network_training import NetworkTraining
from dpsynth.generators.quadratic_critic import CriticBank, QuadraticCritic, next_critic, orthonormal

LONG = 0.95
"""The clipping norm is a length that this share of generated rows does not exceed."""


@dataclass(slots=True)
class AdversarialTraining:
    """A training on its way, with everything that its next round depends on; all of it is public.

    Attributes:
        critic: how rows are read.
        weights: of the present critic, shape (cells, units).
        bank: what all critics were taught.
        network: the network, with its own training.
        rounds: how many were played.
    """

    critic: QuadraticCritic | GatedCritic
    weights: NDArray[np.float64]
    bank: CriticBank
    network: NetworkTraining
    rounds: int = 0

    @classmethod
    def started(
        cls,
        critic: QuadraticCritic | GatedCritic,
        bank: CriticBank,
        network: NetworkTraining,
        *,
        units: int,
        rng: np.random.Generator,
    ) -> AdversarialTraining:
        """Return a training whose first critic is a random one.

        Args:
            critic: how rows are read.
            bank: an empty one.
            network: warm or not.
            units: of every critic; no more than there are cells.
            rng: public randomness.
        """
        cells = len(critic.centre)
        return cls(critic, orthonormal(rng.standard_normal((cells, min(units, cells)))), bank, network)

    @property
    def arrays(self) -> tuple[NDArray[np.floating], ...]:
        """Critic, bank and network: with `rounds` and the network's steps all that there is to keep."""
        return (self.weights, *self.bank.arrays, *self.network.arrays)

    def play(
        self,
        session: GradientSession,
        *,
        generator_steps: int,
        learning_rate: float,
        momentum: float,
        rng: np.random.Generator,
    ) -> None:
        """Play one round: a noisy gradient of the critic, steps of the network, then the next critic.

        Args:
            session: answers; a gradient of length 1 is at the clipping norm of one row.
            generator_steps: of the network.
            learning_rate: of the network.
            momentum: what the next critic keeps of this one.
            rng: public randomness: rows are generated to see how long gradients are.

        Privacy: one step of the session; everything else is post-processing.
        """
        mixture = self.network.network.mixture().shares.T
        length = self.critic.long_gradient(mixture, self.weights, share=LONG, rng=rng)
        answer = session.noisy_gradient([self.weights], self.critic.auxiliary(1 / length))
        real = answer.parts[0] * length
        drawn = variance_of_batches(session.plan, self.weights.size)
        self.bank.add(self.weights, real, length**2 * (answer.stddev**2 + drawn))
        for _ in range(generator_steps):
            self.network.step(self.bank.loss, learning_rate)
        generated = self.bank.taught(self.network.network.shares(), self.weights)
        self.weights = next_critic(self.weights, real, generated, momentum=momentum)
        self.rounds += 1


def variance_of_batches(plan: TrainingPlan, entries: int) -> float:
    """Return the variance that drawing a batch adds to each of so many entries of a gradient of length 1."""
    return (1 - plan.sampling_probability) / plan.expected_batch_size / entries
