"""Belief propagation: from potentials on measured cliques to exact marginals, on a junction tree.

Going up, tables are in log space and every separator cell has its own maximum subtracted, so nothing overflows and
nothing that matters underflows; each node is left with p(residual | separator), up to the mass of each separator cell.
Going down, marginals are that times the separator marginal, with no logarithm and no division by a marginal. One
exponential per cell and iteration is most of the cost.

All buffers are laid out once per tree; an iteration allocates nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dpsynth.errors import InvalidInput
from dpsynth.models.calibrated_tree import CalibratedTree
from dpsynth.models.clique_vector import CliqueVector
from dpsynth.models.factor import Floats
from dpsynth.models.junction_tree import JunctionTree, TreeNode
from dpsynth.schema.domain import Clique, Domain

_IMPOSSIBLE = -1e300  # stands for the log of zero where -inf would turn differences into nan
_TINY = np.finfo(np.float64).tiny


@dataclass(slots=True)
class _Rung:
    """A table over the first axes of a node.

    Adding a potential to the shortest prefix that holds it, and not to the full table, makes most additions (and, on
    the way down, most sums) small when several cliques lie in one node.
    """

    table: Floats
    terms: list[Floats]

    def gather(self) -> None:
        """Add up the terms, which broadcast against the table."""
        match self.terms:
            case []:
                self.table.fill(0.0)
            case [only]:
                np.copyto(self.table, only)
            case [first, second, *rest]:
                np.add(first, second, out=self.table)
                for term in rest:
                    self.table += term


@dataclass(slots=True)
class _Reading:
    """One marginal to be taken from a rung: the axes to sum out and where the result goes."""

    source: Floats
    axes: tuple[int, ...]
    target: Floats

    def take(self) -> None:
        """Write the marginal."""
        if self.axes:
            np.add.reduce(self.source, axis=self.axes, out=self.target)
        else:
            np.copyto(self.target, self.source)


class _Tables:
    """The buffers of one node, in its axis order, with the views that connect them."""

    __slots__ = (
        "above", "belief", "belief_rows", "gathers", "mass", "message", "names", "peak", "peak_rows", "readings",
        "shape", "split", "weight_rows", "weights",
    )  # fmt: skip

    def __init__(self, domain: Domain, node: TreeNode) -> None:
        self.names = node.columns
        self.shape = domain.shape(node.columns)
        self.split = len(node.separator)
        rows = domain.cells(node.separator)
        self.weights = np.zeros(self.shape)
        self.belief = np.zeros(self.shape)
        self.weight_rows = self.weights.reshape(rows, -1)
        self.belief_rows = self.belief.reshape(rows, -1)
        self.peak, self.mass, self.message, self.above = (np.ones(rows) for _ in range(4))
        self.peak_rows = self.peak[:, None]
        self.gathers: list[_Rung] = []
        self.readings: list[_Reading] = []

    def aligned(self, table: Floats, names: Clique, length: int) -> Floats:
        """Return `table`, whose axes are `names`, as a view that broadcasts against the first `length` axes."""
        kept = [name for name in self.names[:length] if name in names]
        spread = tuple(slice(None) if name in names else None for name in self.names[:length])
        return table.transpose([names.index(name) for name in kept])[spread]

    def depth(self, names: Clique) -> int:
        """Return how many leading axes hold all of `names`."""
        return max((self.names.index(name) + 1 for name in names), default=0)

    def connect(self, incoming: list[tuple[Floats, Clique]], outgoing: list[tuple[Floats, Clique]]) -> None:
        """Build the ladder of prefixes from the tables added on the way up and those read on the way down."""
        full = len(self.shape)
        lower: Floats | None = None
        for length in sorted({self.depth(names) for _, names in incoming} | {full}):
            table = self.weights if length == full else np.zeros(self.shape[:length])
            terms = [] if lower is None else [lower.reshape(lower.shape + (1,) * (length - lower.ndim))]
            terms += [self.aligned(source, names, length) for source, names in incoming if self.depth(names) == length]
            self.gathers.append(_Rung(table, terms))
            lower = table
        higher = self.belief
        for length in sorted({self.depth(names) for _, names in outgoing} | {full, self.split}, reverse=True):
            if length == full:
                table = self.belief
            elif length == self.split:
                table = self.above.reshape(self.shape[:length])  # known from the parent already
            else:
                table = np.zeros(self.shape[:length])
                self.readings.append(_Reading(higher.reshape((*table.shape, -1)), (length,), table))
            higher = table
            for target, names in outgoing:
                if self.depth(names) == length:
                    kept = [name for name in self.names[:length] if name in names]
                    axes = tuple(axis for axis in range(length) if self.names[axis] not in names)
                    view = target.transpose([names.index(name) for name in kept])
                    self.readings.append(_Reading(table, axes, view))

    def collect(self) -> None:
        """Turn potentials and messages into p(residual | separator), up to `mass`, and the message to the parent."""
        for rung in self.gathers:
            rung.gather()
        rows = self.weight_rows
        np.maximum.reduce(rows, axis=1, out=self.peak)
        np.maximum(self.peak, _IMPOSSIBLE, out=self.peak)
        np.subtract(rows, self.peak_rows, out=rows)
        np.exp(rows, out=rows)
        np.add.reduce(rows, axis=1, out=self.mass)
        np.maximum(self.mass, _TINY, out=self.mass)
        np.log(self.mass, out=self.message)
        np.add(self.message, self.peak, out=self.message)

    def conditional(self) -> Floats:
        """Return p(residual | separator) as a new array; rows of impossible separator cells mean nothing."""
        return (self.weight_rows / self.mass[:, None]).reshape(self.shape)

    def distribute(self) -> None:
        """Turn the separator marginal into the belief and everything that is read from it."""
        np.divide(self.above, self.mass, out=self.peak)
        np.multiply(self.weight_rows, self.peak_rows, out=self.belief_rows)
        for reading in self.readings:
            reading.take()


class BeliefPropagation:
    """Exact inference for potentials on a fixed set of cliques, over a fixed tree.

    Holds scratch buffers, so one object serves one loop; results handed out by `calibrate` are copies.

    Attributes:
        tree: the junction tree; it must cover every clique.
        marginals: probabilities over the cliques after the last `run`, overwritten by the next one.
    """

    __slots__ = ("_potentials", "_tables", "marginals", "tree")

    def __init__(self, tree: JunctionTree, cliques: tuple[Clique, ...]) -> None:
        """Lay out the buffers for `cliques`."""
        domain = tree.domain
        self.tree = tree
        self._potentials = CliqueVector.zeros(domain, cliques)
        self.marginals = CliqueVector.zeros(domain, cliques)
        self._tables = [_Tables(domain, node) for node in tree.nodes]
        incoming: list[list[tuple[Floats, Clique]]] = [[] for _ in tree.nodes]
        outgoing: list[list[tuple[Floats, Clique]]] = [[] for _ in tree.nodes]
        for clique in self._potentials:
            index = tree.covering(clique)
            if index is None:
                raise InvalidInput(f"the junction tree does not cover {clique}")
            incoming[index].append((self._potentials[clique].values, clique))
            outgoing[index].append((self.marginals[clique].values, clique))
        for node, tables in zip(tree.nodes, self._tables, strict=True):
            if node.parent >= 0:
                shape = domain.shape(node.separator)
                incoming[node.parent].append((tables.message.reshape(shape), node.separator))
                outgoing[node.parent].append((tables.above.reshape(shape), node.separator))
        for tables, added, read in zip(self._tables, incoming, outgoing, strict=True):
            tables.connect(added, read)

    def run(self, potentials: Floats) -> Floats:
        """Return the marginal probabilities of all cliques for `potentials`.

        Args:
            potentials: float array in the buffer order of the cliques, log units; -inf marks impossible cells.

        Returns:
            float array of the same shape: a view on `marginals`, valid until the next run.
        """
        np.copyto(self._potentials.buffer, potentials)
        for tables in reversed(self._tables):
            tables.collect()
        for tables in self._tables:
            tables.distribute()
        return self.marginals.buffer

    def calibrate(self, potentials: Floats) -> CalibratedTree:
        """Return the calibrated tree for `potentials`, as copies.

        Raises:
            InvalidInput: the impossible cells exclude every record.
        """
        self.run(potentials)
        if self._tables and float(self._tables[0].message[0]) < _IMPOSSIBLE / 2:  # the root's is the log partition
            raise InvalidInput("the impossible cells together exclude every record")
        return CalibratedTree(
            self.tree,
            tuple(tables.conditional() for tables in self._tables),
            tuple(tables.belief.copy() for tables in self._tables),
        )


def belief_propagation(tree: JunctionTree, potentials: CliqueVector) -> CalibratedTree:
    """Return the exact calibrated tree of the distribution proportional to exp(sum of `potentials`).

    Raises:
        InvalidInput: the tree does not cover some clique, or impossible cells exclude every record.

    Source: Koller and Friedman (2009), section 10.2, in the form of conditionals towards the root.
    """
    return BeliefPropagation(tree, potentials.cliques).calibrate(potentials.buffer)
