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

_LARGEST_SUM = 1 << 60
"""A distance and a penalty stay below this on the grid, so no score leaves 64 bits and no sum wraps around."""

_LARGEST_WEIGHT = 1 << 20


def select_cliques(
    counter: MarginalCounter,
    gate: Gate,
    estimates: Mapping[Clique, NDArray[np.float64]],
    mu_squared: Fraction,
    *,
    weights: Mapping[Clique, int],
    penalties: Mapping[Clique, float],
    groupings: Mapping[str, Grouping],
    count: int,
) -> tuple[Clique, ...]:
    """Return `count` different candidates whose weighted L1 errors, less their penalties, are close to the largest.

    Privacy: mu-GDP, mu squared at most `mu_squared`: one exponential mechanism for each choice, among the candidates
    that are left, each charged its part before it is made. Adding one unit of m rows moves the L1 distance of any
    marginal to a fixed estimate by at most m, hence a score by at most m * max weight; the estimate is rounded to the
    grid before the distance is taken, so this holds exactly in integers. The change may have either sign, so the
    two-sided form eps * score / (2 * sens) is used.
    Source: McSherry and Talwar 2007; bounded range: Dong, Durfee and Rogers 2020; mu: docs/design/gaussian_filter.md.
    """
    candidates = ordered_candidates(estimates, counter.domain, groupings)
    if type(count) is not int or not 1 <= count <= len(candidates):
        raise InvalidInput(f"between one and all of the {len(candidates)} candidates can be selected, not {count}")
    if any(type(weights[clique]) is not int or not 1 <= weights[clique] <= _LARGEST_WEIGHT for clique in candidates):
        raise InvalidInput(f"weights of candidates must be whole numbers from 1 to {_LARGEST_WEIGHT}")
    asked = [
        (weights[clique], _on_grid(estimates[clique], counter.shape(clique, groupings)), _bounded(penalties[clique]))
        for clique in candidates
    ]
    counts = [counter.query(clique, groupings).value for clique in candidates]
    # From here on nothing that a caller sent is called or converted, and nothing can raise: that would be an answer.
    scores = np.empty(len(candidates), dtype=np.int64)
    for place, (weight, estimate, penalty) in enumerate(asked):
        exact = np.minimum(unseal(counts[place]), _most_rows(estimate))
        distance = int(np.abs(exact * GRID - estimate).sum())
        scores[place] = max(min(weight * (distance - penalty), 1 << 62), -(1 << 62))
    largest_weight = max(weight for weight, _, _ in asked)
    reach = counter.sensitivity.l1 * GRID * largest_weight
    mechanism = ExponentialMechanism.for_mu_squared(mu_squared / count)
    left, chosen = list(range(len(candidates))), []
    for _ in range(count):
        moved = Sensitivity(l1=reach * len(left), squared_l2=reach**2 * len(left), linf=reach)
        query = BoundedQuery(Private(scores[left]), moved)
        place = gate.release(mechanism, query, purpose=f"select one of {len(left)} marginals")
        chosen.append(candidates[left.pop(place)])
    return tuple(chosen)


def _on_grid(estimate: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return an estimate as whole grid steps in a plain array of our own, its cells bounded so that sums fit."""
    plain = np.array(estimate, dtype=np.float64, subok=False, copy=True)
    if plain.shape != shape:
        raise InvalidInput(f"the estimate of this candidate must have shape {shape}, not {plain.shape}")
    largest = float(_most_rows(plain))
    return np.rint(np.clip(np.nan_to_num(plain), -largest, largest) * GRID).astype(np.int64)


def _most_rows(cells: NDArray[np.generic]) -> int:
    """Return the largest count per cell that is told apart; bounding counts cannot raise the sensitivity."""
    return _LARGEST_SUM // (2 * GRID * max(cells.size, 1))


def _bounded(penalty: float) -> int:
    """Return a penalty in grid steps."""
    largest = _LARGEST_SUM / GRID
    return round(min(max(float(penalty), -largest), largest) * GRID)
