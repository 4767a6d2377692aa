"""Trains with and without one unit whose gradient has a coordinate of its own, as long as clipping lets it be."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import scipy.special
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.attacks.bounds import clopper_pearson
from dpsynth.attacks.repeated_runs import PairedRuns, mu_of_order
from dpsynth.auditing.audit_record import NoiseCounts
from dpsynth.curator import Curator
from dpsynth.curator.clipping import LATTICE
from dpsynth.curator.gradient_queries import TrainingPlan
from dpsynth.curator.gradients import UnitBatches
from dpsynth.ledger import Ledger
from dpsynth.schema.schema import Schema
from privacy_audits.replay.witness import Witness, unpaid

UNITS = 40
SCHEMA = Schema.from_text(
    "name: canaries\nfields:\n  - {name: kind, type: string, categories: [ordinary, canary]}\n"
    f"dpsynth: {{unit: {{kind: row}}, public_rows: {UNITS}}}\n",
    source="the auditor's table",
)
LEDGER = PrivacyBudget(100, "1e-2")
EVENT_DELTA = "1e-3"
PLACE = 1
"""Of the canary's coordinate in a gradient."""


@dataclass(frozen=True)
class CanaryCounts:
    """What trainings in two worlds count.

    Attributes:
        noise_multiplier: as claimed.
        sampling_probability: as claimed.
        steps: in each world.
        order: of the canary's coordinate in steps with it and without it.
        participations: chi-square statistic of how often each unit was in a batch, one degree of freedom per unit.
        sizes: chi-square statistic of the sizes of batches, one degree of freedom per batch.
        units: how many units `participations` is about.
        noise: residuals over the declared standard deviation.
        echo: correlation of the residuals of successive steps.
        longest: of the canary's contributions, in steps of the lattice.
        shortest: of the same.
        unpaid: what was not booked.
    """

    noise_multiplier: float
    sampling_probability: float
    steps: int
    order: PairedRuns
    participations: float
    sizes: float
    units: int
    noise: NoiseCounts
    echo: float
    longest: int
    shortest: int
    unpaid: tuple[str, ...]

    @property
    def claimed_mu(self) -> float:
        """Of one step in which the canary is in the batch."""
        return 1 / self.noise_multiplier

    @property
    def allowed_order(self) -> float:
        """The share of pairs that the claim allows to be in the right order: Poisson-sampled Gaussian noise."""
        whole = float(scipy.special.ndtr(self.claimed_mu / math.sqrt(2)))
        return (1 - self.sampling_probability) / 2 + self.sampling_probability * whole

    def mu_lower(self, *, confidence: float = 0.95) -> float:
        """Return what mu of a step in which the canary takes part exceeds, where batches are Poisson as claimed."""
        share = clopper_pearson(self.order.right, self.order.pairs, confidence=confidence).lower
        inner = (share - (1 - self.sampling_probability) / 2) / self.sampling_probability
        return mu_of_order(min(max(inner, 0.5), 1 - 1e-12))

    def problems(self, significance: float) -> tuple[str, ...]:
        """Return what refutes the claim, in sentences; each of seven tests errs with a seventh of `significance`."""
        each = significance / 7
        found = list(self.unpaid)
        if scipy.special.bdtrc(self.order.right - 1, self.order.pairs, self.allowed_order) <= each:
            found.append(f"the canary is told apart: mu is above {self.mu_lower():.3f}, claimed {self.claimed_mu:.3f}")
        for name, statistic, freedom in (
            ("how often units take part", self.participations, self.units),
            ("sizes of batches", self.sizes, 2 * self.steps),
        ):
            low, high = scipy.special.chdtr(freedom, statistic), scipy.special.chdtrc(freedom, statistic)
            if freedom and self.sampling_probability < 1 and 2 * min(low, high) <= each:
                found.append(f"{name}: {statistic / freedom:.3f} of the variance of Poisson sampling")
        if self.noise.too_small(each):
            found.append(f"the noise is {self.noise.ratio:.3f} times what is declared")
        if self.noise.too_large(each):
            found.append(f"the noise is {self.noise.ratio:.3f} times what is declared, so it is wasted")
        if 2 * float(scipy.special.ndtr(-abs(self.echo) * math.sqrt(self.noise.cells))) <= each:
            found.append(f"noise of successive steps is correlated: {self.echo:.3f}")
        if self.longest > LATTICE or self.shortest < LATTICE - 4:
            found.append(f"the canary moves a sum by {self.longest / LATTICE:.6f} clipping norms")
        return tuple(found)

    def counts(self) -> dict[str, Any]:
        """Return all fields, as JSON."""
        return {**asdict(self), "unpaid": list(self.unpaid)}

    @classmethod
    def from_counts(cls, counts: dict[str, Any]) -> CanaryCounts:
        """Return what `counts` made."""
        nested = {"order": PairedRuns(**counts["order"]), "noise": NoiseCounts(**counts["noise"])}
        return cls(**{**counts, **nested, "unpaid": tuple(counts["unpaid"])})


