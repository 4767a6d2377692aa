"""Rounds of critics behind gates, after those of critics without; each looks where generated rows vary most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator.gradient_queries import GradientSession
from dpsynth.generators.adversarial_training import LONG, variance_of_batches
from dpsynth.generators.gated_bank import GatedBank
from dpsynth.generators.gated_critic import Gate, GatedCritic
from dpsynth.generators.network_training import NetworkTraining
from dpsynth.generators.quadratic_critic import orthonormal

_TURNS = 3
"""Steps of subspace iteration from random units towards those in which generated rows vary most."""


@dataclass(frozen=True, slots=True)
class GatedTraining:
    """A training on its way; all of it is public.

    Attributes:
        critic: how rows are read.
        bank: what all critics were taught.
        network: the network, with its own training.
    """

    critic: GatedCritic
    bank: GatedBank
    network: NetworkTraining

    def play(
        self,
        session: GradientSession,
        gate: Gate,
        *,
        units: int,
        generator_steps: int,
        learning_rate: float,
        rng: np.random.Generator,
    ) -> None:
        """Play one round: a noisy gradient of a critic behind `gate`, then steps of the network.

        Args:
            session: answers; a gradient of length 1 is at the clipping norm of one row.
            gate: what this critic sees.
            units: of the critic; no more than there are cells.
            generator_steps: of the network.
            learning_rate: of the network.
            rng: public randomness.

        Privacy: one step of the session; everything else is post-processing.
        """
        weights = self._widest(gate, units, rng)
        mixture = self.network.network.mixture().shares.T
        length = self.critic.long_gradient(mixture, weights, gate, share=LONG, rng=rng)
        answer = session.noisy_gradient([weights], self.critic.auxiliary(1 / length, gate))
        variance = length**2 * (answer.stddev**2 + variance_of_batches(session.plan, weights.size))
        self.bank.add(gate, weights, answer.parts[0] * length, variance)
        for _ in range(generator_steps):
            self.network.step(self.bank.loss, learning_rate)

    def _widest(self, gate: Gate, units: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return orthonormal units along which generated rows vary most, of the cells that the gate shows."""
        kept = gate.kept[:, None]
        shares = self.network.network.shares().detach()
        weights = orthonormal(rng.standard_normal((len(kept), min(units, len(kept)))) * kept) * kept
        for _ in range(_TURNS):
            weights = orthonormal(self.bank.plain.taught(shares, weights) * kept) * kept
        return weights
