"""The curator's test room: trainings on made-up rows, with doubles in place of PyTorch, and without noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.events import GaussianCoverDpEvent, GaussianDpEvent
from dpsynth.curator._sealed import Private
from dpsynth.curator.clipping import OuterProducts
from dpsynth.curator.gradient_queries import TrainingPlan
from dpsynth.curator.gradients import StepAllowance, Training
from dpsynth.curator.rows import PrivateRows, compact
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.randomness import NoiseSource, SystemNoise
from dpsynth.schema.domain import Domain

LEVELS = 12
DOMAIN = Domain(("kind",), (LEVELS,))


def plan(**changed: Any) -> TrainingPlan:
    given: dict[str, Any] = {
        "noise_multiplier": 1.0,
        "sampling_probability": 1.0,
        "steps": 5,
        "clipping_norm": 2.0,
        "public_units": 10,
        "delta": "1e-6",
    }
    return TrainingPlan(**(given | changed))


def rows(kinds: Sequence[int], owners: Sequence[int] | None = None) -> PrivateRows:
    codes = np.asarray(kinds, dtype=np.int32).reshape(-1, 1)
    owned = None if owners is None else np.asarray(owners, dtype=np.intp)
    return PrivateRows(DOMAIN, compact(codes, DOMAIN), codes[:0], owners=owned)


@dataclass
class Table:
    """A loss double: the gradient of a row of kind k is row k of a table, whatever the parameters are."""

    gradients: NDArray[np.float64]
    largest_request: int = 0

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        half = self.gradients.shape[1] // 2
        return ((half,), (self.gradients.shape[1] - half, 1))

    @property
    def size(self) -> int:
        return self.gradients.shape[1]

    @property
    def width(self) -> int:
        return self.size

    def check(self, parameters: object, auxiliary: object) -> None:
        pass

    def of_rows(self, parameters: object, rows: NDArray[np.float64], auxiliary: object) -> tuple[OuterProducts, ...]:
        self.largest_request = max(self.largest_request, len(rows))
        return (OuterProducts.of_vectors(self.gradients[rows.argmax(axis=1)]),)


@dataclass
class Silent:
    """A mechanism that claims its noise and adds none: for tests of what the noise is added to."""

    noise_multiplier: float

    def event(self, sensitivity: Sensitivity) -> GaussianDpEvent:
        return GaussianDpEvent(self.noise_multiplier)

    def __call__(self, value: NDArray[np.int64], *, sensitivity: Sensitivity, noise: NoiseSource) -> NDArray[np.int64]:
        return value


def allowance(given: TrainingPlan) -> StepAllowance:
    cover = GaussianCoverDpEvent(given.event, Decimal("1e-6"), Fraction(1))
    return StepAllowance("clinic", given, cover, "train")


def training(
    data: PrivateRows,
    gradients: NDArray[np.float64] | Table,
    given: TrainingPlan,
    *,
    noise: NoiseSource | None = None,
    silent: bool = False,
    rows_per_unit: int = 1,
    kind: Callable[..., Training] = Training,
) -> Training:
    made = kind(
        Private(data),
        DOMAIN,
        gradients if isinstance(gradients, Table) else Table(gradients),
        allowance(given),
        noise=SystemNoise() if noise is None else noise,
        rows_per_unit=rows_per_unit,
        advance=lambda steps: None,
    )
    if silent:
        made._mechanism = Silent(given.noise_multiplier)  # type: ignore[assignment]
    return made


def flat(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate([part.ravel() for part in parts])