@dataclass(frozen=True, eq=False)
class _Trained:
    answers: NDArray[np.int64]
    exact: NDArray[np.int64]
    batches: list[NDArray[np.intp]]
    unpaid: tuple[str, ...]


def canary_game(plan: TrainingPlan, runs: int, *, rng: np.random.Generator) -> CanaryCounts:
    """Return what `runs` trainings in each of two worlds count; all steps of all runs are used."""
    without = [_trained(plan, canary=False) for _ in range(runs)]
    with_unit = [_trained(plan, canary=True) for _ in range(runs)]
    both = [*without, *with_unit]
    scale = plan.noise_multiplier * LATTICE
    noise = np.concatenate([(run.answers - run.exact) / scale for run in both])
    echoes = np.concatenate(
        [((run.answers - run.exact)[1:] * ((run.answers - run.exact)[:-1] / scale**2)) for run in both]
    )
    own = np.concatenate([run.exact[:, PLACE] for run in with_unit])
    taking = np.concatenate([[UNITS in batch for batch in run.batches] for run in with_unit])
    rate, steps = plan.sampling_probability, plan.steps * runs
    variance = max(rate * (1 - rate), 1e-12)
    counted = sum(np.bincount(np.concatenate(run.batches), minlength=UNITS + 1)[:UNITS] for run in both)
    sizes = [
        (len(batch) - rate * (UNITS + extra), UNITS + extra)
        for extra, part in ((0, without), (1, with_unit))
        for run in part
        for batch in run.batches
    ]
    return CanaryCounts(
        plan.noise_multiplier,
        rate,
        steps,
        _ordered(without, with_unit, rng),
        round(float((((counted - 2 * steps * rate) ** 2) / (2 * steps * variance)).sum()), 6),
        round(sum(off * off / (units * variance) for off, units in sizes), 6),
        UNITS,
        NoiseCounts(int(noise.size), round(float((noise**2).sum()), 6)),
        round(float(echoes.mean()), 9),
        int(own[taking].max()) if taking.any() else LATTICE,
        int(own[taking].min()) if taking.any() else LATTICE,
        tuple(dict.fromkeys(fault for run in both for fault in run.unpaid)),
    )


def _ordered(without: list[_Trained], with_unit: list[_Trained], rng: np.random.Generator) -> PairedRuns:
    low, high = (
        np.concatenate([run.answers[:, PLACE] for run in part]).astype(np.float64) for part in (without, with_unit)
    )
    pairs = min(low.size, high.size)  # a twin may answer too often
    return PairedRuns.of(low[:pairs], high[:pairs], rng=rng)


def _trained(plan: TrainingPlan, *, canary: bool) -> _Trained:
    """Train through the front door and keep what the gate saw; parameters stay where they are, as Nasr et al. do."""
    ledger = Ledger("sqlite://")
    ledger.set_budget("canaries", LEDGER, unit=SCHEMA.unit.describe(), event_delta=EVENT_DELTA)
    rows = ["ordinary"] * UNITS + ["canary"] * canary
    curator = Curator.open(pd.DataFrame({"kind": rows}), SCHEMA, ledger=ledger)
    weights = [np.zeros(SCHEMA.domain.size("kind"))]
    batches: list[NDArray[np.intp]] = []
    drawn = UnitBatches.drawn

    def noted(self: UnitBatches, noise: Any, probability: float) -> NDArray[np.intp]:
        batches.append(drawn(self, noise, probability))
        return batches[-1]

    witness = Witness()
    with (
        witness.watching(),
        patch.object(UnitBatches, "drawn", noted),
        curator.training(plan, _steep, weights, purpose="train") as session,
    ):
        while session.steps_left:
            session.noisy_gradient(weights)
    answers = np.stack([release.answer for release in witness.releases])
    exact = np.zeros_like(answers)
    for step, release in enumerate(witness.releases):
        for place, number in release.value.items():
            exact[step, place] = number
    return _Trained(answers, exact, batches, unpaid(witness.releases, curator.charged))


def _steep(parameters: Any, row: Any, auxiliary: Any) -> Any:  # noqa: ARG001
    return 1000.0 * (row * parameters[0]).sum()
