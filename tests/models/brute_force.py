"""The slow twin: everything computed over the full joint table, with nothing taken from the package but its nouns."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.models import CliqueVector, Measurement
from dpsynth.schema.domain import Clique, Domain

Floats = NDArray[np.float64]

DOMAIN = Domain(("a", "b", "c", "d", "e"), (2, 3, 2, 4, 1))
"""Small enough for the full joint (48 cells); `e` has a single code."""

CLIQUE_SETS: dict[str, tuple[Clique, ...]] = {
    "none": (),
    "empty clique": ((),),
    "single columns": (("a",), ("b",), ("e",)),
    "pair": (("a", "b"),),
    "chain": (("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")),
    "star": (("a", "b"), ("b", "c"), ("b", "d"), ("b", "e")),
    "cycle of three": (("a", "b"), ("b", "c"), ("a", "c")),
    "cycle of four": (("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")),
    "cycle of five": (("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("a", "e")),
    "two cycles": (("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("d", "e"), ("c", "e")),
    "disconnected": (("a", "c"), ("b", "d")),
    "duplicate": (("a", "b"), ("b", "a"), ("a", "b"), ("c",), ("c",)),
    "nested": (("a",), ("a", "b"), ("a", "b", "c"), ("c",), ("c", "b")),
    "triples": (("a", "b", "c"), ("b", "c", "d"), ("d", "e")),
    "all pairs": tuple(itertools.combinations("abcde", 2)),
    "everything": (("a", "b", "c", "d", "e"),),
    "reversed": (("d", "a"), ("e", "b", "a"), ("c", "d")),
}

ALL_CLIQUES: tuple[Clique, ...] = tuple(
    dict.fromkeys(
        ordered
        for length in range(6)
        for clique in itertools.combinations(DOMAIN.names, length)
        for ordered in (clique, clique[::-1], clique[1:] + clique[:1])
    )
)
"""Every clique, in up to three axis orders."""


def random_potentials(
    cliques: Iterable[Clique], seed: int, spread: float = 1.0, domain: Domain = DOMAIN
) -> CliqueVector:
    """Return normal potentials over `cliques`."""
    potentials = CliqueVector.zeros(domain, cliques)
    potentials.buffer[:] = np.random.default_rng(seed).normal(0, spread, potentials.buffer.shape)
    return potentials


def project(joint: Floats, clique: Clique, domain: Domain = DOMAIN) -> Floats:
    """Return the marginal of a full joint table, axes in the order given."""
    axes = [domain.names.index(name) for name in clique]
    summed = joint.sum(axis=tuple(axis for axis in range(joint.ndim) if axis not in axes))
    kept = sorted(axes)
    return np.asarray(summed).transpose([kept.index(axis) for axis in axes])


def joint_distribution(potentials: CliqueVector) -> Floats:
    """Return the normalised full joint table of exp(sum of potentials)."""
    domain = potentials.domain
    grid = np.indices(domain.sizes)
    logits = np.zeros(domain.sizes)
    for clique, factor in potentials.items():
        logits += factor.values[tuple(grid[domain.names.index(name)] for name in clique)]
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def operator(cliques: Sequence[Clique], domain: Domain = DOMAIN) -> Floats:
    """Return the 0/1 matrix that takes a flat joint table to the marginals over `cliques`, one below the other."""
    identity = np.eye(domain.cells()).reshape(domain.cells(), *domain.sizes)
    columns = [np.stack([project(unit, clique, domain).ravel() for unit in identity], axis=1) for clique in cliques]
    return np.concatenate(columns) if columns else np.zeros((0, domain.cells()))


def loss(joint: Floats, measurements: Sequence[Measurement], domain: Domain = DOMAIN) -> float:
    """Return the weighted least-squares loss of a joint table in rows."""
    return sum(
        float(((project(joint, measured.clique, domain) - measured.counts) ** 2).sum()) / (2 * measured.stddev**2)
        for measured in measurements
    )


def least_squares(measurements: Sequence[Measurement], start: Floats, domain: Domain = DOMAIN) -> Floats:
    """Return the joint nearest to `start` among those that minimise the loss with the total of `start`.

    Solved in closed form with signs left free; it is the answer of the model whenever it comes out positive.
    """
    matrix = operator([measured.clique for measured in measurements], domain)
    scale = np.concatenate([np.full(measured.counts.size, 1 / measured.stddev) for measured in measurements])
    target = np.concatenate([measured.counts.ravel() for measured in measurements])
    # Moves that keep the total: an orthonormal basis of the vectors that sum to zero.
    basis = np.linalg.svd(np.ones((1, domain.cells())))[2][1:].T
    residual = (target - matrix @ start.ravel()) * scale
    move = np.linalg.lstsq((matrix * scale[:, None]) @ basis, residual, rcond=1e-10)[0]
    return start + (basis @ move).reshape(domain.sizes)


def slow_mirror_descent(
    measurements: Sequence[Measurement], total: float, iterations: int, domain: Domain = DOMAIN
) -> Floats:
    """Return the joint after many plain multiplicative-weights steps on the full table, with a safe fixed step."""
    matrix = operator([measured.clique for measured in measurements], domain)
    weight = np.concatenate([np.full(measured.counts.size, measured.stddev**-2.0) for measured in measurements])
    target = np.concatenate([measured.counts.ravel() for measured in measurements])
    step = 1 / (total * sum(measured.stddev**-2.0 for measured in measurements))
    logits = np.zeros(domain.cells())
    joint = np.full(domain.cells(), total / domain.cells())
    for _ in range(iterations):
        logits -= step * (matrix.T @ (weight * (matrix @ joint - target)))
        logits -= logits.max()
        joint = np.exp(logits)
        joint *= total / joint.sum()
    return joint.reshape(domain.sizes)
