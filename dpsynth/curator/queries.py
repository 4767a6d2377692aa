"""The narrow protocols through which a generator asks about rows, and the answers it gets.

A generator names the narrowest protocol that it needs in its `fit` signature, so a reader sees which access it has.
Every answer is charged before it is given. No query runs a generator's code on rows: candidates and estimates cross
the door as arrays, and scores with their sensitivities are computed inside. Training has a protocol of its own, in
`dpsynth.curator.gradient_queries`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import DpEvent
from dpsynth.errors import InvalidInput
from dpsynth.schema.domain import Clique, Domain
from dpsynth.schema.schema import Schema


@dataclass(frozen=True, slots=True)
class Grouping:
    """A coarser version of one column, public: which group every code falls into.

    Attributes:
        column: the column of the domain.
        groups: group of each code, numbers 0 to k - 1, each used at least once.
    """

    column: str
    groups: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse group numbers that leave gaps.

        Raises:
            InvalidInput: naming the column.
        """
        if not self.groups or set(self.groups) != set(range(max(self.groups) + 1)):
            raise InvalidInput(f"groups of '{self.column}' must be numbered from 0 without a gap")

    @property
    def size(self) -> int:
        """The number of groups."""
        return max(self.groups) + 1


@dataclass(frozen=True, slots=True)
class NoisyMarginal:
    """A marginal with integer noise on every cell: public.

    Attributes:
        clique: the columns; a name that `groupings` holds stands for a coarser version of a column.
        counts: noisy counts in rows, integer array of the clique's shape; cells may be negative.
        stddev: standard deviation of the noise per cell, in rows.
        event: what it cost.
        groupings: the coarser versions among `clique`, by name.
    """

    clique: Clique
    counts: NDArray[np.int64]
    stddev: float
    event: DpEvent
    groupings: Mapping[str, Grouping] = field(default_factory=dict)


class MarginalSession(Protocol):
    """Questions about marginals inside one reserved allowance of squared mu, Gaussian differential privacy."""

    @property
    def mu_squared(self) -> Fraction:
        """The whole allowance."""

    @property
    def remaining_mu_squared(self) -> Fraction:
        """What is left of it."""

    def measure(
        self, clique: Clique, mu_squared: Fraction, *, groupings: Mapping[str, Grouping] | None = None
    ) -> NoisyMarginal:
        """Return the marginal of `clique` with rounded Gaussian noise.

        Args:
            clique: columns in the order of the domain, each once, at one resolution.
            mu_squared: what the answer may cost.
            groupings: coarser versions of columns that `clique` may name in place of them.

        Raises:
            BudgetExceeded: when `mu_squared` is more than what remains; nothing is asked then.

        Privacy: at most `mu_squared`; one unit moves the counts by its number of rows in L2 norm. Groups do not change
        this: a grouped marginal sums disjoint cells, so each row still counts in exactly one cell.
        """

    def select(
        self,
        estimates: Mapping[Clique, NDArray[np.float64]],
        mu_squared: Fraction,
        *,
        weights: Mapping[Clique, int],
        penalties: Mapping[Clique, float],
        groupings: Mapping[str, Grouping] | None = None,
        count: int = 1,
    ) -> tuple[Clique, ...]:
        """Return `count` different cliques whose estimates are far from the truth, by the exponential mechanism.

        The score of a clique is `weight * (L1 distance of its true and estimated counts in rows - penalty)`.

        Args:
            estimates: candidate cliques with the estimated counts, arrays of the cliques' shapes, in rows.
            mu_squared: what all choices together may cost.
            weights: positive integer importance of every candidate.
            penalties: expected noise of a measurement of every candidate, in rows.
            groupings: coarser versions of columns that candidates may name in place of them.
            count: how many to choose, one after the other, each at the same cost and none twice.

        Raises:
            BudgetExceeded: when `mu_squared` is more than what remains; nothing is asked then.

        Privacy: at most `mu_squared`; one unit moves a score by at most its number of rows times the largest weight.
        Source: McSherry and Talwar 2007; McKenna et al. 2022 (AIM), algorithm 2, line 7.
        """


class MarginalQueries(Protocol):
    """Access to noisy marginals, and to nothing else."""

    @property
    def schema(self) -> Schema:
        """What is publicly known."""

    @property
    def domain(self) -> Domain:
        """Names and sizes of the columns after discretisation."""

    def within(self, budget: PrivacyBudget, *, purpose: str) -> AbstractContextManager[MarginalSession]:
        """Reserve `budget` in the ledger, open the data, and answer questions until the context ends.

        Raises:
            BudgetNotSet: the data set has no budget.
            BudgetExceeded: the reservation does not fit; no row was touched.

        Privacy: the reservation is charged in full before the first row is read; when the context ends, whatever way,
        the charge is lowered to the events that were answered.
        """


def ordered_candidates(
    estimates: Mapping[Clique, object], domain: Domain, groupings: Mapping[str, Grouping]
) -> Sequence[Clique]:
    """Return candidates in the order of the domain, so that answers do not depend on the order of a dict."""

    def place(name: str) -> tuple[int, str]:
        return domain.position(groupings[name].column if name in groupings else name), name

    return sorted(estimates, key=lambda clique: (len(clique), [place(name) for name in clique]))
