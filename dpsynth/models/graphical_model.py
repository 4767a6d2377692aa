"""GraphicalModel: what a marginal-based generator keeps after fitting, made of post-noise numbers only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput
from dpsynth.models.belief_propagation import belief_propagation
from dpsynth.models.calibrated_tree import CalibratedTree
from dpsynth.models.clique_vector import CliqueVector
from dpsynth.models.conditioning import Evidence, conditioned
from dpsynth.models.factor import Floats
from dpsynth.models.junction_tree import JunctionTree
from dpsynth.models.model_file import read_model, write_model
from dpsynth.models.records import sample_chunks, sample_records
from dpsynth.schema.domain import Clique, Domain


@dataclass(frozen=True, slots=True, eq=False)
class GraphicalModel:
    """The distribution proportional to exp(sum of potentials), scaled to `total` rows.

    Holds post-noise numbers only: potentials come from noisy measurements, everything else is computed from them.

    Attributes:
        potentials: log-space tables over the measured cliques.
        total: number of rows that every marginal sums to, at least 1.
        calibrated: the same distribution as exact conditionals along the junction tree.
    """

    potentials: CliqueVector
    total: float
    calibrated: CalibratedTree = field(repr=False)

    @classmethod
    def from_potentials(cls, potentials: CliqueVector, total: float) -> GraphicalModel:
        """Return the model of `potentials`, calibrated once."""
        tree = JunctionTree.of(potentials.domain, potentials.cliques)
        return cls(potentials, total, belief_propagation(tree, potentials))

    @property
    def domain(self) -> Domain:
        """All columns."""
        return self.potentials.domain

    @property
    def cliques(self) -> tuple[Clique, ...]:
        """The measured cliques."""
        return self.potentials.cliques

    @property
    def size(self) -> int:
        """Cells of the junction tree: what memory and time grow with."""
        return self.calibrated.tree.cells

    def size_with(self, clique: Clique) -> int:
        """Return what `size` would be if `clique` were measured too; reads sizes of columns only."""
        return self.calibrated.tree.cells_with(self._checked(clique))

    def marginal(self, clique: Clique) -> Floats:
        """Return the exact marginal over any clique, in rows; axes in the order given."""
        return self.calibrated.marginal(self._checked(clique)) * self.total

    def marginals(self, cliques: Iterable[Clique]) -> dict[Clique, Floats]:
        """Return the exact marginals over many cliques, in rows; all pairs at once cost little more than one."""
        found = self.calibrated.marginals([self._checked(clique) for clique in cliques])
        return {clique: table * self.total for clique, table in found.items()}

    def sample(
        self, rows: int, rng: np.random.Generator, given: Mapping[str, Evidence] | None = None
    ) -> NDArray[np.int32]:
        """Return `rows` records, shape (rows, columns), int32 codes, under the evidence `given`.

        See `sample_records` for the error, and `conditioned` for `given`.
        """
        return sample_records(conditioned(self.calibrated, given or {}), rows, rng)

    def sample_chunks(
        self, rows: int, rng: np.random.Generator, given: Mapping[str, Evidence] | None = None
    ) -> Iterator[NDArray[np.int32]]:
        """Return the records of `sample` in pieces, in memory that does not grow with `rows`."""
        return sample_chunks(conditioned(self.calibrated, given or {}), rows, rng)

    def save(self, path: str | Path) -> None:
        """Write the model to one file (safetensors, no pickle, byte-reproducible)."""
        write_model(Path(path), self.potentials, self.total)

    @classmethod
    def load(cls, path: str | Path) -> GraphicalModel:
        """Read a model that `save` wrote.

        Raises:
            InvalidInput: the file is missing or is not such a model.
        """
        potentials, total = read_model(Path(path))
        return cls.from_potentials(potentials, total)

    def _checked(self, clique: Clique) -> Clique:
        clique = tuple(clique)
        if len(self.domain.canonical(clique)) != len(clique):
            raise InvalidInput(f"the clique {clique} repeats a column")
        return clique
