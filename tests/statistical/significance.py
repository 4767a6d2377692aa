"""How often a statistical test of correct software may fail by chance, and where its randomness comes from.

The whole suite has one false-alarm rate. It is split evenly over a number of decisions that the suite may not exceed;
each test module states its own in `NULL_DECISIONS` and a test adds them up. Draws are seeded, so that a run can be
repeated; `DPSYNTH_STATISTICAL_SEED` asks for other draws, and the rate then is the chance of a false alarm per run.
"""

from __future__ import annotations

import os
import random

from dpsynth.randomness import SeededNoise

SUITE_FALSE_ALARM = 1e-6
LARGEST_DECISIONS = 200
SIGNIFICANCE = SUITE_FALSE_ALARM / LARGEST_DECISIONS
"""A hypothesis is rejected below this probability: 5e-9."""

_SEED = int(os.environ.get("DPSYNTH_STATISTICAL_SEED", "20261122"))


def seeded_noise(stream: int) -> SeededNoise:
    """Return a byte source for one test."""
    return SeededNoise(_SEED * 1_000_003 + stream)


def seeded_integers(stream: int) -> random.Random:
    """Return the reference samplers' randomness for one test, unrelated to `seeded_noise`."""
    return random.Random(f"{_SEED}:{stream}")
