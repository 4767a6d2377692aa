"""DP-CTGAN: a conditional network that makes tables, warm from noisy marginals, taught by critics under DP-SGD."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from fractions import Fraction

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator.gradient_queries import TrainingPlan
from dpsynth.errors import InvalidInput
from dpsynth.generators.adversarial_training import AdversarialTraining
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.gated_bank import GatedBank
from dpsynth.generators.gated_critic import Gate, GatedCritic, drawn_gates
from dpsynth.generators.gated_training import GatedTraining
from dpsynth.generators.marginal_distance import MarginalDistance
from dpsynth.generators.network_training import NetworkLoss, NetworkTraining
from dpsynth.generators.noisy_tables import NoisyTables, require_taken
from dpsynth.generators.quadratic_critic import CriticBank, QuadraticCritic
from dpsynth.generators.warm_start import Queries, measured, plan_within, share_of_training, warmed

_SHARE_OF_CRITICS = Fraction(7, 10)
"""By default, of the budget after the columns, where the budget sets delta aside for a training."""

_GATES = 2
"""By default, critics behind gates for each column, where noise leaves them something to say."""

_MOST_GATES = 64
"""Most critics behind gates, so that they cost no more than those without."""

_LITTLE_NOISE = 0.004
"""Length of the noise in a unit, in shares of all rows, up to which critics behind gates are asked."""


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
        gates: after these, critics behind gates for each column. None leaves it to the rule on the page of `dpctgan`.
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
    gates: int | None = None
    units: int = 16
    momentum: float = 0.0
    generator_steps: int = 6
    warm_steps: int = 100
    last_steps: int = 500
    learning_rate: float = 3e-3
    noise_in_a_pair: float = 0.15
    information_price: float = 1.0

    def __post_init__(self) -> None:
        """Refuse parameters that cannot work.

        Raises:
            InvalidInput: naming the parameter and what it may be.
        """
        for name in ("components", "hidden", "critics", "units", "last_steps"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} must be at least 1")
        if self.gates is not None and self.gates < 0:
            raise InvalidInput(f"gates must be at least 0, not {self.gates}")
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
        share = share_of_training(curator, self.adversarial_share, _SHARE_OF_CRITICS, parameter="adversarial_share")
        event_delta = min(curator.event_delta, budget.delta / 2)
        tables, left = measured(
            curator,
            budget,
            purpose="fit dpctgan",
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
        gates: list[Gate] = []
        if share and len(schema.columns) > 1:
            plan, gates = self._planned(left, tables, delta=event_delta, rng=rng)
            loss = self._taught(curator, plan, gates, tables, network, distance, rng=rng).loss
        network.settle(loss, steps=self.last_steps, learning_rate=self.learning_rate, purpose="settle the network")
        return tables.fitted(network.network.mixture(), self._provenance(share, -(-len(gates) // len(schema.columns))))

    def _planned(
        self, left: Fraction, tables: NoisyTables, *, delta: Decimal, rng: np.random.Generator
    ) -> tuple[TrainingPlan, list[Gate]]:
        """Return the training, and the gates of its last critics; the rule for them sees noise and schema only."""
        columns, cells = len(tables.domain.sizes), sum(tables.domain.sizes)
        most = min(_MOST_GATES, columns * (_GATES if self.gates is None else self.gates))
        if self.gates is None:
            plan = plan_within(left, tables, steps=self.critics, delta=delta)
            noise = plan.stddev * math.sqrt(cells * (self.critics + most) / self.critics)
            if columns < 3 or noise > _LITTLE_NOISE:
                return plan, []
        gates = drawn_gates(tables, -(-most // columns), rng)[:most]
        return plan_within(left, tables, steps=self.critics + most, delta=delta), gates

    def _taught(
        self,
        curator: Queries,
        plan: TrainingPlan,
        gates: list[Gate],
        tables: NoisyTables,
        network: NetworkTraining,
        distance: MarginalDistance,
        *,
        rng: np.random.Generator,
    ) -> GatedBank:
        """Return what critics were taught by noisy gradients, while they taught `network`; those behind gates last."""
        plain = QuadraticCritic.of(tables)
        critic, waiting = GatedCritic(plain) if gates else plain, iter(gates)
        bank = GatedBank(CriticBank(distance, plain.centre, like=network.network.weights[0]), plain)
        training = AdversarialTraining.started(critic, bank.plain, network, units=self.units, rng=rng)
        last = GatedTraining(GatedCritic(plain), bank, network)
        first = [training.weights]
        with curator.training(
            plan, critic.loss, first, auxiliary=critic.auxiliary(1.0), purpose="train critics"
        ) as session:
            while session.steps_left:
                if training.rounds < self.critics:
                    training.play(
                        session,
                        generator_steps=self.generator_steps,
                        learning_rate=self.learning_rate,
                        momentum=self.momentum,
                        rng=rng,
                    )
                else:
                    last.play(
                        session,
                        next(waiting),
                        units=self.units,
                        generator_steps=self.generator_steps,
                        learning_rate=self.learning_rate,
                        rng=rng,
                    )
        return bank

    def _provenance(self, share: Fraction, gates: int) -> Mapping[str, str]:
        kept = {field.name: str(getattr(self, field.name)) for field in fields(self)}
        resolved = {"adversarial_share": f"{float(share):g}", "gates": str(gates)}
        return {"generator": self.name, **kept, **resolved}
