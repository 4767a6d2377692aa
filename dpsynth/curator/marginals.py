"""Noisy marginals: the exact counts are made here and leave only through the gate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.unit import PrivacyUnit
from dpsynth.curator._sealed import Private, unseal
from dpsynth.curator.gate import BoundedQuery, Gate
from dpsynth.curator.queries import Grouping, NoisyMarginal
from dpsynth.curator.rows import PrivateRows
from dpsynth.errors import InvalidInput
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.rounded_gaussian import RoundedGaussianMechanism
from dpsynth.schema.domain import Clique, Domain

LARGEST_MARGINAL = 50_000_000
"""Cells; a larger table of counts is refused because it would not fit into memory, whatever the rows are."""


def marginal_sensitivity(unit: PrivacyUnit) -> Sensitivity:
    """Return how far one unit moves a table of counts.

    Its at most m rows may all fall into one cell, so L1, L2 and largest change are all m.
    """
    rows = unit.max_rows_per_unit
    return Sensitivity(l1=rows, squared_l2=rows * rows, linf=rows)


class MarginalCounter:
    """Exact marginals of sealed rows, counted once each and kept sealed."""

    __slots__ = ("_counted", "_rows", "domain", "sensitivity")

    def __init__(self, rows: Private[PrivateRows], domain: Domain, unit: PrivacyUnit) -> None:
        """Count over `rows`, which hold at most `unit.max_rows_per_unit` rows of any unit."""
        self._rows = rows
        self.sensitivity = marginal_sensitivity(unit)
        self._counted: dict[tuple[str | Grouping, ...], Private[NDArray[np.int64]]] = {}
        self.domain = domain

    def shape(self, clique: Clique, groupings: Mapping[str, Grouping]) -> tuple[int, ...]:
        """Return the shape of the marginal of `clique`, groups counted in place of the codes they hold."""
        return tuple(groupings[name].size if name in groupings else self.domain.size(name) for name in clique)

    def query(self, clique: Clique, groupings: Mapping[str, Grouping]) -> BoundedQuery[NDArray[np.int64]]:
        """Return the sealed marginal of `clique` with its sensitivity.

        Privacy: the sensitivity is that of an ungrouped marginal. A grouping maps every code to one group, so every
        row still counts in exactly one cell.

        Raises:
            InvalidInput: unknown or repeated columns, or more cells than fit.
        """
        axes = [groupings.get(name, name) for name in clique]
        columns = tuple(axis.column if isinstance(axis, Grouping) else axis for axis in axes)
        for name in clique:
            if name in groupings and (
                (name in self.domain and name != groupings[name].column)
                or len(groupings[name].groups) != self.domain.size(groupings[name].column)
            ):
                raise InvalidInput(f"the grouping '{name}' needs no other column's name and one group for each code")
        if columns != self.domain.canonical(columns):
            raise InvalidInput(f"clique {clique} must name each column once, in the order of the domain")
        cells = math.prod(self.shape(clique, groupings))
        if cells > LARGEST_MARGINAL:
            raise InvalidInput(
                f"the marginal of {clique} has {cells:,} cells; at most {LARGEST_MARGINAL:,} fit. "
                "Use fewer bins or fewer columns together."
            )
        key = tuple(axes)
        if key not in self._counted:
            groups = [
                np.array(axis.groups, dtype=np.int64, subok=False) if isinstance(axis, Grouping) else None
                for axis in axes
            ]
            self._counted[key] = Private(unseal(self._rows).marginal(columns, groups))
        return BoundedQuery(self._counted[key], self.sensitivity)


def measure_marginal(
    counter: MarginalCounter, gate: Gate, clique: Clique, mu_squared: Fraction, *, groupings: Mapping[str, Grouping]
) -> NoisyMarginal:
    """Return the marginal of `clique` with rounded Gaussian noise.

    Privacy: mu-GDP, mu squared at most `mu_squared`, under add/remove of one unit; L2 sensitivity max_rows_per_unit.
    Source: Dong, Roth and Su 2019, theorem 2.7 (Gaussian noise) and proposition 2.8 (rounding it).
    """
    query = counter.query(clique, groupings)
    mechanism = RoundedGaussianMechanism.for_mu_squared(mu_squared, query.sensitivity)
    counts = gate.release(mechanism, query, purpose="measure " + " x ".join(clique))
    return NoisyMarginal(
        clique=clique,
        counts=counts,
        stddev=mechanism.stddev,
        event=mechanism.event(query.sensitivity),
        groupings={name: groupings[name] for name in clique if name in groupings},
    )
