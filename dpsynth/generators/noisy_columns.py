"""What marginal-based generators make of noisy answers: measurements for the fit, and the noise to expect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from dpsynth.curator.queries import NoisyMarginal
from dpsynth.models import Measurement
from dpsynth.models.denoising import denoised
from dpsynth.schema.schema import Schema

_PARTS = 10_000
"""Shares of a budget are multiples of about this part of the largest."""


def as_measurements(schema: Schema, answers: Sequence[NoisyMarginal]) -> list[Measurement]:
    """Return answers in the form that estimation takes, single ordered columns denoised.

    Privacy: post-processing.
    """
    measurements = []
    for answer in answers:
        counts = answer.counts.astype(np.float64)
        if len(answer.clique) == 1 and not answer.groupings:
            column = schema.column(answer.clique[0])
            if column.is_ordered:
                declared = slice(column.declared_size)
                counts[declared] = denoised(counts[declared], answer.stddev)
        measurements.append(Measurement(clique=answer.clique, counts=counts, stddev=answer.stddev))
    return measurements


def expected_noise(mu_squared: Fraction, max_rows_per_unit: int) -> float:
    """Return the expected absolute noise in one cell of a marginal that is measured at `mu_squared`, in rows.

    The mean of a centred normal variable's absolute value is sqrt(2 / pi) times its standard deviation, and the
    standard deviation that costs `mu_squared` is max_rows_per_unit / mu.
    """
    return math.sqrt(2 / math.pi) * max_rows_per_unit / math.sqrt(mu_squared)


def in_proportion(weights: Sequence[float]) -> list[Fraction]:
    """Return exact parts of 1, in proportion to positive `weights` up to rounding."""
    parts = [max(1, round(_PARTS * weight / max(weights))) for weight in weights]
    return [Fraction(part, sum(parts)) for part in parts]
