"""DP-CTGAN: a conditional network that makes tables, warm from noisy marginals, taught by critics under DP-SGD."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from fractions import Fraction
from typing import Protocol

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator.gradient_queries import GradientQueries, TrainingPlan
from dpsynth.curator.queries import MarginalQueries
from dpsynth.errors import InvalidInput
from dpsynth.generators.adversarial_training import AdversarialTraining
from dpsynth.generators.column_network import ColumnNetwork
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.marginal_distance import MarginalDistance
from dpsynth.generators.network_training import NetworkLoss, NetworkTraining
from dpsynth.generators.noisy_tables import NoisyTables, measure_columns, measure_pairs, require_taken
from dpsynth.generators.quadratic_critic import CriticBank, QuadraticCritic
from dpsynth.progress import phase
from dpsynth.schema.schema import Schema

_MOST_CODES = 2500
"""Most groups of all columns together; the moments that critics look at are matrices of that size."""

_LARGEST_BATCH = 40_000
"""Expected rows of a batch; below as many declared rows every row is in every batch."""

_ROWS_AT_ONCE = 2048
"""Rows that the door takes in one piece; for speed only."""

_SHARE_OF_CRITICS = Fraction(7, 10)
"""By default, of the budget after the columns, where the budget sets delta aside for a training."""


class Queries(MarginalQueries, GradientQueries, Protocol):
    """Noisy marginals and noisy gradients."""


@dataclass(frozen=True, slots=True)
class DPCTGAN:
    """A network warm from noisy marginals, then taught by critics.

    Attributes:
        components: inputs of the network, each one product of columns.
        hidden: units of its two hidden layers.
        column_share: part of the budget that measures the single columns.
        adversarial_share: part of the rest that trains critics; what is left measures all pairs. None leaves it to the
            rule on the page of `dpctgan`.
        critics: how many, one noisy gradient each.
        units: of each critic.
        momentum: what a critic keeps of the one before it.
        generator_steps: after each critic, the network's steps down its loss.
        warm_steps: of the network before the first critic.
        last_steps: after the last one, with falling step sizes.
        learning_rate: of the network.
        noise_in_a_pair: total-variation distance that noise alone may add to a pair; sets the resolution of columns.
        information_price: what a nat of information costs, see `mixture`.

    Source: Xu et al. 2019 (CTGAN); Xie et al. 2018 (DPGAN: only the critic sees rows, by DP-SGD); Bie et al. 2023.
    """

    components: int = 512
    hidden: int = 256
    column_share: float = 0.15
    adversarial_share: float | None = None
    critics: int = 60
    units: int = 16
    momentum: float = 0.0
    generator_steps: int = 6
    warm_steps: int = 100
    last_steps: int = 500
    learning_rate: float = 3e-3
    noise_in_a_pair: float = 0.15
    information_price: float = 13.0

    def __post_init__(self) -> None:
        """Refuse parameters that cannot work.

        Raises:
            InvalidInput: naming the parameter and what it may be.
        """
        for name in ("components", "hidden", "critics", "units", "last_steps"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} must be at least 1")
        if not 0 < self.column_share < 1:
            raise InvalidInput(f"column_share must be between 0 and 1, not {self.column_share}")
        if self.adversarial_share is not None and not 0 <= self.adversarial_share <= 1:
            raise InvalidInput(f"adversarial_share must be from 0 to 1, not {self.adversarial_share}")
        if not self.noise_in_a_pair > 0 or not self.information_price >= 0 or not self.learning_rate > 0:
            raise InvalidInput("noise_in_a_pair and learning_rate must be positive, information_price not negative")
        if not 0 <= self.momentum < 1 or self.generator_steps < 0 or self.warm_steps < 0:
            raise InvalidInput("momentum must be at least 0 and below 1, and numbers of steps not negative")

    @property
    def name(self) -> str:
        """The name in the registry."""
        return "dpctgan"

    def fit(self, curator: Queries, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedGraphicalModel:
        """Return the fitted generator; see `Synthesizer.fit`.

        Privacy: at most `budget`: noisy columns and pairs, then one training whose steps are all charged before the
            first. The network sees noisy answers only.

        Raises:
            InvalidInput: there are too many columns, or rules tie too many of them together.
        """
        schema = curator.schema
        require_taken(schema)
        share = self._share_of_critics(curator)
        event_delta = min(curator.event_delta, budget.delta / 2)
        with curator.within(
            PrivacyBudget(budget.epsilon, budget.delta - event_delta), purpose="fit dpctgan"
        ) as session:
            columns = session.mu_squared * (Fraction(str(self.column_share)) if len(schema.columns) > 1 else 1)
            left = session.mu_squared - columns
            tables = measure_columns(
                session,
                schema,
                columns,
                left_for_pairs=left or columns,
                noise_in_a_pair=self.noise_in_a_pair,
                most_codes=_MOST_CODES,
            )
            if left and share < 1:
                tables = measure_pairs(session, tables, left * (1 - share))
            left = session.remaining_mu_squared
        network, distance = self._warm(tables, rng)
        loss: NetworkLoss = distance
        if share and len(schema.columns) > 1:
            plan = self._plan(schema, tables.total, event_delta).within(left)
            loss = self._taught(curator, plan, tables, network, distance, rng=rng).loss
        network.settle(loss, steps=self.last_steps, learning_rate=self.learning_rate, purpose="settle the network")
        return tables.fitted(network.network.mixture(), self._provenance(share))

    def _share_of_critics(self, curator: Queries) -> Fraction:
        """Return the part of the budget after the columns that trains critics.

        The rule, fixed in advance and by public facts only: docs/generators/dpctgan.md has its evidence.
        """
        can_train = curator.event_delta > 0
        if self.adversarial_share is None:
            return _SHARE_OF_CRITICS if can_train else Fraction(0)
        if self.adversarial_share and not can_train:
            raise InvalidInput(
                "critics are trained with a delta of their own, and the budget sets none aside: set the budget of a "
                "new data set with --event-delta (`event_delta` in Python), or adversarial_share to 0"
            )
        return Fraction(str(self.adversarial_share))

    def _plan(self, schema: Schema, total: float, event_delta: Decimal) -> TrainingPlan:
        """Return the training of critics but for its noise."""
        rows_per_unit = schema.unit.max_rows_per_unit
        probability = min(1.0, _LARGEST_BATCH / max(1, schema.public_rows or _LARGEST_BATCH))
        return TrainingPlan(
            noise_multiplier=math.sqrt(self.critics) * probability,
            sampling_probability=probability,
            steps=self.critics,
            clipping_norm=float(rows_per_unit),
            public_units=max(1, round(total)),
            delta=event_delta,
            rows_at_once=_ROWS_AT_ONCE,
        )

    def _warm(self, tables: NoisyTables, rng: np.random.Generator) -> tuple[NetworkTraining, MarginalDistance]:
        """Return a network that was trained on noisy columns and pairs, and its loss."""
        columns = tables.columns
        started = ColumnNetwork.started(
            tables.domain,
            columns.counts / tables.total,
            components=tables.most_components(self.components),
            hidden=self.hidden,
            rng=rng,
        )
        network = NetworkTraining(started)
        distance = MarginalDistance(tables, information_price=self.information_price, like=started.weights[0])
        with phase("warm the network", self.warm_steps) as advance:
            for _ in range(self.warm_steps):
                network.step(distance, self.learning_rate)
                advance(1)
        return network, distance

    def _taught(
        self,
        curator: Queries,
        plan: TrainingPlan,
        tables: NoisyTables,
        network: NetworkTraining,
        distance: MarginalDistance,
        *,
        rng: np.random.Generator,
    ) -> CriticBank:
        """Return what critics were taught by noisy gradients, while they taught `network`."""
        critic = QuadraticCritic.of(tables)
        bank = CriticBank(distance, critic.centre, like=network.network.weights[0])
        training = AdversarialTraining.started(critic, bank, network, units=self.units, rng=rng)
        first = [training.weights]
        with curator.training(
            plan, critic.loss, first, auxiliary=critic.auxiliary(1.0), purpose="train critics"
        ) as session:
            while session.steps_left:
                training.play(
                    session,
                    generator_steps=self.generator_steps,
                    learning_rate=self.learning_rate,
                    momentum=self.momentum,
                    rng=rng,
                )
        return bank

    def _provenance(self, share: Fraction) -> Mapping[str, str]:
        kept = {field.name: str(getattr(self, field.name)) for field in fields(self)}
        return {"generator": self.name, **kept, "adversarial_share": f"{float(share):g}"}
