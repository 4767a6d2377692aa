"""AIM: an adaptive and iterative mechanism that measures the pair with the most to gain, over and over.

Fine columns take part at several resolutions; see `multi_resolution`.
"""

from __future__ import annotations

import math
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
from dpsynth.generators.within_groups import COLUMNS_BESIDE_GROUPS, measure_within_groups
from dpsynth.generators.working_domain import measure_working_domain
from dpsynth.models import GraphicalModel, Measurement, estimate
from dpsynth.models.pair_growth import pair_growth
from dpsynth.progress import phase
from dpsynth.schema.domain import Clique, Domain
from dpsynth.schema.schema import Schema

_MEASUREMENTS_PER_COLUMN = 3
_MOST_FITS = 60
"""Where more measurements than this are planned, several are chosen between two fits."""

_LARGEST_TRIPLE = 0.3
"""Triples whose noise would add up to more than this share of the rows are no candidates."""

_LOOSE_TOLERANCE, _LOOSE_ITERATIONS = 1e-2, 50
"""Fits between rounds only have to rank the candidates."""

_FINAL_TOLERANCE = 1e-5
_ANNEALING = 2
"""How many times as much squared mu a measurement may cost once noise drowns the gain; 4 would halve sigma."""


@dataclass(frozen=True, slots=True)
class AIM:
    """AIM on pairs and triples at any resolution: choose, measure, fit; spend more once noise drowns the gain.

    Attributes:
        rounds: most measurements after those of the columns; None takes three for each column. They get costlier on
            the way, so fewer happen. Beyond 60, several are chosen between two fits.
        column_share: part of the whole budget that measures every single column first.
        selection_share: part of each round's cost that pays for the choice; the rest pays for the measurement.
        largest_model: most cells of the junction tree once everything is spent; before, the limit is in proportion.
        largest_set: most columns that are measured together; 2 leaves triples out.
        levels: numbers of groups of the coarser versions of fine columns, falling; () for none.

    Privacy: how much a round costs depends on earlier noisy answers. Plain composition theorems want costs fixed
    beforehand; for Gaussian differential privacy a filter lifts that: as long as the sum of squared mu, each chosen
    from the answers so far, never passes the reserved mu squared, the whole is mu-GDP (the allowance of the curator
    refuses what would pass it). So spending more per measurement in the middle of a run needs no correction.

    Source: McKenna, Mullins, Sheldon and Miklau 2022, "AIM", algorithms 1 to 4. Filter: Smith and Thakurta
    2022; docs/design/gaussian_filter.md.
    """

    rounds: int | None = None
    column_share: float = 0.25
    selection_share: float = 0.1
    largest_model: int = 200_000
    largest_set: int = 3
    levels: tuple[int, ...] = (32, 12, 5)

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
        if self.largest_set not in {2, 3}:
            raise InvalidInput(f"largest_set must be 2 or 3, not {self.largest_set}")
        if any(level < 2 for level in self.levels) or list(self.levels) != sorted(set(self.levels), reverse=True):
            raise InvalidInput(f"levels must be falling and at least 2, not {self.levels}")

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
        with curator.within(budget, purpose="fit aim") as session:
            share, hub = Fraction(str(self.column_share)), curator.schema.workload.group_by
            if hub is not None:
                share *= COLUMNS_BESIDE_GROUPS
            working = measure_working_domain(session, curator.schema, share * session.mu_squared)
            answers = list(working.columns)
            measurements = as_measurements(curator.schema, answers)
            resolutions = multi_resolution(curator.schema, answers, self.levels)
            model = _fitted(resolutions, measurements)
            if hub is not None:
                for answer, measurement in measure_within_groups(session, hub, resolutions, model):
                    answers.append(answer)
                    measurements.append(measurement)
                model = _fitted(resolutions, measurements)
            model = self._improve(session, curator.schema, resolutions, model, answers, measurements)
        model = _fitted(resolutions, measurements, warm_start=model, tolerance=_FINAL_TOLERANCE)
        return FittedGraphicalModel(
            schema=curator.schema,
            model=model,
            measurements=(*answers, *working.groundwork),
            merged=working.merged,
            provenance={
                "generator": self.name,
                "rounds": str(self._planned_measurements(domain)),
                "levels": " ".join(map(str, self.levels)),
                "column_share": str(self.column_share),
                "selection_share": str(self.selection_share),
                "largest_model": str(self.largest_model),
                "largest_set": str(self.largest_set),
            },
        )

    def _planned_measurements(self, domain: Domain) -> int:
        return _MEASUREMENTS_PER_COLUMN * len(domain) if self.rounds is None else self.rounds

    def _improve(
        self,
        session: MarginalSession,
        schema: Schema,
        resolutions: MultiResolution,
        model: GraphicalModel,
        answers: list[NoisyMarginal],
        measurements: list[Measurement],
    ) -> GraphicalModel:
        """Run the rounds: append what was measured to `answers` and `measurements`, and return the last model."""
        planned, workload = self._planned_measurements(schema.domain), schema.workload
        batch = math.ceil(planned / _MOST_FITS)
        each = session.remaining_mu_squared / planned
        with phase("choose, measure, fit", planned) as advance:
            for taken in range(0, planned, batch):
                remaining = session.remaining_mu_squared
                count = max(1, min(batch, planned - taken, math.floor(remaining / each)))
                last = taken + count >= planned or remaining < (count + 1) * each
                spend = remaining if last else count * each
                for_choices = Fraction(str(self.selection_share)) * spend
                limit = float(self.largest_model * (1 if last else 1 - (remaining - spend) / session.mu_squared))
                noise = expected_noise((spend - for_choices) / count, schema.unit.max_rows_per_unit)
                candidates = _candidates(resolutions, model, limit, count)
                if self.largest_set > 2:
                    candidates += _triples(resolutions, model, model.total / noise)
                estimates = model.marginals(candidates)
                chosen = session.select(
                    estimates,
                    for_choices,
                    weights={clique: workload.weight(map(resolutions.column, clique)) for clique in estimates},
                    penalties={clique: noise * model.domain.cells(clique) for clique in estimates},
                    groupings=resolutions.groupings,
                    count=count,
                )
                for left, clique in zip(range(count, 0, -1), chosen, strict=True):
                    part = session.remaining_mu_squared / left if last else (spend - for_choices) / count
                    answers.append(session.measure(clique, part, groupings=resolutions.groupings))
                    advance(1)
                measurements += as_measurements(schema, answers[-count:])
                if last:
                    break
                model = _fitted(
                    resolutions,
                    measurements,
                    warm_start=model,
                    tolerance=_LOOSE_TOLERANCE,
                    iterations=_LOOSE_ITERATIONS,
                )
                changes = [float(np.abs(model.marginal(clique) - estimates[clique]).sum()) for clique in chosen]
                if sum(changes) <= noise * sum(map(model.domain.cells, chosen)):
                    each *= _ANNEALING
        return model


