"""Honest releases always agree, and planted mistakes of each kind are caught."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.accounting import loss_audit, pld, rdp
from dpsynth.accounting.agreement import cross_check
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DiscreteGaussianDpEvent,
    DiscreteLaplaceDpEvent,
    DpEvent,
    ExponentialDpEvent,
    GaussianDpEvent,
    GdpEvent,
    LaplaceDpEvent,
    NonPrivateDpEvent,
    NoOpDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
    ZCDpEvent,
)
from dpsynth.accounting.gaussian_cover import covered
from dpsynth.accounting.gaussian_dp import MU_SQUARED_RESOLUTION, mu_squared_from_budget, range_of_mu_squared
from dpsynth.accounting.pld import PldAccountant
from dpsynth.accounting.rdp import RdpAccountant
from dpsynth.accounting.zcdp import rho_from_budget
from dpsynth.errors import AccountantsDisagree, InvalidInput
from dpsynth.mechanisms import RoundedGaussianMechanism, Sensitivity
from tests.accounting.events_drawn import simple_events


def in_ledger_units(amount: Fraction) -> Fraction:
    return math.floor(amount / MU_SQUARED_RESOLUTION) * MU_SQUARED_RESOLUTION


def selection_and_measurement(
    budget: PrivacyBudget, *, rounds: int, selection: float, rows: int = 1
) -> ComposedDpEvent:
    """Return what a release that selects and measures in turns costs, calibrated to spend all of `budget`."""
    mu_squared = mu_squared_from_budget(budget)
    events: list[DpEvent] = []
    reach = Sensitivity(rows, rows**2, rows)
    for place in range(rounds):
        share = in_ledger_units(mu_squared * Fraction(1 + place % 3, sum(1 + other % 3 for other in range(rounds))))
        drawn = in_ledger_units(share * Fraction(selection).limit_denominator(10**6))
        if drawn:
            events.append(ExponentialDpEvent(range_of_mu_squared(drawn)))
        if drawn < share:
            events.append(RoundedGaussianMechanism.for_mu_squared(share - drawn, reach).event(reach))
    return ComposedDpEvent(tuple(events))


@pytest.mark.parametrize("selection", [0.0, 0.1, 0.5, 0.99, 1.0])
@pytest.mark.parametrize(("epsilon", "delta"), [("1", "1e-6"), ("0.1", "1e-9"), ("10", "1e-5"), ("0.12345", "1e-6")])
def test_an_honest_release_agrees_and_spends_its_claim(epsilon: str, delta: str, selection: float) -> None:
    claim = PrivacyBudget(epsilon, delta)
    found = cross_check(selection_and_measurement(claim, rounds=20, selection=selection), claim)
    rounded = claim.epsilon.quantize(Decimal("0.0001"), rounding="ROUND_CEILING")
    assert found.pld_epsilon <= found.gdp_epsilon <= rounded
    assert found.pld_epsilon <= found.rdp_epsilon <= found.zcdp_epsilon
    assert found.gdp_epsilon >= claim.epsilon * Decimal("0.99")
    assert found.pld_epsilon >= claim.epsilon * (Decimal("0.99") - Decimal("0.3") * Decimal(selection))
    if selection == 0:
        assert found.pld_epsilon >= found.gdp_epsilon - Decimal("0.0002")
        assert found.zcdp_epsilon > rounded


@pytest.mark.parametrize("rows", [2, 3, 10])
def test_units_of_several_rows_agree(rows: int) -> None:
    claim = PrivacyBudget(1, "1e-6")
    found = cross_check(selection_and_measurement(claim, rounds=20, selection=0.3, rows=rows), claim)
    assert found.pld_epsilon <= 1


@settings(max_examples=25)
@given(st.lists(simple_events, min_size=1, max_size=5))
def test_right_accountants_never_disagree_with_one_another(events: list[DpEvent]) -> None:
    event = ComposedDpEvent(tuple(events))
    claim = PrivacyBudget(50, "1e-6")
    found = cross_check(event, claim)
    assert 0 <= found.pld_epsilon <= found.rdp_epsilon <= found.zcdp_epsilon + Decimal("0.0001")
    assert found.pld_epsilon <= found.gdp_epsilon


@pytest.mark.parametrize(
    ("event", "epsilon", "delta"),
    [
        (SelfComposedDpEvent(ApproximateDpEvent(Decimal("0.1"), Decimal(0)), 3), "0.3", "0"),
        (SelfComposedDpEvent(ApproximateDpEvent(Decimal("0.1"), Decimal(0)), 10), "1", "1e-6"),
        (DiscreteLaplaceDpEvent(Fraction(10), 1), "0.1", "0"),
        (LaplaceDpEvent(10.0), "0.1", "1e-6"),
        (ApproximateDpEvent(Decimal("0.5"), Decimal("1e-7")), "0.5", "1e-6"),
        (ZCDpEvent(rho_from_budget(PrivacyBudget("0.7", "1e-7"))), "0.7", "1e-7"),
        (GdpEvent(mu_squared_from_budget(PrivacyBudget("0.7", "1e-7"))), "0.7", "1e-7"),
        (NoOpDpEvent(), "0.1", "0"),
    ],
    ids=repr,
)
def test_claims_that_are_exactly_spent_pass(event: DpEvent, epsilon: str, delta: str) -> None:
    found = cross_check(event, PrivacyBudget(epsilon, delta))
    assert found.pld_epsilon <= found.gdp_epsilon <= Decimal(epsilon)
    assert found.pld_epsilon <= found.rdp_epsilon <= found.zcdp_epsilon


@pytest.mark.parametrize("selection", [0.0, 0.5, 1.0])
def test_halved_noise_is_caught(selection: float) -> None:
    claim = PrivacyBudget(1, "1e-6")
    honest = selection_and_measurement(claim, rounds=20, selection=selection)
    halved = []
    for event in honest.events:
        if isinstance(event, GaussianDpEvent):
            halved.append(GaussianDpEvent(event.noise_multiplier / 2))
        elif isinstance(event, ExponentialDpEvent):
            halved.append(ExponentialDpEvent(2 * event.epsilon))
    with pytest.raises(AccountantsDisagree):
        cross_check(ComposedDpEvent(tuple(halved)), claim)


@pytest.mark.parametrize("probability", [1.0, 0.5, 0.01])
@pytest.mark.parametrize("share", ["1e-6", "1e-8"])
def test_a_covered_training_agrees_also_where_every_row_is_in_every_batch(probability: float, share: str) -> None:
    steps = SelfComposedDpEvent(PoissonSampledDpEvent(probability, GaussianDpEvent(30.0)), 60)
    columns = SelfComposedDpEvent(GaussianDpEvent(40.0), 5)
    event = ComposedDpEvent((columns, covered(steps, Decimal(share))))
    agreement = cross_check(event, PrivacyBudget("1.2", "1e-5"))
    assert agreement.pld_epsilon <= agreement.proven_epsilon


def test_one_event_too_many_is_caught() -> None:
    claim = PrivacyBudget(1, "1e-6")
    honest = selection_and_measurement(claim, rounds=20, selection=0.5)
    with pytest.raises(AccountantsDisagree, match="is claimed, but the events cost"):
        cross_check(ComposedDpEvent((*honest.events, honest.events[0])), claim)


@pytest.mark.parametrize("event", [PoissonSampledDpEvent(0.01, GaussianDpEvent(100.0)), NonPrivateDpEvent()], ids=repr)
def test_what_no_exact_sum_proves_is_not_certified(event: DpEvent) -> None:
    with pytest.raises(AccountantsDisagree, match="prove nothing"):
        cross_check(event, PrivacyBudget(10, "1e-6"))


TRAINING = SelfComposedDpEvent(PoissonSampledDpEvent(0.01, GaussianDpEvent(1.0)), 1000)
STEP = PoissonSampledDpEvent(0.01, GaussianDpEvent(1.0))


@pytest.mark.parametrize(
    ("planned", "claim", "least"),
    [
        (TRAINING, PrivacyBudget("1.8284", "1e-5"), 1.82824),
        (SelfComposedDpEvent(PoissonSampledDpEvent(0.04, GaussianDpEvent(1.1)), 500), PrivacyBudget(5, "1e-5"), 4.9047),
        (ComposedDpEvent((TRAINING, LaplaceDpEvent(10.0))), PrivacyBudget(2, "1e-5"), 1.82824),
        (PoissonSampledDpEvent(0.3, GaussianDpEvent(1.0)), PrivacyBudget(3, "1e-5"), 2.9215),
    ],
    ids=["training", "more training", "training and an answer", "one step"],
)
def test_a_plan_proves_by_losses_what_no_exact_sum_proves(planned: DpEvent, claim: PrivacyBudget, least: float) -> None:
    with pytest.raises(AccountantsDisagree, match="prove nothing"):
        cross_check(planned, claim)
    found = cross_check(planned, claim, planned=planned)
    assert found.gdp_epsilon == Decimal("Infinity")
    assert least <= found.proven_epsilon == found.pld_epsilon <= claim.epsilon
    assert found.rdp_epsilon >= found.pld_epsilon
    with pytest.raises(AccountantsDisagree, match="is claimed, but the events cost"):
        cross_check(planned, PrivacyBudget(Decimal(str(least)) * Decimal("0.99"), "1e-5"), planned=planned)


def test_a_part_of_a_planned_event_is_certified_at_the_price_of_the_whole() -> None:
    part, claim = SelfComposedDpEvent(STEP, 400), PrivacyBudget(2, "1e-5")
    assert cross_check(part, claim, planned=TRAINING) == cross_check(TRAINING, claim, planned=TRAINING)
    with pytest.raises(AccountantsDisagree, match="is claimed, but the events cost"):
        cross_check(part, PrivacyBudget("1.5", "1e-5"), planned=TRAINING)


@pytest.mark.parametrize(
    "charged",
    [
        SelfComposedDpEvent(STEP, 1001),
        SelfComposedDpEvent(PoissonSampledDpEvent(0.01, GaussianDpEvent(0.999)), 1000),
        ComposedDpEvent((TRAINING, LaplaceDpEvent(1e6))),
        NonPrivateDpEvent(),
    ],
    ids=["a step more", "less noise", "another answer", "unprotected"],
)
def test_what_a_planned_event_does_not_pay_for_is_not_certified(charged: DpEvent) -> None:
    with pytest.raises(AccountantsDisagree, match="does not pay for"):
        cross_check(charged, PrivacyBudget(10, "1e-5"), planned=TRAINING)


def test_nothing_that_is_unprotected_is_certified_by_planning_it() -> None:
    with pytest.raises(AccountantsDisagree):
        cross_check(NonPrivateDpEvent(), PrivacyBudget(10, "1e-5"), planned=NonPrivateDpEvent())


def test_sums_prove_a_plan_where_they_are_smaller() -> None:
    claim = PrivacyBudget(1, "1e-6")
    planned = selection_and_measurement(claim, rounds=20, selection=0.0)
    found = cross_check(planned, claim, planned=planned)
    assert found.proven_epsilon <= found.gdp_epsilon <= claim.epsilon


@pytest.mark.parametrize(("module", "engine"), [(rdp, RdpAccountant), (pld, PldAccountant)], ids=["rdp", "pld"])
def test_an_accountant_that_forgets_steps_of_a_plan_is_caught(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, engine: type[RdpAccountant] | type[PldAccountant]
) -> None:
    monkeypatch.setattr(module, engine.__name__, Forgetful(engine))
    with pytest.raises(AccountantsDisagree):
        cross_check(TRAINING, PrivacyBudget(2, "1e-5"), planned=TRAINING)


def test_losses_alone_do_not_certify_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the audit nothing else is within the claim, and where both are off, so is the divergence of order two."""

    def absent(event: DpEvent, delta: Decimal) -> None:
        raise InvalidInput(f"no law of {event!r} at {delta}")

    monkeypatch.setattr(loss_audit, "audit_epsilon", absent)
    with pytest.raises(AccountantsDisagree, match="no other method confirms it"):
        cross_check(TRAINING, PrivacyBudget("1.83", "1e-5"), planned=TRAINING)
    found = cross_check(TRAINING, PrivacyBudget(3, "1e-5"), planned=TRAINING)
    assert found.pld_epsilon < found.rdp_epsilon < 3


