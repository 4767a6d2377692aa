"""Measurement: a noisy table that was released, as a model sees it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dpsynth.errors import InvalidInput
from dpsynth.models.factor import Floats
from dpsynth.schema.domain import Clique


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """Noisy counts over one clique.

    Attributes:
        clique: different columns, in axis order; empty for a noisy number of rows.
        counts: float array of the clique's shape, in rows; may be negative, since noise is kept.
        stddev: standard deviation of the noise on each cell, in rows.

    Privacy: holds values that were charged before; using it costs nothing.
    """

    clique: Clique
    counts: Floats
    stddev: float

    def __post_init__(self) -> None:
        """Refuse repeated columns, a wrong number of axes, and numbers that are not finite."""
        counts = np.asarray(self.counts, dtype=np.float64)
        if len(set(self.clique)) != len(self.clique) or counts.ndim != len(self.clique):
            raise InvalidInput(f"a measurement of {self.clique} needs different columns and one axis for each")
        if not (math.isfinite(self.stddev) and self.stddev > 0):
            raise InvalidInput(f"the measurement of {self.clique} needs a positive, finite standard deviation")
        if not np.isfinite(counts).all():
            raise InvalidInput(f"the measurement of {self.clique} has cells that are not finite numbers")
        object.__setattr__(self, "counts", counts)

    @property
    def weight(self) -> float:
        """The weight of one cell in least squares: 1 / stddev ** 2."""
        return 1.0 / (self.stddev * self.stddev)


def estimated_total(measurements: Iterable[Measurement]) -> float:
    """Return the minimum-variance unbiased estimate of the number of rows; it may be negative.

    A clique with c cells sums to the number of rows with variance c * stddev ** 2; the sums are averaged by inverse
    variance.

    Raises:
        InvalidInput: there is no measurement.
    """
    sums = [(float(measured.counts.sum()), measured.weight / measured.counts.size) for measured in measurements]
    if not sums:
        raise InvalidInput("the number of rows cannot be estimated without a measurement")
    # Divided by the largest weight first, so that extreme standard deviations cannot overflow.
    largest = max(weight for _, weight in sums)
    weights = [weight / largest for _, weight in sums]
    return sum(total * weight for (total, _), weight in zip(sums, weights, strict=True)) / sum(weights)
