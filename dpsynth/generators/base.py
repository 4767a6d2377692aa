"""What every generator is, and what every fitted one can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator.queries import MarginalQueries, NoisyMarginal
from dpsynth.generators.error_bars import ErrorBars
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable

Queries_contra = TypeVar("Queries_contra", contravariant=True)


class FittedSynthesizer(Protocol):
    """A generator after its fit: post-noise state only, so everything about it is public."""

    @property
    def schema(self) -> Schema:
        """The schema that it generates."""

    @property
    def total(self) -> float:
        """The noisy estimate of the number of rows."""

    @property
    def measurements(self) -> Sequence[NoisyMarginal]:
        """The noisy answers that the model was built from."""

    def sample(
        self, rows: int, *, rng: np.random.Generator, given: Mapping[str, object] | None = None
    ) -> SyntheticTable:
        """Return `rows` synthetic rows.

        Args:
            rows: how many.
            rng: public randomness.
            given: conditions: per column the value, or a list of the values, that all rows shall have, as cells of the
                table; a number stands for the bin that contains it, None for a missing cell. The rows follow the model
                given all conditions; none is drawn in vain.

        Raises:
            InvalidInput: `rows` is negative, or `given` is not in the schema or has no chance in the model.

        Privacy: post-processing; nothing is charged, whatever the number of rows and the conditions.
        """

    def sample_chunks(
        self, rows: int, *, rng: np.random.Generator, given: Mapping[str, object] | None = None
    ) -> Iterator[NDArray[np.int32]]:
        """Return the codes of `rows` synthetic rows in pieces, shape (some rows, columns), columns as in the schema.

        Memory does not grow with `rows`, and the pieces together are one sample: `sample` holds the same rows if `rng`
        is the same after one `spread_seed_from`. Arguments, errors and privacy are those of `sample`.
        """

    def error_bars(self, table: SyntheticTable, *, rng: np.random.Generator | None = None) -> ErrorBars:
        """Return how far columns and pairs of a table that this model made may be from the measured table.

        Args:
            table: made by `sample`, or what is left of such a table; without rows it has no error bars.
            rng: public randomness of what is expected; the intervals do not depend on it.

        Privacy: post-processing; nothing is charged.
        """

    def save(self, folder: str | Path) -> None:
        """Write the model, without pickle, into the new folder `folder`."""


class Synthesizer(Protocol[Queries_contra]):
    """Hyperparameters of a generator; fitting returns another object and leaves this one as it is."""

    @property
    def name(self) -> str:
        """The name in the registry."""

    def fit(self, curator: Queries_contra, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedSynthesizer:
        """Return the generator fitted to the curator's answers.

        Args:
            curator: answers questions about the rows; the type says which.
            budget: the most that the whole fit may cost.
            rng: public randomness for choices that do not protect anybody.

        Raises:
            BudgetNotSet: the data set has no budget.
            BudgetExceeded: the budget does not fit into what is left; no row was touched.

        Privacy: at most `budget`, charged before the first answer.
        """


MarginalSynthesizer = Synthesizer[MarginalQueries]
"""A generator that asks for marginals only."""
