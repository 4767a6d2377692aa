"""Doors and generators that break their promise, each in one way that real software has broken it.

They are doubles for tests and campaigns, and stand nowhere in the package.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import GaussianDpEvent
from dpsynth.auditing.neighbors import NeighborPair
from dpsynth.curator import Curator
from dpsynth.generators.base import FittedSynthesizer, Synthesizer
from dpsynth.ledger import Ledger
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.rounded_gaussian import RoundedGaussianMechanism


@dataclass(frozen=True)
class Spends:
    """Claims what it is told and spends something else."""

    inner: Synthesizer[Any]
    spent: PrivacyBudget

    @property
    def name(self) -> str:
        """The name of the honest one."""
        return self.inner.name

    def fit(
        self,
        curator: Any,
        budget: PrivacyBudget,  # noqa: ARG002 - what it was told
        *,
        rng: np.random.Generator,
    ) -> FittedSynthesizer:
        """Return the honest one fitted with another budget."""
        return self.inner.fit(curator, self.spent, rng=rng)


def door_with_budget(budget: PrivacyBudget) -> Any:
    """Return a door whose ledger holds `budget`, whatever is claimed."""

    def open_door(pair: NeighborPair, world: int) -> Curator:
        ledger = Ledger("sqlite://")
        ledger.set_budget(pair.schema.dataset, budget, unit=pair.schema.unit.describe())
        return Curator.open(pair.table(world), pair.schema, ledger=ledger)

    return open_door


def noise_scaled(factor: Fraction) -> Any:
    """Return a patch under which noise has `factor` times the standard deviation that is declared and charged."""
    honest = RoundedGaussianMechanism.__call__

    def other(self: RoundedGaussianMechanism, value: Any, *, sensitivity: Sensitivity, noise: Any) -> Any:
        return honest(replace(self, variance=self.variance * factor**2), value, sensitivity=sensitivity, noise=noise)

    return patch.object(RoundedGaussianMechanism, "__call__", other)


def sensitivity_divided(by: int) -> Any:
    """Return a patch under which noise is calibrated to a sensitivity that was divided, and charged as if it was not.

    The mistake of DataSynthesizer 0.1.4 (issue 34): sensitivity 2 / n on counts. Declared and real noise agree, so
    residuals show nothing; only the game does.
    """
    honest = RoundedGaussianMechanism.for_mu_squared

    def calibrated(mu_squared: Fraction, sensitivity: Sensitivity) -> RoundedGaussianMechanism:
        fair = honest(mu_squared, sensitivity)
        return replace(fair, variance=fair.variance / by**2)

    def event(self: RoundedGaussianMechanism, sensitivity: Sensitivity) -> GaussianDpEvent:
        return GaussianDpEvent(float(np.sqrt(float(self.variance / sensitivity.squared_l2))) * by * 1.0001)

    return patch.multiple(RoundedGaussianMechanism, for_mu_squared=staticmethod(calibrated), event=event)
