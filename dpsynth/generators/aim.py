"""AIM: an adaptive and iterative mechanism that measures the pair with the most to gain, over and over."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator.queries import MarginalQueries, MarginalSession, NoisyMarginal
from dpsynth.errors import InvalidInput
from dpsynth.generators.fitted_model import FittedGraphicalModel, as_measurement
from dpsynth.generators.noisy_columns import expected_noise, measure_columns
from dpsynth.models import GraphicalModel, estimate
from dpsynth.progress import phase
from dpsynth.schema.domain import Clique, Domain

_ROUNDS_PER_COLUMN = 7
_LOOSE_TOLERANCE, _LOOSE_ITERATIONS = 1e-2, 80
"""Fits between rounds only have to rank the candidates."""

_FINAL_TOLERANCE = 1e-5
_ANNEALING = 4
"""Halving sigma costs four times the rho."""


@dataclass(frozen=True, slots=True)
class AIM:
    """AIM on all pairs of columns: choose, measure, fit, and spend more per round once the noise drowns the gain.

    Attributes:
        rounds: most rounds; None takes seven for each column. Rounds get costlier on the way, so fewer happen.
        column_share: part of the whole budget that measures every single column first.
        selection_share: part of each round's cost that pays for the choice; the rest pays for the measurement.
        largest_model: most cells of the junction tree once all rho is spent; before, the limit is in proportion.

    Privacy: how much a round costs depends on earlier noisy answers. Plain composition theorems want costs fixed
    beforehand; for zero-concentrated privacy a filter lifts that: as long as the sum of rho, each chosen from the
    answers so far, never passes the reserved amount, the whole is reserved-rho private (the allowance of the curator
    refuses what would pass it). So doubling the precision in the middle of a run needs no correction.

    Source: McKenna, Mullins, Sheldon and Miklau 2022, "AIM", algorithms 1 to 4. Filter: Feldman and Zrnic 2021,
    theorem 4.3.
    """

    rounds: int | None = None
    column_share: float = 0.12
    selection_share: float = 0.1
    largest_model: int = 300_000

    def __post_init__(self) -> None:
        """Refuse parameters that cannot work.

        Raises:
            InvalidInput: naming the parameter and what it may be.
        """
        if self.rounds is not None and self.rounds < 1:
            raise InvalidInput(f"rounds must be at least 1, not {self.rounds}")
        for name, share in (("column_share", self.column_share), ("selection_share", self.selection_share)):
            if not 0 < share < 1:
                raise InvalidInput(f"{name} must be between 0 and 1, not {share}")
        if self.largest_model < 1:
            raise InvalidInput(f"largest_model must be at least 1 cell, not {self.largest_model}")

    @property
    def name(self) -> str:
        """The name in the registry."""
        return "aim"

    def fit(
        self,
        curator: MarginalQueries,
        budget: PrivacyBudget,
        *,
        rng: np.random.Generator,  # noqa: ARG002 - part of the protocol; this generator makes no public choice
    ) -> FittedGraphicalModel:
        """Return the fitted generator; see `Synthesizer.fit`.

        Privacy: at most `budget`, by the filter that the class describes.
        """
        domain = curator.domain
        rounds = self._planned_rounds(domain)
        with curator.within(budget, purpose="fit aim") as session:
            answers = measure_columns(session, domain, Fraction(str(self.column_share)) * session.rho)
            model = estimate(domain, [as_measurement(answer) for answer in answers])
            model = self._improve(session, model, answers, rounds, curator.schema.unit.max_rows_per_unit)
        model = estimate(
            domain, [as_measurement(answer) for answer in answers], warm_start=model, tolerance=_FINAL_TOLERANCE
        )
        return FittedGraphicalModel(
            schema=curator.schema,
            model=model,
            measurements=tuple(answers),
            provenance={
                "generator": self.name,
                "rounds": str(rounds),
                "column_share": str(self.column_share),
                "selection_share": str(self.selection_share),
                "largest_model": str(self.largest_model),
            },
        )

    def _planned_rounds(self, domain: Domain) -> int:
        return _ROUNDS_PER_COLUMN * len(domain) if self.rounds is None else self.rounds

    def _improve(
        self, session: MarginalSession, model: GraphicalModel, answers: list[NoisyMarginal], rounds: int, rows: int
    ) -> GraphicalModel:
        """Run the rounds: append what was measured to `answers` and return the last model."""
        per_round = session.remaining_rho / rounds
        with phase("choose, measure, fit", rounds) as advance:
            for played in range(1, rounds + 1):
                remaining = session.remaining_rho
                last = played == rounds or remaining < 2 * per_round
                spend = remaining if last else per_round
                for_choice = Fraction(str(self.selection_share)) * spend
                limit = float(self.largest_model * (1 if last else 1 - (remaining - spend) / session.rho))
                estimates = model.marginals(_candidates(model, limit))
                noise = expected_noise(spend - for_choice, rows)
                chosen = session.select(
                    estimates,
                    for_choice,
                    weights={clique: _weight(clique) for clique in estimates},
                    penalties={clique: noise * model.domain.cells(clique) for clique in estimates},
                )
                answers.append(session.measure(chosen, session.remaining_rho if last else spend - for_choice))
                advance(1)
                if last:
                    break
                model = estimate(
                    model.domain,
                    [as_measurement(answer) for answer in answers],
                    warm_start=model,
                    tolerance=_LOOSE_TOLERANCE,
                    iterations=_LOOSE_ITERATIONS,
                )
                change = float(np.abs(model.marginal(chosen) - estimates[chosen]).sum())
                if change <= noise * model.domain.cells(chosen):
                    per_round *= _ANNEALING
        return model


def _candidates(model: GraphicalModel, limit: float) -> list[Clique]:
    """Return all columns and all pairs that keep the model within `limit` cells; decided by public sizes only."""
    domain = model.domain
    pairs = [
        pair for pair in combinations(domain.names, 2) if domain.cells(pair) <= limit and model.size_with(pair) <= limit
    ]
    return [*((name,) for name in domain.names), *pairs]


def _weight(clique: Clique) -> int:
    """Return the overlap of `clique` with all pairs of d columns, divided by the common factor d - 1.

    A pair shares two columns with itself and one with 2 (d - 2) others: 2 (d - 1); a column meets d - 1 pairs.
    """
    return len(clique)