def test_deltas_of_events_beyond_the_claim_are_caught() -> None:
    with pytest.raises(AccountantsDisagree):
        cross_check(ApproximateDpEvent(Decimal("0.1"), Decimal("2e-6")), PrivacyBudget(1, "1e-6"))


def test_a_gaussian_never_keeps_a_pure_claim() -> None:
    with pytest.raises(AccountantsDisagree):
        cross_check(GaussianDpEvent(1e3), PrivacyBudget(1, 0))


def test_an_unsupported_event_is_named() -> None:
    with pytest.raises((InvalidInput, AccountantsDisagree)):
        cross_check(PoissonSampledDpEvent(0.5, DiscreteGaussianDpEvent(Fraction(1), 1)), PrivacyBudget(1, "1e-6"))


class Forgetful:
    """An accountant that loses one of the events of a list, or all but one of the repetitions of an event."""

    def __init__(self, engine: Callable[[], RdpAccountant | PldAccountant]) -> None:
        self.engine = engine

    def __call__(self) -> Forgetful:
        self.inner = self.engine()
        return self

    def compose(self, event: DpEvent) -> RdpAccountant | PldAccountant:
        match event:
            case ComposedDpEvent(events):
                return self.inner.compose(ComposedDpEvent(events[:-1]))
            case SelfComposedDpEvent(inner, _):
                return self.inner.compose(inner)
        return self.inner.compose(event)


