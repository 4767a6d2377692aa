"""The list of exposed rows keeps its false-discovery rate, and finds most of what is exposed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.exposed_rows import exposed_rows

RUNS = 400
MEMBERS, EXPOSED, CONTROLS = 300, 60, 600
RATE = 0.05

Scores = NDArray[np.float64]


def drawn(rng: np.random.Generator, *, levels: int | None) -> tuple[Scores, Scores]:
    """Return scores of members, the first of whom are exposed, and of controls; in few levels there are many ties."""
    members, controls = rng.normal(size=MEMBERS), rng.normal(size=CONTROLS)
    members[:EXPOSED] += 4
    if levels is None:
        return members, controls
    return np.round(members * levels) / levels, np.round(controls * levels) / levels


def listed(*, levels: int | None, seed: int, best_of: int = 1) -> tuple[float, float]:
    """Return the mean share of false rows in the list and the mean share of exposed rows that are found."""
    rng = np.random.default_rng(seed)
    false, found = [], []
    for _ in range(RUNS):
        lists = [exposed_rows("score", *drawn(rng, levels=levels), rate=RATE).rows for _ in range(best_of)]
        rows = np.array(sorted(set().union(*lists)), dtype=np.intp)
        false.append((rows >= EXPOSED).sum() / max(rows.size, 1))
        found.append((rows < EXPOSED).sum() / EXPOSED)
    return float(np.mean(false)), float(np.mean(found))


def test_the_false_discovery_rate_is_kept_and_the_exposed_are_found() -> None:
    # The bound is 5 % times the share of unexposed members, 4 %. The mean of 400 runs has a standard error below
    # 0.25 % (the share of false rows has standard deviation 4 %): above 5 % with probability below 1e-4.
    for levels in (None, 3):
        false, found = listed(levels=levels, seed=7)
        assert false <= RATE
        assert found > 0.8


def test_the_test_would_see_a_list_without_a_bound() -> None:
    # A union of lists from six scores, each with its own false rows: the rate is far above the bound.
    false, _ = listed(levels=None, seed=8, best_of=6)
    assert false > 2 * RATE


def test_nothing_exposed_means_hardly_any_list() -> None:
    # Without exposed rows every listed row is false, so some row may be listed in 5 % of the runs:
    # 20 of 400 expected, more than 36 have probability 2e-4.
    rng = np.random.default_rng(9)
    lists = [exposed_rows("score", rng.normal(size=MEMBERS), rng.normal(size=CONTROLS)).rows for _ in range(RUNS)]
    assert sum(bool(rows) for rows in lists) <= 36
