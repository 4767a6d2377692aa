"""A suite over a handful of rows says nothing on the screen: what a library warns of depends on the rows."""

from __future__ import annotations

import warnings

import numpy as np

from dpsynth.attacks import Records
from dpsynth.attacks.suite import run_suite


def test_no_warning_leaves_the_suite() -> None:
    rng = np.random.default_rng(0)
    kinds = np.array([True] * 4 + [False] * 3)

    def few(rows: int) -> Records:
        return Records(np.concatenate([rng.random((rows, 4)), rng.integers(0, 200, (rows, 3))], axis=1), kinds)

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        run_suite(few(40), few(120), few(40), few(0), rng=rng)
    assert warned == []
