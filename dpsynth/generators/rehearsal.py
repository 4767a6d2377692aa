"""A fit repeated on a truth that is known: what the noise alone does to a model.

The fitted model is taken for the real table, its marginals get fresh noise of the known size, and a second model is
fitted to them. How far the second model is from the first shows how far noise moves a model of this structure, cell by
cell, whatever the optimiser and the structural zeros are. It reads nothing but post-noise facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dpsynth.curator.queries import NoisyMarginal
from dpsynth.generators.noisy_columns import as_measurements
from dpsynth.models import GraphicalModel, JunctionTree, estimate
from dpsynth.models.factor import Floats
from dpsynth.schema.domain import Clique
from dpsynth.schema.schema import Schema

_TOLERANCE = 1e-4
_LARGEST_TREE = 5_000_000
"""Cells. A mixture answers all pairs of columns without a tree; a graphical model of these answers would need one."""


@dataclass(frozen=True, slots=True)
class NoisyTruth:
    """What stands in for a second fit that would be too large: the known truth with the noise of the answers on it.

    No fit smooths the noise, so error bars that rest on it are too long rather than too short.

    Attributes:
        model: the fitted model, which plays the truth.
        answers: its marginals with fresh noise.
    """

    model: GraphicalModel
    answers: tuple[NoisyMarginal, ...]

    def marginals(self, cliques: Iterable[Clique]) -> Mapping[Clique, Floats]:
        """Return the noisy counts of each measured clique, in rows, and the true ones of every other."""
        asked = list(cliques)
        noisy = {answer.clique: answer.counts.astype(np.float64) for answer in self.answers}
        return {**self.model.marginals(asked), **{clique: noisy[clique] for clique in asked if clique in noisy}}


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A fitted model and one fitted to noisy answers about it.

    Attributes:
        model: the fitted model, which plays the truth.
        answers: the noisy marginals that it was fitted to.
        second: the model of the rehearsal, or what stands in for it where it would be too large.
        second_answers: marginals of `model` with fresh noise, which `second` was fitted to; same order as `answers`.
    """

    model: GraphicalModel
    answers: tuple[NoisyMarginal, ...]
    second: GraphicalModel | NoisyTruth
    second_answers: tuple[NoisyMarginal, ...]


def rehearse(
    schema: Schema, model: GraphicalModel, measurements: Sequence[NoisyMarginal], *, rng: np.random.Generator
) -> Rehearsal:
    """Return a rehearsal of the fit of `model`; takes about as long as the last fit did.

    Args:
        schema: says which columns were denoised before the fit.
        model: the fitted model.
        measurements: the noisy marginals behind it; those that are not over its domain are left out.
        rng: public randomness.

    Privacy: post-processing; nothing is charged. The fresh noise protects nobody.

    Source: Efron 2004, "The estimation of prediction error: covariance penalties and cross-validation", section 4.
    """
    domain = model.domain
    answers = tuple(
        answer
        for answer in measurements
        if all(name in domain for name in answer.clique) and answer.counts.shape == domain.shape(answer.clique)
    )
    truth = model.marginals({answer.clique for answer in answers})
    second_answers = tuple(
        replace(
            answer,
            counts=np.rint(truth[answer.clique] + rng.normal(0.0, answer.stddev, answer.counts.shape)).astype(np.int64),
        )
        for answer in answers
    )
    zeros = {clique: np.isneginf(potential.values) for clique, potential in model.potentials.items()}
    if JunctionTree.of(domain, [*zeros, *truth]).cells > max(_LARGEST_TREE, model.size):
        return Rehearsal(model, answers, NoisyTruth(model, second_answers), second_answers)
    second = estimate(
        domain,
        as_measurements(schema, second_answers),
        warm_start=model,
        tolerance=_TOLERANCE,
        impossible={clique: cells for clique, cells in zeros.items() if cells.any()},
    )
    return Rehearsal(model, answers, second, second_answers)
