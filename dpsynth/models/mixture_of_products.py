"""A mixture of product distributions: columns are independent within each of a few hundred hidden components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput
from dpsynth.models.clique_vector import CliqueVector
from dpsynth.models.factor import Factor, Floats
from dpsynth.models.graphical_model import GraphicalModel
from dpsynth.schema.domain import Clique, Domain

_SMALLEST = 1e-30
"""Shares below this count as none when logarithms are taken."""


@dataclass(frozen=True, slots=True, eq=False)
class MixtureOfProducts:
    """The distribution sum over components k of weight(k) * product over columns c of share(k, c).

    Attributes:
        domain: the columns.
        weights: probability of each component, float array (components,), sums to 1.
        shares: probability of each code given the component, float array (cells of all columns one below the other,
            components); each column's cells sum to 1 in every component.

    Source: Liu, Vietri and Wu 2021, "Iterative methods for private synthetic data" (products as a relaxed table);
        McKenna's mbi, `MixtureOfProducts`.
    """

    domain: Domain
    weights: Floats
    shares: Floats

    def __post_init__(self) -> None:
        """Refuse arrays that are no mixture over the domain."""
        if self.shares.shape != (sum(self.domain.sizes), len(self.weights)):
            raise InvalidInput("the shares of a mixture need one row per code and one column per component")
        sums = np.add.reduceat(self.shares, [rows.start for rows in column_rows(self.domain).values()], axis=0)
        if (self.shares < 0).any() or not np.allclose(sums, 1) or not np.isclose(self.weights.sum(), 1):
            raise InvalidInput("the weights, and the shares of every column in every component, must sum to 1")

    def marginal(self, clique: Clique) -> Floats:
        """Return the probabilities of one column or of a pair of different columns, axes in the order given."""
        rows = column_rows(self.domain)
        if len(clique) == 1:
            column: Floats = self.shares[rows[clique[0]]] @ self.weights
            return column
        first, second = clique
        if first == second:
            raise InvalidInput(f"the clique {clique} repeats a column")
        pair: Floats = (self.shares[rows[first]] * self.weights) @ self.shares[rows[second]].T
        return pair

    def as_graphical_model(
        self, total: float, impossible: Mapping[Clique, NDArray[np.bool_]] | None = None
    ) -> GraphicalModel:
        """Return the same distribution, without impossible records, as a graphical model with one column more.

        The column is the hidden component. Given it columns are independent, so the junction tree is a star of pairs
        (component, column), or of larger cliques where impossible combinations tie columns together. All that graphical
        models can do is then exact here too: any marginal, records, conditions, files.

        Args:
            total: number of rows that every marginal sums to.
            impossible: per clique True where no record can be, boolean array of the clique's shape.
        """
        hidden = _free_name(self.domain)
        domain = Domain((hidden, *self.domain.names), (len(self.weights), *self.domain.sizes))
        log_shares = np.log(np.maximum(self.shares, _SMALLEST))
        factors = [
            Factor(Domain((hidden, name), domain.shape((hidden, name))), np.ascontiguousarray(log_shares[rows].T))
            for name, rows in column_rows(self.domain).items()
        ]
        first = factors[0]
        first.values[...] += np.log(np.maximum(self.weights, _SMALLEST))[:, None]
        for clique, mask in (impossible or {}).items():
            factors.append(Factor(Domain(clique, domain.shape(clique)), np.where(mask, -np.inf, 0.0)))
        return GraphicalModel.from_potentials(CliqueVector.from_factors(domain, factors), total)


def column_rows(domain: Domain) -> dict[str, slice]:
    """Return the rows of each column when the codes of all columns stand one below the other."""
    ends = np.cumsum(domain.sizes).tolist()
    starts = [0, *ends[:-1]]
    return {name: slice(start, end) for name, start, end in zip(domain.names, starts, ends, strict=True)}


def _free_name(domain: Domain) -> str:
    name = "component"
    while name in domain:
        name += "'"
    return name
