"""Trainings that break the claim, each as real ones did; the canary must tell of them all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator.clipping import OuterProducts, clipped
from dpsynth.curator.gradients import StepAllowance, UnitBatches
from dpsynth.mechanisms.rounded_gaussian import RoundedGaussianMechanism
from dpsynth.randomness import NoiseSource, SeededNoise
from privacy_audits.known_bad import noise_scaled, sensitivity_divided


def shuffled() -> AbstractContextManager[Any]:
    """Deal out epochs in batches of one size, and book them as Poisson (arXiv 2411.10614)."""
    rng, waiting = np.random.default_rng(), {"units": np.empty(0, dtype=np.intp)}

    def drawn(self: UnitBatches, noise: NoiseSource, probability: float) -> NDArray[np.intp]:  # noqa: ARG001
        units = len(self._starts)
        size = round(units * probability)
        if len(waiting["units"]) < size or waiting["units"].max(initial=0) >= units:
            waiting["units"] = rng.permutation(units)
        batch, waiting["units"] = waiting["units"][:size], waiting["units"][size:]
        return np.sort(batch)

    return patch.object(UnitBatches, "drawn", drawn)


def sampled_more_often() -> AbstractContextManager[Any]:
    """Take units with one and a half times the booked probability."""
    honest = UnitBatches.drawn
    return patch.object(
        UnitBatches, "drawn", lambda self, noise, probability: honest(self, noise, min(1.0, 1.5 * probability))
    )


def clipped_to(factor: float) -> Callable[[], AbstractContextManager[Any]]:
    """Return what clips to `factor` clipping norms, as a factor of the batch size in the wrong place does."""

    def scaled(parts: Any, norm: float) -> tuple[OuterProducts, ...]:
        return tuple(OuterProducts(np.rint(part.left * factor), part.right) for part in clipped(parts, norm))

    return lambda: patch("dpsynth.curator.gradients.clipped", scaled)


def one_noise_for_all_steps() -> AbstractContextManager[Any]:
    """Draw the same noise at every step, from a seed."""
    honest = RoundedGaussianMechanism.__call__

    def same(self: RoundedGaussianMechanism, value: Any, *, sensitivity: Any, noise: NoiseSource) -> Any:
        del noise
        return honest(self, value, sensitivity=sensitivity, noise=SeededNoise(1))

    return patch.object(RoundedGaussianMechanism, "__call__", same)


def steps_not_booked() -> AbstractContextManager[Any]:
    """Take two answers for each step that is counted (off by one, SmartNoise PR 424, done thoroughly)."""
    honest, calls = StepAllowance.charge, {"now": 0}

    def charge(self: StepAllowance, purpose: str, event: Any) -> None:
        calls["now"] += 1
        if calls["now"] % 2:
            honest(self, purpose, event)

    return patch.object(StepAllowance, "charge", charge)


TWINS: tuple[tuple[str, Callable[[], AbstractContextManager[Any]]], ...] = (
    ("shuffling booked as Poisson", shuffled),
    ("units sampled more often than booked", sampled_more_often),
    ("noise halved", lambda: noise_scaled(Fraction(1, 2))),
    ("nine tenths of the noise", lambda: noise_scaled(Fraction(9, 10))),
    ("clipped to twice the norm", clipped_to(2.0)),
    ("clipped a tenth below the norm, and booked at the norm", clipped_to(0.9)),
    ("one noise for all steps", one_noise_for_all_steps),
    ("two answers for one booked step", steps_not_booked),
)
"""What must be caught."""

TWINS_OF_VOTES: tuple[tuple[str, Callable[[], AbstractContextManager[Any]]], ...] = (
    ("noise of votes halved", lambda: noise_scaled(Fraction(1, 2))),
    ("votes charged for a divided sensitivity", lambda: sensitivity_divided(4)),
)
"""The same of votes."""

DUE = {
    "shuffling booked as Poisson": "how often units take part",
    "units sampled more often than booked": "how often units take part",
    "noise halved": "the noise is",
    "nine tenths of the noise": "the noise is",
    "clipped to twice the norm": "the canary moves a sum by",
    "clipped a tenth below the norm, and booked at the norm": "the canary moves a sum by",
    "one noise for all steps": "noise of successive steps is correlated",
    "two answers for one booked step": "noisy gradients left and",
    "noise of votes halved": "the noise of votes is",
    "votes charged for a divided sensitivity": "what left the gate costs something else than what was charged",
}
"""Of each of both: words of what must be found."""
