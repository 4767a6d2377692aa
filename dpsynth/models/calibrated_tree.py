"""CalibratedTree: a joint distribution as exact conditionals along a junction tree, ready to be asked for marginals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dpsynth.models.factor import Factor, Floats
from dpsynth.models.junction_tree import JunctionTree
from dpsynth.models.pair_marginals import pair_marginals
from dpsynth.models.variable_elimination import eliminated
from dpsynth.schema.domain import Clique, Domain


@dataclass(frozen=True, slots=True, eq=False)
class CalibratedTree:
    """The distribution p(root) * product over the other nodes of p(residual | separator).

    Attributes:
        tree: the junction tree.
        conditionals: per node p(residual | separator), float array with the node's axes; sums to 1 over the residual.
        beliefs: per node the marginal probability of its columns, float array with the node's axes.
    """

    tree: JunctionTree
    conditionals: tuple[Floats, ...]
    beliefs: tuple[Floats, ...]

    def marginal(self, clique: Clique) -> Floats:
        """Return the exact marginal probabilities of any clique, axes in the order given."""
        index = self.tree.covering(clique)
        if index is None:
            return eliminated(self.tree, self.conditionals, self.beliefs, clique)
        return self._inside(index, clique)

    def marginals(self, cliques: Iterable[Clique]) -> dict[Clique, Floats]:
        """Return the exact marginal probabilities of many cliques; pairs outside the nodes share one pass."""
        found: dict[Clique, Floats] = {}
        far_pairs: list[Clique] = []
        nearest = self.tree.pairs()
        for clique in dict.fromkeys(cliques):
            index = nearest.get(frozenset(clique)) if len(clique) == 2 else self.tree.covering(clique)
            if index is not None:
                found[clique] = self._inside(index, clique)
            elif len(clique) == 2:
                far_pairs.append(clique)
            else:
                found[clique] = eliminated(self.tree, self.conditionals, self.beliefs, clique)
        if far_pairs:
            found.update(pair_marginals(self.tree, self.conditionals, self.beliefs, far_pairs))
        return found

    def _inside(self, index: int, clique: Clique) -> Floats:
        names = self.tree.nodes[index].columns
        domain = Domain(names, self.tree.domain.shape(names))
        return np.ascontiguousarray(Factor(domain, self.beliefs[index]).project(clique).values)
