"""Independent noisy one-way marginals: the floor that every other generator has to beat.

Where the schema declares rules about several columns, independent columns would break them. Then the model is the one
of largest entropy that obeys: columns depend on each other as far as the rules force them to, and no further.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator.queries import MarginalQueries
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.multi_resolution import multi_resolution
from dpsynth.generators.noisy_columns import as_measurements
from dpsynth.generators.working_domain import measure_working_domain
from dpsynth.models import estimate


@dataclass(frozen=True, slots=True)
class Independent:
    """Measures every column once and samples the columns independently, but for the rules of the schema."""

    @property
    def name(self) -> str:
        """The name in the registry."""
        return "independent"

    def fit(
        self,
        curator: MarginalQueries,
        budget: PrivacyBudget,
        *,
        rng: np.random.Generator,  # noqa: ARG002 - part of the protocol; this generator makes no public choice
    ) -> FittedGraphicalModel:
        """Return the fitted generator; see `Synthesizer.fit`.

        Privacy: at most `budget`: one rounded Gaussian marginal per column, equal shares of squared mu.
        """
        with curator.within(budget, purpose="fit independent") as session:
            working = measure_working_domain(session, curator.schema, session.mu_squared)
        resolutions = multi_resolution(curator.schema, working.columns, ())
        measurements = as_measurements(curator.schema, working.columns)
        model = estimate(resolutions.domain, measurements, impossible=resolutions.impossible)
        return FittedGraphicalModel(
            schema=curator.schema,
            model=model,
            measurements=(*working.columns, *working.groundwork),
            merged=working.merged,
            provenance={"generator": self.name},
        )
