"""Private choice among cliques: scores are computed inside, on an integer grid, and only the choice leaves."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator._sealed import Private, unseal
from dpsynth.curator.gate import BoundedQuery, Gate
from dpsynth.curator.marginals import MarginalCounter
from dpsynth.curator.queries import Grouping, ordered_candidates
from dpsynth.errors import InvalidInput
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.exponential import ExponentialMechanism
from dpsynth.schema.domain import Clique

GRID = 1024
"""Scores are whole multiples of 1/GRID rows: integers have an exact sensitivity, floats do not."""

_LARGEST_GRID_VALUE = float(1 << 50)


def select_clique(
    counter: MarginalCounter,
    gate: Gate,
    estimates: Mapping[Clique, NDArray[np.float64]],
    rho: Fraction,
    *,
    weights: Mapping[Clique, int],
    penalties: Mapping[Clique, float],
    groupings: Mapping[str, Grouping],
) -> Clique:
    """Return a candidate whose weighted L1 error, less its penalty, is close to the largest.

    Privacy: `rho` zCDP. Adding one unit of m rows moves the L1 distance of any marginal to a fixed estimate by at most
    m, hence a score by at most m * max weight; the estimate is rounded to the grid before the distance is taken, so
    this holds exactly in integers. The change may have either sign, so the two-sided form eps * score / (2 * sens) is
    used.
    Source: McSherry and Talwar 2007; bounded range: Dong, Durfee and Rogers 2020; eps^2/8 zCDP: Cesar and Rogers 2021.
    """
    candidates = ordered_candidates(estimates, counter.domain, groupings)
    if not candidates:
        raise InvalidInput("there is no candidate to select from")
    if any(weights[clique] < 1 for clique in candidates):
        raise InvalidInput("weights of candidates must be positive integers")
    scores = np.empty(len(candidates), dtype=np.int64)
    for place, clique in enumerate(candidates):
        query = counter.query(clique, groupings)
        estimate = np.clip(np.nan_to_num(estimates[clique]) * GRID, -_LARGEST_GRID_VALUE, _LARGEST_GRID_VALUE)
        if estimate.shape != counter.shape(clique, groupings):
            raise InvalidInput(f"the estimate of {clique} must have shape {counter.shape(clique, groupings)}")
        distance = int(np.abs(unseal(query.value) * GRID - np.rint(estimate).astype(np.int64)).sum())
        penalty = round(penalties[clique] * GRID)
        scores[place] = weights[clique] * (distance - penalty)
    largest_weight = max(weights[clique] for clique in candidates)
    reach = counter.sensitivity.l1 * GRID * largest_weight
    moved = Sensitivity(l1=reach * len(candidates), squared_l2=reach**2 * len(candidates), linf=reach)
    choice = gate.release(
        ExponentialMechanism.for_rho(rho),
        BoundedQuery(Private(scores), moved),
        purpose=f"select one of {len(candidates)} marginals",
    )
    return candidates[choice]
