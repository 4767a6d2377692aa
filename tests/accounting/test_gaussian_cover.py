"""A cover is never below the event, hardly above it, refused where it is claimed too small, and safe to adapt to."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import fftconvolve
from scipy.special import ndtr
from scipy.stats import norm

from dpsynth.accounting.agreement import cross_check
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.cost import ZERO_COST, PrivacyCost, cost_of
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DiscreteGaussianDpEvent,
    DpEvent,
    ExponentialDpEvent,
    GaussianCoverDpEvent,
    GaussianDpEvent,
    LaplaceDpEvent,
    NonPrivateDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
    ZCDpEvent,
    event_from_json,
    event_to_json,
)
from dpsynth.accounting.filter import AdaptiveFilter
from dpsynth.accounting.gaussian import gaussian_delta, gaussian_deltas
from dpsynth.accounting.gaussian_cover import covered, covers, gaussian_cover
from dpsynth.accounting.gaussian_dp import epsilon_from_mu_squared
from dpsynth.accounting.pld import PldAccountant
from dpsynth.errors import InvalidBudget, InvalidInput
from tests.accounting import slow_methods as slow

Floats = NDArray[np.float64]


def training(probability: float, noise: float, steps: int) -> DpEvent:
    return SelfComposedDpEvent(PoissonSampledDpEvent(probability, GaussianDpEvent(noise)), steps)


def normal_deltas(mu: float, epsilons: Floats) -> Floats:
    return ndtr(mu / 2 - epsilons / mu) - np.exp(epsilons) * ndtr(-mu / 2 - epsilons / mu)


# -------------------------------------------------------------------------------------------------- how tight, how safe

VECTORS = [
    (training(0.01, 1.0, 1000), "1e-5", 1.82824, 0.005),
    (training(0.01, 1.0, 10_000), "1e-5", 6.18774, 0.002),
    (training(0.04, 1.1, 500), "1e-5", 4.90478, 0.002),
    (training(0.5, 5.0, 100), "1e-6", 5.02212, 0.003),
    (training(0.01, 0.5, 1000), "1e-5", 13.3609, 0.03),
    (SelfComposedDpEvent(LaplaceDpEvent(10.0), 100), "1e-5", 4.22034, 0.03),
    (ComposedDpEvent((GaussianDpEvent(4.0), LaplaceDpEvent(5.0), training(0.01, 1.2, 300))), "1e-5", 1.331837, 0.06),
]


@pytest.mark.parametrize(("event", "delta", "epsilon", "excess"), VECTORS)
def test_the_converted_epsilon_is_just_above_the_known_one(
    event: DpEvent, delta: str, epsilon: float, excess: float
) -> None:
    cover = covered(event, Decimal(delta) / 10)
    cost = cost_of(cover)
    assert cost.mu_squared is not None
    found = epsilon_from_mu_squared(cost.mu_squared, Fraction(delta) - cost.delta)
    assert epsilon * (1 - 2e-5) <= found <= epsilon * (1 + excess)


@pytest.mark.parametrize(("probability", "noise", "steps"), [(0.02, 1.5, 200), (0.1, 3.0, 100), (0.005, 0.8, 400)])
def test_a_plain_transform_sees_the_cover_above_the_event_and_a_smaller_one_below(
    probability: float, noise: float, steps: int
) -> None:
    share, spacing, reach = 1e-6, 4e-5, 16.0
    mu = math.sqrt(covered(training(probability, noise, steps), str(share)).mu_squared)
    size = round(2 * reach / spacing)
    excess, smaller = [], []
    for added in (False, True):
        losses, masses = slow.sampled_gaussian_law(probability, noise, added=added)
        place = np.floor(losses / spacing).astype(np.int64)
        upper = losses / spacing - place
        law = np.bincount(place % size, masses * (1 - upper), size)
        law += np.bincount((place + 1) % size, masses * upper, size)
        total = np.fft.irfft(np.fft.rfft(law) ** steps, size)[: size // 2]
        losses = np.arange(size // 2) * spacing
        epsilons = np.arange(0.0, 6.0, 0.1)
        true = np.array([slow.hockey_stick((losses, total), epsilon) for epsilon in epsilons])
        excess.append(true - (share + (1 - share) * normal_deltas(mu, epsilons)) * (1 + 1e-4))
        smaller.append(true - (share + (1 - share) * normal_deltas(0.995 * mu, epsilons)))
    assert np.max(excess) <= 0
    assert np.max(smaller) > 0


def test_one_laplace_draw_by_its_closed_form() -> None:
    """Delta at epsilon is 1 - e^((epsilon - 1/s) / 2) up to 1/s, in both directions."""
    share, pure = 1e-9, 0.5
    mu_squared = covered(LaplaceDpEvent(1 / pure), str(share)).mu_squared
    epsilons = np.linspace(0, pure, 5001)
    true = np.maximum(0.0, -np.expm1((epsilons - pure) / 2))
    mu = math.sqrt(mu_squared)
    assert np.all(true <= share + (1 - share) * normal_deltas(mu, epsilons) + 1e-14)
    assert np.any(true > share + (1 - share) * normal_deltas(mu * 0.999, epsilons))
    own = cost_of(LaplaceDpEvent(1 / pure)).mu_squared
    assert own is not None
    assert mu_squared < own  # which is that of every mechanism of the same epsilon


@pytest.mark.parametrize("noise", [0.3, 2.0, 70.0])
def test_a_gaussian_is_covered_by_itself(noise: float) -> None:
    found = float(gaussian_cover(GaussianDpEvent(noise), Decimal("1e-12"))) * noise**2
    assert 0.999 < found < 1.0005


@pytest.mark.parametrize(
    ("event", "delta"),
    [
        (DiscreteGaussianDpEvent(Fraction(4), 1), "1e-9"),
        (ZCDpEvent(Fraction(1, 10)), "1e-9"),
        (SelfComposedDpEvent(ExponentialDpEvent(Fraction(1, 10)), 20), "1e-9"),
        (SelfComposedDpEvent(ApproximateDpEvent(Decimal("0.1"), Decimal("1e-8")), 9), "1e-7"),
    ],
    ids=["integer noise", "zero-concentrated", "choices", "may fail"],
)
def test_whatever_has_a_profile_has_a_cover(event: DpEvent, delta: str) -> None:
    mu_squared = covered(event, delta).mu_squared
    accountant = PldAccountant().compose(event)
    for epsilon in (0.0, 0.1, 0.3, 1.0, 2.0):
        most = float(delta) + gaussian_delta(epsilon, 1 / math.sqrt(mu_squared))
        # The accountant's own value is rounded up; it may lie above the cover by its rounding, and no more.
        assert accountant.get_delta(epsilon) <= most * (1 + 1e-4)


# --------------------------------------------------------------------------------------------------------------- claims


def test_a_claim_that_does_not_hold_is_refused_wherever_it_comes_from() -> None:
    honest = covered(training(0.02, 1.5, 200), "1e-7")
    written = event_to_json(honest)
    assert event_from_json(json.loads(json.dumps(written))) == honest
    cost = cost_of(honest)
    assert cost == PrivacyCost(honest.mu_squared / 2, None, Fraction(honest.delta), honest.mu_squared)
    for forged in ({"mu_squared": str(honest.mu_squared * Fraction(99, 100))}, {"delta": "0.00000009"}):
        with pytest.raises(InvalidInput, match="does not cover"):
            cost_of(event_from_json({**written, **forged}))
    larger = GaussianCoverDpEvent(honest.event, honest.delta, honest.mu_squared * 2)
    assert cost_of(larger).mu_squared == 2 * honest.mu_squared
    twice = cost_of(SelfComposedDpEvent(honest, 2))
    assert (twice.mu_squared, twice.delta) == (2 * honest.mu_squared, 2 * Fraction(honest.delta))


def test_a_claim_that_was_found_holds_with_room_for_other_rounding() -> None:
    event, delta = training(0.02, 1.5, 200), Decimal("1e-7")
    found = gaussian_cover(event, delta)
    assert covers(event, delta, found * Fraction(999_999, 1_000_000))
    assert not covers(event, delta, found * Fraction(9_999, 10_000))


@pytest.mark.parametrize(
    ("event", "delta"),
    [
        (NonPrivateDpEvent(), "1e-6"),
        (ApproximateDpEvent(Decimal("0.1"), Decimal("1e-6")), "1e-7"),
        (GaussianDpEvent(0.001), "1e-6"),
        (PoissonSampledDpEvent(0.1, ZCDpEvent(Fraction(1))), "1e-6"),
    ],
    ids=["unprotected", "fails too often", "no noise", "unknown"],
)
def test_what_has_no_cover_is_refused(event: DpEvent, delta: str) -> None:
    with pytest.raises(InvalidInput):
        covered(event, delta)
    with pytest.raises((InvalidInput, InvalidBudget)):
        cost_of(GaussianCoverDpEvent(event, Decimal(delta), Fraction(1)))


@pytest.mark.parametrize(("delta", "mu_squared"), [("0", 1), ("1", 1), ("1e-31", 1), ("1e-6", -1)])
def test_covers_that_mean_nothing_are_refused(delta: str, mu_squared: int) -> None:
    with pytest.raises(InvalidInput):
        GaussianCoverDpEvent(GaussianDpEvent(1.0), Decimal(delta), Fraction(mu_squared))


def test_training_passes_the_filter_and_all_accountants_agree() -> None:
    budget = PrivacyBudget(2, "1e-5")
    release = ComposedDpEvent((covered(training(0.01, 1.0, 1000), "1e-6"), GaussianDpEvent(20.0)))
    admits = AdaptiveFilter(budget, "1e-6").admits
    assert admits(ZERO_COST, cost_of(release))
    assert not admits(cost_of(release), cost_of(release))
    assert not AdaptiveFilter(budget).admits(ZERO_COST, cost_of(release))  # no delta was set aside
    found = cross_check(release, budget)
    assert found.pld_epsilon <= found.gdp_epsilon <= found.pld_epsilon * Decimal("1.01")


def test_vectors_of_deltas_are_those_of_the_scalar_functions() -> None:
    epsilons = np.linspace(0, 3, 13)
    for mu in (0.05, 0.4, 0.6, 3.0):
        found = gaussian_deltas(epsilons, mu)
        scalar = np.array([gaussian_delta(float(epsilon), 1 / mu) for epsilon in epsilons])
        assert np.all(found <= scalar)
        assert found == pytest.approx(scalar, rel=3e-9, abs=1e-300)
    accountant = PldAccountant().compose(ComposedDpEvent((training(0.02, 1.5, 200), LaplaceDpEvent(5.0))))
    pairs = accountant.get_deltas(epsilons, 1e-12)
    with_moments = accountant.compose(ZCDpEvent(Fraction(1, 100))).get_deltas(epsilons, 1e-12)
    assert np.all(with_moments >= pairs)
    scalar = np.array([accountant.get_delta(float(epsilon)) for epsilon in epsilons])
    assert with_moments == pytest.approx(scalar, rel=1e-5, abs=1e-12)


# -------------------------------------------------------------------------------------------------------- the adversary

GRID = 1e-3


def block_law(probability: float, noise: float, steps: int, *, added: bool) -> Floats:
    """Return the masses of the loss of a block of training, at the multiples of GRID from -8 to 8."""
    size = round(16 / GRID)
    losses, masses = slow.sampled_gaussian_law(probability, noise, added=added)
    place = np.floor(losses / GRID).astype(np.int64)
    upper = losses / GRID - place
    law = np.bincount(place % size, masses * (1 - upper), size)
    law += np.bincount((place + 1) % size, masses * upper, size)
    return np.roll(np.maximum(np.fft.irfft(np.fft.rfft(law) ** steps, size), 0.0), size // 2)


def best_adversary(epsilon: float, unit: float, law: Floats, *, units: int, blocks: int) -> float:
    """Return the largest delta over all who choose between a Gaussian answer and a block, one unit each."""
    losses = np.arange(-3.0, epsilon + 4.0, GRID)
    reach = math.ceil((9 * math.sqrt(unit) + unit) / GRID)
    normal = norm.pdf(np.arange(-reach, reach + 1) * GRID, unit / 2, math.sqrt(unit)) * GRID
    wide = len(law) // 2
    values: dict[tuple[int, int], Floats] = {}
    for left in range(units + 1):
        for more in range(blocks + 1):
            options = [np.maximum(0.0, -np.expm1(epsilon - losses))]
            if left:
                padded = np.pad(values[left - 1, more], reach, mode="edge")
                options.append(fftconvolve(padded, normal[::-1], mode="valid"))
            if left and more:
                padded = np.pad(values[left - 1, more - 1], (wide, wide - 1), mode="edge")
                options.append(fftconvolve(padded, law[::-1], mode="valid"))
            values[left, more] = np.max(options, axis=0)
    return float(np.interp(0.0, losses, values[units, blocks]))


@pytest.mark.parametrize("added", [False, True], ids=["removed", "added"])
def test_nobody_gets_more_than_the_budget_by_mixing_training_with_gaussians(*, added: bool) -> None:
    """A filter that charges training by the mu of the central limit, as some do, is overspent; this one is not.

    The budget is epsilon with delta 1e-5, of which two shares of 1e-6 are set aside; what remains buys four units.
    """
    share, whole = 1e-6, 1e-5
    probability, noise, steps = 0.02, 0.8, 100
    law = block_law(probability, noise, steps, added=added)
    unit = covered(training(probability, noise, steps), str(share)).mu_squared
    epsilon = epsilon_from_mu_squared(4 * unit, whole - 2 * share)
    assert best_adversary(epsilon, float(unit), law, units=4, blocks=2) <= whole * (1 + 1e-3)
    if not added:
        limit = probability**2 * steps * math.expm1(noise**-2)
        tempting = epsilon_from_mu_squared(4 * Fraction(limit), whole)
        assert best_adversary(tempting, limit, law, units=4, blocks=4) > 1.5 * whole
