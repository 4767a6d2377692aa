"""The audit brackets every known value, does so without the accountant's own code, and sees planted mistakes."""

from __future__ import annotations

import ast
import json
import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from dpsynth.accounting import loss_audit, loss_laws
from dpsynth.accounting.agreement import cross_check
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DiscreteGaussianDpEvent,
    DpEvent,
    ExponentialDpEvent,
    GaussianDpEvent,
    LaplaceDpEvent,
    NonPrivateDpEvent,
    NoOpDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
    ZCDpEvent,
    event_from_json,
)
from dpsynth.accounting.gaussian_cover import covered
from dpsynth.accounting.loss_audit import AuditedEpsilon, audit_epsilon
from dpsynth.accounting.loss_laws import (
    BoundedRangeLaw,
    GaussianLaw,
    IntegerGaussianLaw,
    IntegerLaplaceLaw,
    LaplaceLaw,
    Law,
    ResponseLaw,
    SampledGaussianLaw,
)
from dpsynth.accounting.pld import PldAccountant
from dpsynth.errors import AccountantsDisagree, InvalidBudget, InvalidInput
from tests.accounting.events_drawn import pure_events

TABLE: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "golden" / "accounting_vectors.json").read_text(encoding="utf-8")
)
KNOWN = [vector for vector in TABLE if vector["method"] not in {"sum", "zero-concentrated"}]
LAWS: list[Law] = [
    GaussianLaw(0.3),
    SampledGaussianLaw(0.02, 1.2, added=False),
    SampledGaussianLaw(0.02, 1.2, added=True),
    LaplaceLaw(0.4),
    BoundedRangeLaw(0.7),
    ResponseLaw(0.5, 1e-7),
    IntegerLaplaceLaw(5.0, 3),
    IntegerGaussianLaw(9.0),
]


@pytest.mark.parametrize("vector", KNOWN, ids=lambda vector: vector["mechanism"])
def test_the_known_value_and_the_accountant_lie_inside_a_narrow_interval(vector: dict[str, Any]) -> None:
    event, delta = event_from_json(vector["event"]), Decimal(vector["delta"])
    found = audit_epsilon(event, delta)
    assert found.lowest <= vector["value"] * (1 + 2e-5)
    assert found.highest >= vector["value"] * (1 - 2e-5)
    assert found.epsilon == pytest.approx(vector["value"], rel=1e-3)
    assert found.highest <= vector["value"] * 1.006
    assert found.lowest >= vector["value"] * 0.994 or vector["method"] == "bounded range"
    assert found.lowest <= PldAccountant().compose(event).get_epsilon(delta) <= found.highest * (1 + 1e-5)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_a_law_has_mass_one_the_mean_it_says_and_the_mean_of_its_ratio(law: Law) -> None:
    low, high = law.ends(1e-15)
    edges = np.linspace(low - 1e-6, high + 1e-6, 200_001)
    masses, middle = law.masses(edges), (edges[1:] + edges[:-1]) / 2
    assert masses.min() >= 0
    assert masses.sum() == pytest.approx(1, abs=1e-9)
    assert masses @ middle == pytest.approx(law.mean(), abs=1e-5 * (high - low))
    assert masses @ np.exp(-middle) == pytest.approx(1, abs=1e-4)  # the mass under the other of the two neighbors
    rough = math.sqrt(masses @ middle**2 - (masses @ middle) ** 2)
    assert rough / 2 <= law.deviation() <= 2.5 * rough


@settings(max_examples=15)
@given(pure_events)
def test_the_accountant_lies_inside_for_anything_pure(event: DpEvent) -> None:
    found, pld = audit_epsilon(event, 1e-6), PldAccountant().compose(event).get_epsilon(1e-6)
    assert found.lowest <= pld + 1e-9
    assert pld <= found.highest * (1 + 1e-5) + 1e-9


def test_containers_counts_and_covers_are_looked_through() -> None:
    steps = SelfComposedDpEvent(PoissonSampledDpEvent(0.02, GaussianDpEvent(1.5)), 100)
    plain = audit_epsilon(SelfComposedDpEvent(ComposedDpEvent((steps, NoOpDpEvent())), 2), 1e-6)
    twice = SelfComposedDpEvent(PoissonSampledDpEvent(0.02, GaussianDpEvent(1.5)), 200)
    assert audit_epsilon(twice, 1e-6) == plain
    assert audit_epsilon(SelfComposedDpEvent(covered(steps, "1e-7"), 2), 1e-6) == plain
    assert audit_epsilon(NoOpDpEvent(), 1e-6) == AuditedEpsilon(0.0, 0.0, 0.0)


def test_what_fails_more_often_than_delta_has_no_epsilon() -> None:
    found = audit_epsilon(ApproximateDpEvent(Decimal("0.1"), Decimal("1e-5")), 1e-6)
    assert found == AuditedEpsilon(math.inf, math.inf, math.inf)


@pytest.mark.parametrize(
    "event",
    [
        ZCDpEvent(Fraction(1, 10)),
        DiscreteGaussianDpEvent(Fraction(100), 4),
        NonPrivateDpEvent(),
        PoissonSampledDpEvent(0.1, ZCDpEvent(Fraction(1))),
        SelfComposedDpEvent(GaussianDpEvent(1e6), 10**8),
        ComposedDpEvent(tuple(LaplaceDpEvent(1.0 + place) for place in range(101))),
    ],
    ids=["no law", "vectors", "unprotected", "sampled", "too many", "too many kinds"],
)
def test_what_it_cannot_audit_it_refuses(event: DpEvent) -> None:
    with pytest.raises(InvalidInput):
        audit_epsilon(event, 1e-6)


@pytest.mark.parametrize("delta", [0, 1e-14, 1, -1])
def test_deltas_that_it_cannot_audit_are_refused(delta: float) -> None:
    with pytest.raises(InvalidBudget):
        audit_epsilon(GaussianDpEvent(1.0), delta)


@pytest.mark.parametrize("factor", [0.98, 1.02])
def test_a_privacy_loss_value_that_is_off_by_two_percent_is_not_certified(
    factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = covered(SelfComposedDpEvent(PoissonSampledDpEvent(0.02, GaussianDpEvent(1.5)), 200), "2e-7")
    claim = PrivacyBudget(3, "1e-6")
    cross_check(event, claim)
    right = PldAccountant.get_epsilon
    monkeypatch.setattr(PldAccountant, "get_epsilon", lambda self, delta: factor * right(self, delta))
    with pytest.raises(AccountantsDisagree):
        cross_check(event, claim)


def test_draws_of_bounded_range_have_no_lower_end() -> None:
    event = SelfComposedDpEvent(ExponentialDpEvent(Fraction(1, 10)), 50)
    found = audit_epsilon(event, 1e-6)
    assert found.lowest == 0.0
    assert 1.5336 < PldAccountant().compose(event).get_epsilon(1e-6) <= found.highest <= 1.7705


def test_it_shares_no_law_grid_or_transform_with_the_accountant() -> None:
    theirs = {"dominating_pairs", "loss_distribution", "loss_composition", "tilted_sum", "worst_pairs"}
    theirs |= {"moment_profile", "pld"}
    for module in (loss_audit, loss_laws):
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        imported = {str(node.module).rpartition(".")[2] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not imported & theirs
