"""Bugs that other tools really had (see docs/trust.md): each test names the tool and the bug, and shows it is not ours.

What `privacy_audits` catches as a twin is listed by `test_every_other_known_bug_has_a_twin`.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from dpsynth.accounting import rdp
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.events import GaussianDpEvent, LaplaceDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
from dpsynth.accounting.pld import PldAccountant
from dpsynth.accounting.rdp import RdpAccountant
from dpsynth.curator.curator import Curator
from dpsynth.curator.marginals import marginal_sensitivity
from dpsynth.curator.votes import vote_sensitivity
from dpsynth.errors import BudgetExceeded, InvalidInput
from dpsynth.generators.registry import generator
from dpsynth.ledger import Ledger
from dpsynth.mechanisms import RoundedGaussianMechanism, Sensitivity
from dpsynth.randomness import SystemNoise
from privacy_audits.gradient_canary import known_bad as of_trainings
from privacy_audits.primitives.samplers import doubles
from privacy_audits.replay.known_bad import twins
from privacy_audits.replay.scenes import ROWS, known_scenes


def curator(budget: PrivacyBudget) -> Curator:
    ledger = Ledger("sqlite://")
    ledger.set_budget(ROWS.dataset, budget, unit=ROWS.unit.describe())
    return Curator.open(known_scenes(ROWS)[0].larger, ROWS, ledger=ledger)


def test_datasynthesizer_issue_34_sensitivity_of_counts_is_not_divided_by_the_number_of_rows() -> None:
    assert marginal_sensitivity(ROWS.unit) == Sensitivity(1, 1, 1)
    assert vote_sensitivity(400) == Sensitivity(400, 400, 1)


def test_synthcity_sensitivity_zero_cannot_be_declared() -> None:
    for zero in ((0, 1, 1), (1, 0, 1), (1, 1, 0)):
        with pytest.raises(InvalidInput):
            Sensitivity(*zero)


def noise_grows_with_the_square_of_the_sensitivity() -> None:
    """Ten times the sensitivity takes a hundred times the variance."""
    one, ten = (
        RoundedGaussianMechanism.for_mu_squared(Fraction(1, 4), Sensitivity(k, k * k, k)).variance for k in (1, 10)
    )
    assert abs(ten / one / 100 - 1) < Fraction(1, 1000)


def test_pategan_original_a_power_in_a_noise_scale_is_no_xor(monkeypatch: pytest.MonkeyPatch) -> None:
    noise_grows_with_the_square_of_the_sensitivity()
    honest = RoundedGaussianMechanism.for_mu_squared

    def with_xor(mu_squared: Fraction, sensitivity: Sensitivity) -> RoundedGaussianMechanism:
        of_one = honest(mu_squared, Sensitivity(1, 1, 1)).variance
        return RoundedGaussianMechanism(of_one * (sensitivity.linf ^ 2))  # 8 of 10, where a hundred was meant

    monkeypatch.setattr(RoundedGaussianMechanism, "for_mu_squared", staticmethod(with_xor))
    with pytest.raises(AssertionError):
        noise_grows_with_the_square_of_the_sensitivity()


def moments_are_right() -> None:
    """What adds up over releases is the logarithm of a moment, in closed form and where it is integrated."""
    # 100 releases of sigma 10 are one of sigma 1, whose moments give epsilon 4.7 at 1e-5.
    many, one = RdpAccountant(), RdpAccountant()
    many.compose(SelfComposedDpEvent(GaussianDpEvent(10.0), 100))
    one.compose(GaussianDpEvent(1.0))
    assert float(many.get_epsilon(Decimal("1e-5"))) == pytest.approx(float(one.get_epsilon(Decimal("1e-5"))), rel=1e-9)
    assert 4.0 < float(one.get_epsilon(Decimal("1e-5"))) < 5.0
    # Mironov 2017, corollary 3: order / (2 sigma^2).
    assert one.get_renyi_divergence(5.0) == pytest.approx(5 / 2, rel=1e-9)
    # Of everybody in every batch the integral is that of a Gaussian: order / (2 sigma^2), times the number of releases.
    sampled = RdpAccountant().compose(PoissonSampledDpEvent(1 - 1e-12, GaussianDpEvent(2.0)), count=3)
    assert sampled.get_renyi_divergence(5.0) == pytest.approx(3 * 5 / 8, rel=1e-6)
    # Mironov 2017, table II.
    laplace = RdpAccountant().compose(LaplaceDpEvent(1.0), count=3)
    expected = 3 * math.log(2 / 3 * math.e + 1 / 3 * math.exp(-2))
    assert laplace.get_renyi_divergence(2.0) == pytest.approx(expected, rel=1e-6)


def whole_curve() -> Any:
    """Add up moments as they are, and take no logarithm of the sum either."""
    honest = rdp._curve

    def raised(tally: Any) -> Any:
        curve = honest(tally)
        return lambda exponents: np.exp(np.minimum(curve(exponents), 700.0))

    return patch.object(rdp, "_curve", raised)


def integrated_moments() -> Any:
    """Integrate a moment, and forget the logarithm there."""
    return patch.object(rdp, "logsumexp", lambda weights: float(np.exp(weights).sum()))


def moments_in_closed_form() -> Any:
    """Forget the logarithm in a formula."""
    honest = rdp._least
    return patch.object(rdp, "_least", lambda epsilon, order, exact: honest(epsilon, order, np.expm1(exact)))


@pytest.mark.parametrize("planted", [whole_curve, integrated_moments, moments_in_closed_form])
def test_pategan_borealis_and_smartnoise_moments_have_their_logarithm(planted: Any) -> None:
    moments_are_right()
    with planted(), pytest.raises(AssertionError):
        moments_are_right()


def test_pategan_synthcity_moments_have_their_brackets() -> None:
    """The exponent 2 lambda l (l + 1) had become 2 lambda l l + 1."""
    honest = rdp._curve

    def without(tally: Any) -> Any:
        curve = honest(tally)
        return lambda exponents: curve(exponents) * (exponents * exponents + 1) / (exponents * (exponents + 1))

    moments_are_right()
    with patch.object(rdp, "_curve", without), pytest.raises(AssertionError):
        moments_are_right()


def test_backpropagation_clipping_the_batch_does_not_divide_the_noise() -> None:
    # Tramer et al. 2022: epsilon 0.21 was claimed where 2.79 was shown. What a step costs knows no batch size.
    event = RoundedGaussianMechanism(Fraction(9)).event(Sensitivity(4, 4, 1))
    assert event.noise_multiplier == pytest.approx(1.5)


def test_dpgan_and_dpctgan_on_old_opacus_a_sampled_step_without_a_finite_cost_is_not_free() -> None:
    assert cost_of(PoissonSampledDpEvent(0.01, GaussianDpEvent(1.0))).mu_squared is None


def test_smartnoise_pr_624_spending_in_parts_is_spending_the_sum() -> None:
    accountant, whole = PldAccountant(), PldAccountant()
    for _ in range(4):
        accountant.compose(GaussianDpEvent(2.0))
    whole.compose(GaussianDpEvent(1.0))
    assert float(accountant.get_epsilon(1e-5)) == pytest.approx(float(whole.get_epsilon(1e-5)), abs=1e-3)


def test_smartnoise_pr_424_the_budget_is_checked_before_an_answer_and_not_after() -> None:
    opened = curator(PrivacyBudget(1, "1e-5"))
    with opened.within(PrivacyBudget(1, "1e-5"), purpose="look") as session:
        session.measure(("smoker",), session.mu_squared)
        with pytest.raises(BudgetExceeded):
            session.measure(("stage",), session.mu_squared / 100)
    assert [purpose for purpose, _ in opened.charged] == ["measure smoker"]


def test_diffprivlib_a_generator_is_not_fitted_twice_on_one_budget() -> None:
    budget = PrivacyBudget(1, "1e-5")
    opened = curator(budget)
    generator("independent").fit(opened, budget, rng=np.random.default_rng(0))
    with pytest.raises(BudgetExceeded):
        generator("independent").fit(opened, budget, rng=np.random.default_rng(0))


def test_opacus_616_noise_is_added_to_whole_numbers_only() -> None:
    mechanism = RoundedGaussianMechanism(Fraction(4))
    with pytest.raises(InvalidInput):
        mechanism(np.zeros(3), sensitivity=Sensitivity(1, 1, 1), noise=SystemNoise())


def test_mostlyai_and_mbi_a_table_with_nothing_usable_in_it_is_fitted_like_any_other() -> None:
    for scene in known_scenes(ROWS):
        ledger = Ledger("sqlite://")
        ledger.set_budget(ROWS.dataset, PrivacyBudget(1, "1e-5"), unit=ROWS.unit.describe())
        opened = Curator.open(scene.larger, ROWS, ledger=ledger)
        model = generator("mst").fit(opened, PrivacyBudget(1, "1e-5"), rng=np.random.default_rng(0))
        assert model.sample(3, rng=np.random.default_rng(0)).rows == 3


def test_every_other_known_bug_has_a_twin() -> None:
    caught = (
        {twin.name for twin in twins()} | {name for name, _ in of_trainings.TWINS} | {name for name, _ in doubles()}
    )
    assert {
        "categories read from rows",  # dpmm 24, reprosyn 38, PrivBayes (DataSynthesizer), 2504.06923
        "bounds read from rows",  # dpmm 18, synthcity 278
        "a branch on the number of rows",  # synthcity PrivBayes, Diffprivlib
        "teachers share rows",  # PATE-GAN original and turing
        "teachers' rows cut by position",  # synthcity PATE-GAN
        "gradients not clipped",  # Opacus, SmartNoise (dp-recorder)
        "not a number past clipping",  # mbi, dpmm, synthcity (dp-recorder)
        "every second charge skipped",  # double spending (dp-recorder)
        "shuffling booked as Poisson",  # 2411.10614
        "clipped to twice the norm",  # Tramer et al. 2022
        "xor in a noise scale",  # PATE-GAN original
        "Laplace noise of floating-point numbers",  # Mironov 2012, 2112.05307
    } <= caught
