"""Independent noisy one-way marginals: the floor that every other generator has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator.queries import MarginalQueries
from dpsynth.generators.fitted_model import FittedGraphicalModel, as_measurement
from dpsynth.models import estimate
from dpsynth.progress import phase


@dataclass(frozen=True, slots=True)
class Independent:
    """Measures every column once and samples the columns independently."""

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

        Privacy: at most `budget`: one discrete Gaussian marginal per column, equal shares of rho.
        """
        columns = curator.domain.names
        with curator.within(budget, purpose="fit independent") as session, phase("measure", len(columns)) as advance:
            share = session.rho / len(columns)
            answers = []
            for name in columns:
                answers.append(session.measure((name,), share))
                advance(1)
        model = estimate(curator.domain, [as_measurement(answer) for answer in answers])
        return FittedGraphicalModel(
            schema=curator.schema,
            model=model,
            measurements=tuple(answers),
            provenance={"generator": self.name},
        )
