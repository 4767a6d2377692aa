"""estimate: from noisy measurements to the maximum-entropy model that fits them best in weighted least squares."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput
from dpsynth.models.belief_propagation import BeliefPropagation
from dpsynth.models.clique_vector import CliqueVector
from dpsynth.models.factor import Floats
from dpsynth.models.graphical_model import GraphicalModel
from dpsynth.models.junction_tree import JunctionTree
from dpsynth.models.measurement import Measurement, estimated_total
from dpsynth.models.mirror_descent import StoppingRule, descend
from dpsynth.schema.domain import Clique, Domain

_LOWEST_START = -30.0  # for a cell that an earlier model calls impossible: small, but within reach of a few steps


@dataclass(frozen=True, slots=True, eq=False)
class _LeastSquares:
    """The loss sum over measured cells of (total * probability - measured)^2 / (2 stddev^2).

    `constant` holds what is added to the potentials, over the measured cliques and then those that are only masked: 0
    where a cell is possible and -inf where it is not.
    """

    inference: BeliefPropagation
    total: float
    measured: Floats
    scale: Floats
    constant: Floats

    def with_constant(self, potentials: Floats) -> Floats:
        """Return the potentials of all tables, for potentials of the measured ones."""
        combined = self.constant.copy()
        combined[: potentials.size] += potentials
        return combined

    def residual(self, potentials: Floats) -> Floats:
        difference = self.total * self.inference.run(self.with_constant(potentials))[: potentials.size]
        difference -= self.measured
        difference *= self.scale
        return difference


def estimate(
    domain: Domain,
    measurements: Sequence[Measurement],
    *,
    total: float | None = None,
    iterations: int = 1000,
    tolerance: float = 1e-3,
    fit_fraction: float = 0.1,
    warm_start: GraphicalModel | None = None,
    impossible: Mapping[Clique, NDArray[np.bool_]] | None = None,
) -> GraphicalModel:
    """Return the graphical model whose marginals minimise sum of |marginal - counts|^2 / (2 stddev^2).

    All stopping rules are in units of the noise: measured noise alone has an expected loss of half a unit per cell, so
    the loss is compared with half the number of measured cells.

    Args:
        domain: all columns; those never measured come out uniform.
        measurements: noisy tables with any cliques, in any order, repeated, nested or empty; weighted by 1 / stddev^2.
        total: number of rows that the model sums to; estimated by inverse variance if None. Below 1 it counts as 1,
            since the mathematics needs a positive mass; how many records to draw is the caller's decision.
        iterations: most rounds of belief propagation.
        tolerance: stop when ten steps gain less than this fraction of the expected noise loss.
        fit_fraction: stop when the fit error (root of the loss) is below this fraction of the expected noise.
        warm_start: an earlier model of the same domain to start from; it changes the time, not the aim.
        impossible: structural zeros: per clique, axes in its order, True where no record can be. These cells get
            exactly no mass, and among the models that give them none the result is the one that fits best.

    Raises:
        InvalidInput: a clique is not in the domain, a table has another shape, a number is out of range, or the
            impossible cells exclude every record.

    Privacy: post-processing; nothing is charged.
    Source: McKenna, Sheldon, Miklau (2019), "Graphical-model based estimation and inference for differential
        privacy", Algorithm 2, with another optimiser (see `mirror_descent`).
    """
    if warm_start is not None and warm_start.domain != domain:
        raise InvalidInput("the model to start from has another domain")
    if iterations < 1 or not (tolerance >= 0 and fit_fraction >= 0):
        raise InvalidInput("estimate needs iterations >= 1, tolerance >= 0 and fit_fraction >= 0")
    if total is None:
        total = estimated_total(measurements) if measurements else 1.0
    if not math.isfinite(total):
        raise InvalidInput("the total must be a finite number")
    total = max(total, 1.0)
    combined = [measured for measured in _combined(domain, measurements) if measured.clique]
    cliques = tuple(measured.clique for measured in combined)
    constant = _structural_zeros(domain, cliques, impossible or {})
    if not combined:
        return GraphicalModel.from_potentials(constant, total)
    objective = _LeastSquares(
        BeliefPropagation(JunctionTree.of(domain, constant.cliques), constant.cliques),
        total,
        np.concatenate([measured.counts.ravel() for measured in combined]),
        np.concatenate([np.full(measured.counts.size, 1 / measured.stddev) for measured in combined]),
        constant.buffer,
    )
    expected_noise = len(objective.measured) / 2
    rule = StoppingRule(iterations, fit_fraction**2 * expected_noise, tolerance * expected_noise)
    # A clique's squared marginal error is at most its squared total error, hence this Lipschitz constant.
    lipschitz = total * sum(measured.weight for measured in combined)
    start = _independent_start(domain, combined, total) if warm_start is None else warm_start.potentials
    finite = np.nan_to_num(start.moved_to(cliques).buffer, neginf=_LOWEST_START)
    potentials = objective.with_constant(descend(objective, finite, 1.0 / lipschitz, rule))
    return GraphicalModel.from_potentials(_centred(CliqueVector(domain, constant.cliques, potentials)), total)


def _structural_zeros(
    domain: Domain, cliques: tuple[Clique, ...], impossible: Mapping[Clique, NDArray[np.bool_]]
) -> CliqueVector:
    """Return tables over `cliques`, then over the masked cliques among the rest: -inf where impossible, else 0."""
    constant = CliqueVector.zeros(domain, (*cliques, *impossible))
    for clique, mask in impossible.items():
        if mask.shape != domain.shape(clique) or mask.all():
            raise InvalidInput(f"impossible cells of {clique} need shape {domain.shape(clique)}, and some cell left")
        canonical = domain.canonical(clique)
        constant[canonical].values[mask.transpose([clique.index(name) for name in canonical])] = -np.inf
    return constant


def _combined(domain: Domain, measurements: Iterable[Measurement]) -> list[Measurement]:
    """Return one measurement per clique, canonical and sorted: repeated cliques averaged by inverse variance."""
    by_clique: dict[Clique, list[tuple[Floats, float]]] = {}
    for measured in measurements:
        clique = domain.canonical(measured.clique)
        counts = measured.counts.transpose([measured.clique.index(name) for name in clique])
        if counts.shape != domain.shape(clique):
            raise InvalidInput(f"a measurement of {clique} needs shape {domain.shape(clique)}, not {counts.shape}")
        by_clique.setdefault(clique, []).append((counts, measured.stddev))
    combined = []
    for clique, repeats in by_clique.items():
        smallest = min(stddev for _, stddev in repeats)
        # Relative to the smallest, so that extreme standard deviations neither overflow nor vanish.
        weights = [(smallest / stddev) ** 2 for _, stddev in repeats]
        mean = sum((counts * weight for (counts, _), weight in zip(repeats, weights, strict=True)), np.float64(0))
        combined.append(Measurement(clique, np.asarray(mean) / sum(weights), smallest / math.sqrt(sum(weights))))
    return sorted(combined, key=lambda measured: (len(measured.clique), [domain.position(n) for n in measured.clique]))


def _independent_start(domain: Domain, combined: Sequence[Measurement], total: float) -> CliqueVector:
    """Return the potentials of independent columns with the measured one-way tables, noise clipped away."""
    start = CliqueVector.zeros(domain, (measured.clique for measured in combined))
    for measured in combined:
        if len(measured.clique) == 1:
            floor = max(0.1 * measured.stddev, 1e-9 * total)
            start[measured.clique].values[...] = np.log(np.maximum(measured.counts, floor) / total)
    return start


def _centred(potentials: CliqueVector) -> CliqueVector:
    """Return the same model with every table's largest potential at zero, so that no offset builds up over rounds."""
    return CliqueVector.from_factors(
        potentials.domain, (factor - float(np.max(factor.values)) for factor in potentials.values())
    )