def _fitted(
    resolutions: MultiResolution,
    measurements: list[Measurement],
    *,
    warm_start: GraphicalModel | None = None,
    tolerance: float = 1e-3,
    iterations: int = 1000,
) -> GraphicalModel:
    return estimate(
        resolutions.domain,
        measurements,
        warm_start=warm_start,
        tolerance=tolerance,
        iterations=iterations,
        impossible=resolutions.impossible,
    )


def _candidates(resolutions: MultiResolution, model: GraphicalModel, limit: float, together: int) -> list[Clique]:
    """Return columns and pairs that should keep the model within `limit` cells, by public sizes and noisy answers.

    Columns stand at any resolution, never twice in one clique. A pair may make the model grow, each of `together` by
    its part of what is left.

    Args:
        resolutions: the columns with their coarser versions.
        model: the present model.
        limit: most cells of the next model.
        together: how many candidates will be chosen at once.
    """
    domain, size = resolutions.domain, model.size
    pairs = [
        pair
        for pair, growth in pair_growth(model.calibrated.tree).items()
        if resolutions.column(pair[0]) != resolutions.column(pair[1])
        and (growth == 0 or size + together * growth <= limit)
    ]
    columns = [name for name in domain.names if resolutions.column(name) == name]
    return [*((name,) for name in columns), *pairs]


def _triples(resolutions: MultiResolution, model: GraphicalModel, rows_per_noise: float) -> list[Clique]:
    """Return triples of different columns inside the model that have so few cells that noise does not drown them.

    Args:
        resolutions: the columns with their coarser versions.
        model: the present model.
        rows_per_noise: the number of rows in units of the expected noise in one cell.
    """
    domain = resolutions.domain
    found = {
        triple
        for node in model.calibrated.tree.nodes
        for triple in combinations(domain.canonical(node.columns), 3)
        if domain.cells(triple) <= _LARGEST_TRIPLE * rows_per_noise and len(set(map(resolutions.column, triple))) == 3
    }
    return sorted(found)
