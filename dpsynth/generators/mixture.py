"""Mixture of products: every pair measured once, at the resolution that the noise allows; no clique is too large."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator.queries import MarginalQueries
from dpsynth.errors import InvalidInput
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.noisy_tables import measure_columns, measure_pairs, require_taken
from dpsynth.models.mixture_fit import fit_mixture


@dataclass(frozen=True, slots=True)
class Mixture:
    """A mixture of products of columns, fitted to noisy columns and to all noisy pairs.

    Attributes:
        components: number of products.
        iterations: steps of the fit.
        column_share: part of the budget that measures the single columns; the rest measures all pairs.
        noise_in_a_pair: total-variation distance that noise alone may add to a pair; sets the resolution of columns.
        information_price: what a nat of information about a column costs in the fit, see `MixtureLoss`, for each pair
            that the column is in, divided by the square root of (rows / expected noise of a cell).

    Source: Fu et al. 2025, MargNet (pairs of a neural mixture of products); Liu, Vietri and Wu 2021 (relaxed table).
    """

    components: int = 512
    iterations: int = 600
    column_share: float = 0.3
    noise_in_a_pair: float = 0.15
    information_price: float = 1.0

    def __post_init__(self) -> None:
        """Refuse parameters that cannot work.

        Raises:
            InvalidInput: naming the parameter and what it may be.
        """
        if self.components < 1 or self.iterations < 1:
            raise InvalidInput("components and iterations must be at least 1")
        if not 0 < self.column_share < 1:
            raise InvalidInput(f"column_share must be between 0 and 1, not {self.column_share}")
        if not self.noise_in_a_pair > 0 or not self.information_price >= 0:
            raise InvalidInput("noise_in_a_pair must be positive, and information_price not negative")

    @property
    def name(self) -> str:
        """The name in the registry."""
        return "mixture"

    def fit(self, curator: MarginalQueries, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedGraphicalModel:
        """Return the fitted generator; see `Synthesizer.fit`.

        Privacy: at most `budget`. How many questions there are follows from the schema; their sizes and the split
        follow from the noisy answers to the first ones.

        Raises:
            InvalidInput: there are too many columns to measure every pair, or rules tie too many columns together.
        """
        schema = curator.schema
        require_taken(schema)
        has_pairs = len(schema.columns) > 1
        with curator.within(budget, purpose="fit mixture") as session:
            share = (Fraction(str(self.column_share)) if has_pairs else Fraction(1)) * session.mu_squared
            tables = measure_columns(
                session,
                schema,
                share,
                left_for_pairs=session.mu_squared - share if has_pairs else session.mu_squared,
                noise_in_a_pair=self.noise_in_a_pair,
            )
            if has_pairs:
                tables = measure_pairs(session, tables, session.remaining_mu_squared)
        price = self.information_price * (len(tables.domain) - 1) * math.sqrt(tables.total / tables.noise)
        model = fit_mixture(
            tables.domain,
            tables.columns,
            tables.measured_pairs,
            total=tables.total,
            rng=rng,
            components=tables.most_components(self.components),
            iterations=self.iterations,
            information_price=price,
            impossible=tables.impossible,
        )
        return tables.fitted(
            model,
            {
                "generator": self.name,
                "components": str(self.components),
                "iterations": str(self.iterations),
                "column_share": str(self.column_share),
                "noise_in_a_pair": str(self.noise_in_a_pair),
                "information_price": str(self.information_price),
            },
        )
