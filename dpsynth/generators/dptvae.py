"""DP-TVAE: a decoder that is warm from noisy marginals, trained on the evidence bound of rows under DP-SGD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator.gradient_queries import TrainingPlan
from dpsynth.errors import InvalidInput
from dpsynth.generators.expected_counts import ExpectedCounts
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.latent_encoder import LatentEncoder
from dpsynth.generators.marginal_distance import MarginalDistance
from dpsynth.generators.network_training import NetworkLoss, NetworkTraining
from dpsynth.generators.noisy_tables import NoisyTables, require_taken
from dpsynth.generators.warm_start import Queries, measured, plan_within, share_of_training, warmed

_SHARE_OF_TRAINING = Fraction(1, 2)
"""By default, of the budget after the columns, where the budget sets delta aside for a training."""


@dataclass(frozen=True, slots=True)
class DPTVAE:
    """A variational autoencoder with finitely many latent codes, warm from noisy marginals.

    Attributes:
        components: latent codes, each an input of the decoder that says one product of columns.
        hidden: units of the decoder's two hidden layers.
        column_share: part of the budget that measures the single columns.
        training_share: part of the rest that trains on rows; what is left measures all pairs. None leaves it to the
            rule on the page of `dptvae`.
        rounds: how many noisy gradients.
        units: directions in which each of them looks at posteriors.
        decoder_steps: after each gradient, the decoder's steps down its loss.
        warm_steps: of the decoder before the first gradient.
        last_steps: after the last one, with falling step sizes.
        learning_rate: of the decoder.
        noise_in_a_pair: total-variation distance that noise alone may add to a pair; sets the resolution of columns.
        information_price: what a nat of information costs, see `mixture`.

    Source: Kingma and Welling 2014 (VAE); Xu et al. 2019 (TVAE); Abadi et al. 2016 (DP-SGD); Park et al. 2017 (DP-EM).
    """

    components: int = 512
    hidden: int = 256
    column_share: float = 0.15
    training_share: float | None = None
    rounds: int = 20
    units: int = 16
    decoder_steps: int = 6
    warm_steps: int = 200
    last_steps: int = 500
    learning_rate: float = 3e-3
    noise_in_a_pair: float = 0.15
    information_price: float = 1.0

    def __post_init__(self) -> None:
        """Refuse parameters that cannot work.

        Raises:
            InvalidInput: naming the parameter and what it may be.
        """
        for name in ("components", "hidden", "rounds", "units", "last_steps"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} must be at least 1")
        if not 0 < self.column_share < 1:
            raise InvalidInput(f"column_share must be between 0 and 1, not {self.column_share}")
        if self.training_share is not None and not 0 <= self.training_share <= 1:
            raise InvalidInput(f"training_share must be from 0 to 1, not {self.training_share}")
        if not self.noise_in_a_pair > 0 or not self.information_price >= 0 or not self.learning_rate > 0:
            raise InvalidInput("noise_in_a_pair and learning_rate must be positive, information_price not negative")
        if self.decoder_steps < 0 or self.warm_steps < 0:
            raise InvalidInput("decoder_steps and warm_steps must not be negative")

    @property
    def name(self) -> str:
        """The name in the registry."""
        return "dptvae"

    def fit(self, curator: Queries, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedGraphicalModel:
        """Return the fitted generator; see `Synthesizer.fit`.

        Privacy: at most `budget`: noisy columns and pairs, then one training whose steps are all charged before the
            first. Encoder and decoder see noisy answers only.

        Raises:
            InvalidInput: there are too many columns, or rules tie too many of them together.
        """
        schema = curator.schema
        require_taken(schema)
        share = share_of_training(curator, self.training_share, _SHARE_OF_TRAINING, parameter="training_share")
        event_delta = min(curator.event_delta, budget.delta / 2)
        tables, left = measured(
            curator,
            budget,
            purpose="fit dptvae",
            event_delta=event_delta,
            column_share=self.column_share,
            training_share=share,
            noise_in_a_pair=self.noise_in_a_pair,
        )
        network, distance = warmed(
            tables,
            components=self.components,
            hidden=self.hidden,
            information_price=self.information_price,
            steps=self.warm_steps,
            learning_rate=self.learning_rate,
            rng=rng,
        )
        loss: NetworkLoss = distance
        if share and len(schema.columns) > 1:
            plan = plan_within(left, tables, steps=self.rounds, delta=event_delta)
            loss = self._taught(curator, plan, tables, network, distance, rng=rng).loss
        network.settle(loss, steps=self.last_steps, learning_rate=self.learning_rate, purpose="settle the decoder")
        return tables.fitted(network.network.mixture(), self._provenance(share))

    def _taught(
        self,
        curator: Queries,
        plan: TrainingPlan,
        tables: NoisyTables,
        network: NetworkTraining,
        distance: MarginalDistance,
        *,
        rng: np.random.Generator,
    ) -> ExpectedCounts:
        """Return what noisy gradients said of rows, while they taught the decoder."""

        def encoder() -> LatentEncoder:
            return LatentEncoder.of(tables, network.network.mixture().shares.T, units=self.units, rng=rng)

        first = encoder()
        counts = ExpectedCounts(distance, _worth_rows(plan, first, tables.total))
        with curator.training(
            plan, first.loss, first.parameters, auxiliary=first.auxiliary, purpose="train encoder and decoder"
        ) as session:
            while session.steps_left:
                now = encoder()
                answer = session.noisy_gradient(now.parameters, now.auxiliary)
                chances = now.expected_counts(answer.parts[0] * now.length)
                counts.add(chances, of=plan.steps, like=network.network.weights[0])
                for _ in range(self.decoder_steps):
                    network.step(counts.loss, self.learning_rate)
        return counts

    def _provenance(self, share: Fraction) -> Mapping[str, str]:
        kept = {field.name: str(getattr(self, field.name)) for field in fields(self)}
        return {"generator": self.name, **kept, "training_share": f"{float(share):g}"}


def _worth_rows(plan: TrainingPlan, encoder: LatentEncoder, total: float) -> float:
    """Return of how many rows, without noise, all answers say as much: no more than there are."""
    return min(total, plan.steps / (plan.stddev**2 * encoder.parameters[0].size))
