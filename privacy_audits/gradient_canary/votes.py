"""The books of PATE-GAN: noise of every vote, and moments computed again from what left the gate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import scipy.optimize

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.rdp import RdpAccountant
from dpsynth.auditing.audit_record import NoiseCounts
from dpsynth.curator import Curator
from dpsynth.generators.pategan import PateGan
from dpsynth.ledger import Ledger
from privacy_audits.replay.scenes import PLAIN, ROWS, Scene
from privacy_audits.replay.witness import Witness, unpaid

CLAIM = PrivacyBudget(3, "1e-5")
DELTA = Decimal("1e-5")


@dataclass(frozen=True)
class VoteCounts:
    """What fits of PATE-GAN count.

    Attributes:
        fits: how many.
        labels: noisy votes in all.
        noise: residuals of votes over the declared standard deviation.
        largest_vote: exact, over the number of teachers; above 1 a teacher has voted twice.
        furthest_from_charge: largest difference between the squared mu of a fit, computed from what left the gate in
            exact fractions, and its charge; each answer may be rounded up by 1e-12.
        largest_moment: largest ratio of epsilon by moments, computed again here, to the accountant's.
        unpaid: what was not booked.
        overspent: whether a fit was charged more than its budget.
    """

    fits: int
    labels: int
    noise: NoiseCounts
    largest_vote: float
    furthest_from_charge: float
    largest_moment: float
    unpaid: tuple[str, ...]
    overspent: bool

    def problems(self, significance: float) -> tuple[str, ...]:
        """Return what refutes the claim, in sentences."""
        found = list(self.unpaid)
        if self.noise.too_small(significance / 2) or self.noise.too_large(significance / 2):
            found.append(f"the noise of votes is {self.noise.ratio:.3f} times what is declared")
        if self.largest_vote > 1:
            found.append("a sample has more votes than there are teachers")
        if self.furthest_from_charge > 1e-9:
            found.append("what left the gate costs something else than what was charged")
        if abs(self.largest_moment - 1) > 1e-6:
            found.append(f"moments differ: {self.largest_moment:.6f} of what the accountant says")
        return (*found, *(["a fit was charged more than its budget"] if self.overspent else []))

    @classmethod
    def from_counts(cls, counts: dict[str, Any]) -> VoteCounts:
        """Return what was written as JSON."""
        return cls(**{**counts, "noise": NoiseCounts(**counts["noise"]), "unpaid": tuple(counts["unpaid"])})


def vote_books(fits: int) -> VoteCounts:
    """Return what `fits` fits of PATE-GAN, small and through the front door, count."""
    residuals, largest, furthest, moment, faults, overspent = [], 0.0, 0.0, 0.0, list[str](), False
    rows = [{**PLAIN, "smoker": place % 3 == 0, "age": place % 100, "stage": "none"} for place in range(60)]
    for _ in range(fits):
        witness, curator = Witness(), _opened(Scene.of("votes", ROWS, rows, [PLAIN]).smaller)
        with witness.watching():
            PateGan(samples=300, components=8, iterations=8, teacher_rows=2.0).fit(
                curator, CLAIM, rng=np.random.default_rng()
            )
        exact = Fraction(0)
        for release in witness.releases:
            exact += Fraction(release.sensitivity.squared_l2) / release.mechanism.variance
            if "teachers label" not in release.purpose:
                continue
            counts = np.zeros(release.answer.shape, dtype=np.int64)
            counts[list(release.value)] = list(release.value.values())
            residuals.append((release.answer - counts) / release.mechanism.stddev)
            largest = max(largest, float(counts.max()) / int(release.purpose.split()[0]))
        charged = [event for _, event in curator.charged]
        booked = sum((cost_of(event).mu_squared or Fraction(10**9) for event in charged), Fraction(0))
        furthest = max(furthest, abs(float(booked - exact)))
        overspent |= booked > _allowed()
        moment = max(moment, _epsilon_by_moments(float(exact)) / _accountant_says(charged))
        faults += unpaid(witness.releases, curator.charged)
    noise = np.concatenate(residuals)
    return VoteCounts(
        fits,
        int(noise.size),
        NoiseCounts(int(noise.size), round(float((noise**2).sum()), 6)),
        largest,
        furthest,
        moment,
        tuple(dict.fromkeys(faults)),
        overspent,
    )


def _opened(table: pd.DataFrame) -> Curator:
    ledger = Ledger("sqlite://")
    ledger.set_budget(ROWS.dataset, CLAIM, unit=ROWS.unit.describe())
    return Curator.open(table, ROWS, ledger=ledger)


def _allowed() -> Fraction:
    from dpsynth.accounting.gaussian_dp import mu_squared_from_budget

    return mu_squared_from_budget(CLAIM)


def _epsilon_by_moments(mu_squared: float) -> float:
    """Return epsilon from the moments of Gaussian noise, written down here once more.

    Moment of order l, with the logarithm that two public PATE-GANs forgot: l (l + 1) mu^2 / 2, so alpha mu^2 / 2 of
    Renyi divergence of order alpha = l + 1; converted as in Canonne, Kamath and Steinke 2020, proposition 12.
    """

    def epsilon(order: float) -> float:
        return order * mu_squared / 2 + math.log1p(-1 / order) - math.log(float(DELTA) * order) / (order - 1)

    best = scipy.optimize.minimize_scalar(epsilon, bounds=(1.01, 1000), method="bounded", options={"xatol": 1e-9})
    return float(best.fun)


def _accountant_says(events: list[Any]) -> float:
    accountant = RdpAccountant()
    for event in events:
        accountant.compose(event)
    return float(accountant.get_epsilon(DELTA))