MISCOUNTED = [
    selection_and_measurement(PrivacyBudget(1, "1e-6"), rounds=20, selection=0.5),
    selection_and_measurement(PrivacyBudget(1, "1e-6"), rounds=20, selection=0.05),
    SelfComposedDpEvent(ApproximateDpEvent(Decimal("0.1"), Decimal(0)), 10),
    SelfComposedDpEvent(LaplaceDpEvent(10.0), 4),
]


@pytest.mark.parametrize("event", MISCOUNTED, ids=["half selection", "little selection", "ten answers", "four Laplace"])
@pytest.mark.parametrize(("module", "engine"), [(rdp, RdpAccountant), (pld, PldAccountant)], ids=["rdp", "pld"])
def test_an_accountant_that_loses_an_event_is_caught(
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    engine: type[RdpAccountant] | type[PldAccountant],
    event: DpEvent,
) -> None:
    claim = PrivacyBudget(1, "1e-6")
    cross_check(event, claim)
    monkeypatch.setattr(module, engine.__name__, Forgetful(engine))
    with pytest.raises(AccountantsDisagree):
        cross_check(event, claim)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_conversion_that_is_off_by_a_tenth_is_caught(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    claim = PrivacyBudget(1, "1e-6")
    event = selection_and_measurement(claim, rounds=5, selection=0.5)
    right = rdp.epsilon_of_moments
    monkeypatch.setattr(rdp, "epsilon_of_moments", lambda curve, delta: factor * right(curve, delta))
    with pytest.raises(AccountantsDisagree):
        cross_check(event, claim)


def test_accountants_that_are_far_apart_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PldAccountant, "get_epsilon", lambda self, delta: 0.3)
    claim = PrivacyBudget(1, "1e-6")
    with pytest.raises(AccountantsDisagree, match="far apart"):
        cross_check(selection_and_measurement(claim, rounds=2, selection=0.5), claim)
