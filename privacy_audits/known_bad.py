"""Doors and generators that break their promise, each in one way that real software has broken it.

They are doubles for tests and campaigns, and stand nowhere in the package.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import GaussianDpEvent
from dpsynth.auditing.neighbors import NeighborPair
from dpsynth.curator import Curator
from dpsynth.generators.base import FittedSynthesizer, Synthesizer
from dpsynth.ledger import Ledger
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.rounded_gaussian import RoundedGaussianMechanism
from dpsynth.schema.table import SyntheticTable


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


@dataclass(frozen=True)
class NoiseOnACopy:
    """Asks, pays and is answered as it should, and models the counts that the noise was not added to.

    Who sees the answers sees honest noise; only what is released shows it.
    """

    inner: Synthesizer[Any]

    @property
    def name(self) -> str:
        """The name of the honest one."""
        return self.inner.name

    def fit(self, curator: Any, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedSynthesizer:
        """Return the honest one fitted to exact counts."""
        honest, exact = RoundedGaussianMechanism.__call__, list[NDArray[np.int64]]()

        def draw(self: RoundedGaussianMechanism, value: Any, *, sensitivity: Sensitivity, noise: Any) -> Any:
            exact.append(np.array(value))
            return honest(self, value, sensitivity=sensitivity, noise=noise)

        with patch.object(RoundedGaussianMechanism, "__call__", draw):
            return self.inner.fit(_ExactCurator(curator, exact), budget, rng=rng)


@dataclass(frozen=True, eq=False)
class _ExactCurator:
    inner: Any
    exact: list[NDArray[np.int64]]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    @contextmanager
    def within(self, budget: PrivacyBudget, *, purpose: str) -> Iterator[Any]:
        with self.inner.within(budget, purpose=purpose) as session:
            yield _ExactSession(session, self.exact)


@dataclass(frozen=True, eq=False)
class _ExactSession:
    inner: Any
    exact: list[NDArray[np.int64]]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def measure(self, *asked: Any, **options: Any) -> Any:
        answer = self.inner.measure(*asked, **options)
        return replace(answer, counts=self.exact[-1].reshape(answer.counts.shape))


@dataclass(eq=False)
class HandsOutRows:
    """Fits as it should, and then hands out the rows of the table, over and over."""

    inner: Synthesizer[Any]
    seen: list[SyntheticTable] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the honest one."""
        return self.inner.name

    def door(self, budget: PrivacyBudget) -> Any:
        """Return a door that tells it which rows it opens."""
        open_door = door_with_budget(budget)

        def told(pair: NeighborPair, world: int) -> Curator:
            self.seen[:] = [SyntheticTable(pair.schema, pair.codes(world), 0, {})]
            curator: Curator = open_door(pair, world)
            return curator

        return told

    def fit(self, curator: Any, budget: PrivacyBudget, *, rng: np.random.Generator) -> Any:
        """Return an honest model with another sampler."""
        return _HandsOut(self.inner.fit(curator, budget, rng=rng), self.seen[0])


@dataclass(frozen=True, eq=False)
class _HandsOut:
    model: FittedSynthesizer
    table: SyntheticTable

    @property
    def total(self) -> float:
        return float(self.model.total)

    def sample(self, rows: int, *, rng: np.random.Generator) -> SyntheticTable:  # noqa: ARG002 - it draws nothing
        return replace(self.table, codes=self.table.codes[np.arange(rows) % self.table.rows])


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
