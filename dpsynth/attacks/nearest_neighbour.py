"""A2: how near is the synthetic table to this record, compared with how near the population is anyway?

A record in a crowded place is near to everything, so distance alone accuses ordinary people. The calibrated statistics
subtract what a reference table explains.

Source: D. Chen et al., GAN-Leaks, CCS 2020 (arXiv 1909.03935), sections 4.2 and 4.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.distance import OFFSET, nearest_totals
from dpsynth.attacks.records import Records


class Calibration(Enum):
    """What is done with d(x, synthetic) and d(x, reference), the distances to the nearest row of each."""

    NONE = "minus d(x, synthetic)"
    DIFFERENCE = "d(x, reference) minus d(x, synthetic)"
    LOG_RATIO = "log d(x, reference) minus log d(x, synthetic)"


@dataclass(frozen=True, slots=True)
class NearestNeighbour:
    """Score by the distance to the nearest synthetic row.

    Attributes:
        calibration: how the reference is used.
    """

    calibration: Calibration = Calibration.DIFFERENCE

    def score(
        self, targets: Records, synthetic: Records, reference: Records, *, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Return one score per target, shape (targets,), in column ranges (or their log ratio)."""
        del rng
        to_synthetic = nearest_totals(targets, synthetic)[:, 0]
        match self.calibration:
            case Calibration.NONE:
                return -to_synthetic
            case Calibration.DIFFERENCE:
                return nearest_totals(targets, reference)[:, 0] - to_synthetic
            case Calibration.LOG_RATIO:
                to_reference = nearest_totals(targets, reference)[:, 0]
                return np.log(to_reference + OFFSET) - np.log(to_synthetic + OFFSET)
            case _:
                assert_never(self.calibration)
