"""MWEM with a graphical model: choose the worst pair privately, measure it, fit, and again.

The original keeps the full table of the domain, which ends at about ten columns. Here the maximum-entropy model of the
measured marginals takes its place, so the cost follows the cliques and not the domain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator.queries import MarginalQueries, MarginalSession, NoisyMarginal
from dpsynth.errors import InvalidInput
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.multi_resolution import MultiResolution, multi_resolution
from dpsynth.generators.noisy_columns import as_measurements, expected_noise
from dpsynth.generators.working_domain import WorkingDomain, measure_working_domain
from dpsynth.models import GraphicalModel, estimate
from dpsynth.progress import phase
from dpsynth.schema.domain import Clique, Domain
from dpsynth.schema.schema import Schema
from dpsynth.schema.workload import Workload

_FINAL_TOLERANCE = 1e-5
"""The last fit may take its time: it is the one that rows are sampled from."""


@dataclass(frozen=True, slots=True)
class MWEM:
    """Multiplicative weights with the exponential mechanism, on pairs of columns.

    Attributes:
        rounds: number of pairs to choose and measure; None takes twice the number of columns.
        selection_share: part of each round's cost that pays for the choice; the rest pays for the measurement. A single
            candidate is measured for all of it.
        initial_share: part of the whole budget that measures every single column first.
        largest_model: most cells of the junction tree; pairs that would exceed it are not candidates.
        largest_marginal: most cells of one pair.

    Source: Hardt, Ligett and McSherry 2012 (MWEM); McKenna, Sheldon and Miklau 2019 (graphical-model form); the noise
    penalty in the score is that of McKenna et al. 2022 (AIM), algorithm 2.
    """

    rounds: int | None = None
    selection_share: float = 0.15
    initial_share: float = 0.2
    largest_model: int = 200_000
    largest_marginal: int = 100_000

    def __post_init__(self) -> None:
        """Refuse parameters that cannot work.

        Raises:
            InvalidInput: naming the parameter and what it may be.
        """
        if self.rounds is not None and self.rounds < 0:
            raise InvalidInput(f"rounds must be at least 0, not {self.rounds}")
        for name, share in (("selection_share", self.selection_share), ("initial_share", self.initial_share)):
            if not 0 < share < 1:
                raise InvalidInput(f"{name} must be between 0 and 1, not {share}")
        if self.largest_model < 1 or self.largest_marginal < 1:
            raise InvalidInput("largest_model and largest_marginal must be at least 1 cell")

    @property
    def name(self) -> str:
        """The name in the registry."""
        return "mwem"

    def fit(
        self,
        curator: MarginalQueries,
        budget: PrivacyBudget,
        *,
        rng: np.random.Generator,  # noqa: ARG002 - part of the protocol; this generator makes no public choice
    ) -> FittedGraphicalModel:
        """Return the fitted generator; see `Synthesizer.fit`.

        Privacy: at most `budget`. The schedule is fixed beforehand: one rounded Gaussian marginal per column, then in
        every round one exponential mechanism and one rounded Gaussian marginal.
        """
        domain = curator.domain
        rounds = self._planned_rounds(domain)
        with curator.within(budget, purpose="fit mwem") as session:
            share = Fraction(str(self.initial_share)) if rounds else Fraction(1)
            working = measure_working_domain(session, curator.schema, share * session.mu_squared)
            answers = list(working.columns)
            resolutions = multi_resolution(curator.schema, answers, ())
            model = _fitted(curator.schema, resolutions, answers)
            with phase("choose, measure, fit", rounds) as advance:
                per_round = session.remaining_mu_squared / rounds if rounds else Fraction(0)
                for _ in range(rounds):
                    chosen = self._next_pair(session, working, curator.schema.workload, model, answers, per_round)
                    if chosen is None:
                        break
                    answers.append(chosen)
                    model = _fitted(curator.schema, resolutions, answers, warm_start=model)
                    advance(1)
        model = _fitted(curator.schema, resolutions, answers, warm_start=model, tolerance=_FINAL_TOLERANCE)
        return FittedGraphicalModel(
            schema=curator.schema,
            model=model,
            measurements=(*answers, *working.groundwork),
            merged=working.merged,
            provenance={"generator": self.name, "rounds": str(rounds), **self._parameters()},
        )

    def _planned_rounds(self, domain: Domain) -> int:
        pairs = len(domain) * (len(domain) - 1) // 2
        return min(2 * len(domain) if self.rounds is None else self.rounds, pairs)

    def _parameters(self) -> dict[str, str]:
        return {
            "selection_share": str(self.selection_share),
            "initial_share": str(self.initial_share),
            "largest_model": str(self.largest_model),
            "largest_marginal": str(self.largest_marginal),
        }

    def _next_pair(
        self,
        session: MarginalSession,
        working: WorkingDomain,
        workload: Workload,
        model: GraphicalModel,
        answers: list[NoisyMarginal],
        mu_squared: Fraction,
    ) -> NoisyMarginal | None:
        """Return the measurement of this round's pair, or None when no pair is left to choose from."""
        candidates = self._candidates(working.domain, model, {answer.clique for answer in answers})
        if not candidates:
            return None
        if len(candidates) == 1:
            return session.measure(candidates[0], mu_squared, groupings=working.groupings)
        for_choice = Fraction(str(self.selection_share)) * mu_squared
        for_measurement = mu_squared - for_choice
        estimates = model.marginals(candidates)
        (chosen,) = session.select(
            estimates,
            for_choice,
            weights={pair: workload.weight(pair) for pair in candidates},
            penalties=_expected_noise(model.domain, candidates, for_measurement),
            groupings=working.groupings,
        )
        return session.measure(chosen, for_measurement, groupings=working.groupings)

    def _candidates(self, domain: Domain, model: GraphicalModel, measured: set[Clique]) -> list[Clique]:
        return [
            pair
            for pair in combinations(domain.names, 2)
            if pair not in measured
            and domain.cells(pair) <= self.largest_marginal
            and model.size_with(pair) <= self.largest_model
        ]


def _fitted(
    schema: Schema,
    resolutions: MultiResolution,
    answers: list[NoisyMarginal],
    *,
    warm_start: GraphicalModel | None = None,
    tolerance: float = 1e-3,
) -> GraphicalModel:
    return estimate(
        resolutions.domain,
        as_measurements(schema, answers),
        warm_start=warm_start,
        tolerance=tolerance,
        impossible=resolutions.impossible,
    )


def _expected_noise(domain: Domain, candidates: list[Clique], mu_squared: Fraction) -> Mapping[Clique, float]:
    """Return the expected L1 norm of the noise in a measurement of each candidate, in rows."""
    per_cell = expected_noise(mu_squared, 1)
    return {pair: per_cell * domain.cells(pair) for pair in candidates}
