"""The suite keeps to its false-alarm rate, and its tests of fit are calibrated."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np

from tests.statistical.goodness_of_fit import (
    chi_square_p,
    gaussian_cells,
    gaussian_pmf,
    kolmogorov_smirnov_p,
    laplace_cells,
    laplace_pmf,
)
from tests.statistical.significance import LARGEST_DECISIONS

HERE = Path(__file__).parent


def test_the_decisions_of_all_modules_fit_into_the_rate() -> None:
    modules = [path.stem for path in HERE.glob("test_*.py") if path.stem != Path(__file__).stem]
    decisions = {name: importlib.import_module(f"tests.statistical.{name}").NULL_DECISIONS for name in modules}
    assert min(decisions.values()) > 0
    assert sum(decisions.values()) <= LARGEST_DECISIONS


def test_p_values_of_ideal_draws_are_uniform_or_larger() -> None:
    # 400 experiments with numpy's own multinomial draws; below 5 % with probability .05 each, so 20 +- 4.4: the bounds
    # are six standard deviations away (chi-square) and one-sided (Kolmogorov-Smirnov is conservative for integers).
    rng = np.random.default_rng(41)
    values, probabilities = pmf = gaussian_pmf(100.0)
    draws = [rng.choice(values, size=20_000, p=probabilities) for _ in range(400)]
    assert 0 < sum(chi_square_p(sample, pmf) < 0.05 for sample in draws) < 47
    assert sum(kolmogorov_smirnov_p(sample, pmf) < 0.05 for sample in draws) < 47


def test_cells_hold_the_probabilities_of_their_values() -> None:
    step, wanted = 5, np.arange(-40, 40)
    for (values, probabilities), (cells, masses) in [
        (gaussian_pmf(512.0**2), gaussian_cells(512.0**2, step)),
        (laplace_pmf(129.0), laplace_cells(129.0, step)),
    ]:
        summed = [probabilities[values // step == cell].sum() for cell in wanted]
        assert np.allclose(masses[np.searchsorted(cells, wanted)], summed, atol=1e-7)
