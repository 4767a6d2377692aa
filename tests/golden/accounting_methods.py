"""Second methods for the vectors in accounting_vectors.json: by name, from plain numbers, without the package.

`transform` is right to about 2e-5, the others to at least ten digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mpmath import erfc, exp, findroot, log, mp, mpf, sqrt

from tests.accounting import slow_methods as slow


def gaussian(delta: float, squared_mu: float) -> float:
    """Solve the profile of N(0, 1) against N(mu, 1) in forty digits (Balle, Wang 2018, theorem 8)."""
    with mp.workdps(40):
        mu = sqrt(mpf(squared_mu))

        def normal(point: Any) -> Any:
            return erfc(-point / sqrt(mpf(2))) / 2

        def excess(epsilon: Any) -> Any:
            return log(normal(mu / 2 - epsilon / mu) - exp(epsilon) * normal(-mu / 2 - epsilon / mu)) - log(mpf(delta))

        low, high = mpf(0), mpf(1)
        while excess(high) > 0:
            high *= 2
        return float(findroot(excess, (low, high), solver="anderson", tol=1e-25))


def laplace(delta: float, pure: float) -> float:
    """Invert delta = 1 - exp((epsilon - pure) / 2), the integral of the profile of one Laplace draw."""
    return pure + 2 * math.log1p(-delta)


def bounded_range(delta: float, pure: float) -> float:
    """Invert delta = (e^(pure/2) - e^(epsilon/2))^2 / (e^pure - 1), the envelope over all places of the interval."""
    return 2 * math.log(math.exp(pure / 2) - math.sqrt(delta * math.expm1(pure)))


def responses(delta: float, pure: float, count: int, failure: float) -> float:
    """Solve the sum over the number of lies (Kairouz, Oh, Viswanath 2015, theorem 3.3)."""
    alive = (1 - failure) ** count
    return slow.epsilon_of(lambda e: 1 - alive * (1 - slow.composed_pure_delta(e, pure, count)), delta, count * pure)


def summed(delta: float, pure: float, count: int) -> float:
    """Add up: at delta 0 the largest loss is what counts."""
    assert delta == 0
    return pure * count


def zero_concentrated(delta: float, rho: float) -> float:
    """Minimise the bound over the order in thirty digits (Canonne, Kamath, Steinke 2020, proposition 12)."""
    with mp.workdps(30):
        r, d = mpf(rho), mpf(delta)

        def bound(t: Any) -> Any:
            return (1 + t) * r + (log(1 / d) - log(1 + t)) / t + log(t / (1 + t))

        def slope(t: Any) -> Any:
            return r * t * t + log(1 + t) - log(1 / d)

        return float(bound(findroot(slope, (mpf("1e-6"), mpf("1e9")), solver="anderson", tol=1e-20)))


def integer_gaussian(delta: float, variance: float, vector: Sequence[int]) -> float:
    """List every outcome of integer noise on cells that change by `vector`."""
    law = slow.discrete_gaussian_law(variance, vector)
    return slow.epsilon_of(lambda e: slow.hockey_stick(law, e), delta, 40.0)


def integer_laplace(delta: float, scale: float, sensitivity: int) -> float:
    """List every outcome."""
    law = slow.discrete_laplace_law(scale, sensitivity)
    return slow.epsilon_of(lambda e: slow.hockey_stick(law, e), delta, sensitivity / scale)


def transform(delta: float, parts: Sequence[Sequence[Any]], spacing: float, reach: float) -> float:
    """Transform, multiply, transform back, with each law on a grid that keeps its mean; the larger direction.

    A part is a kind, its parameters and a count.
    """
    kinds: dict[str, Callable[..., slow.Law]] = {
        "gaussian": slow.gaussian_law,
        "laplace": slow.laplace_law,
        "integer gaussian": slow.discrete_gaussian_law,
        "integer laplace": slow.discrete_laplace_law,
        "response": lambda pure: (np.array([pure, -pure]), np.array([math.exp(pure), 1.0]) / (1 + math.exp(pure))),
    }

    def laws(*, added: bool) -> list[tuple[slow.Law, int]]:
        found = []
        for kind, *numbers, count in parts:
            law = (
                slow.sampled_gaussian_law(*numbers, added=added)
                if kind == "sampled gaussian"
                else kinds[kind](*numbers)
            )
            found.append((law, count))
        return found

    directions = (False, True) if any(part[0] == "sampled gaussian" for part in parts) else (False,)
    return max(slow.fourier_epsilon(laws(added=added), delta, spacing=spacing, reach=reach) for added in directions)


METHODS: dict[str, Callable[..., float]] = {
    "gaussian": gaussian,
    "laplace": laplace,
    "bounded range": bounded_range,
    "responses": responses,
    "sum": summed,
    "zero-concentrated": zero_concentrated,
    "integer gaussian": integer_gaussian,
    "integer laplace": integer_laplace,
    "transform": transform,
}
