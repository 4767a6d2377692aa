"""What other tools say that they spent becomes events: exactly, rounded up, and never by their own totals."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    DpEvent,
    NonPrivateDpEvent,
    ZCDpEvent,
    event_from_json,
    event_to_json,
)
from dpsynth.errors import InvalidInput
from dpsynth.integrations import exported_event, opendp_event, smartnoise_event, spend_event, tumult_event


def approximate(epsilon: str, delta: str = "0") -> ApproximateDpEvent:
    return ApproximateDpEvent(Decimal(epsilon), Decimal(delta))


@dataclass
class Budget:
    """An object with the attributes of a tool's budget."""

    epsilon: Any = None
    delta: Any = None
    rho: Any = None


@dataclass
class Odometer:
    steps: list[tuple[Any, Any]] = field(default_factory=list)

    @property
    def spent(self) -> tuple[float, float]:
        raise AssertionError("the tool's own total is not to be read")


class TestAmounts:
    @pytest.mark.parametrize("epsilon", [0.1, "0.1", Decimal("0.1"), Fraction(1, 10), "1/10", "1e-1"])
    def test_every_spelling_of_a_tenth_is_a_tenth(self, epsilon: object) -> None:
        assert spend_event(epsilon=epsilon) == approximate("0.1")

    def test_a_third_is_rounded_up(self) -> None:
        assert spend_event(epsilon=Fraction(1, 3)) == approximate("0.333333333334")

    @pytest.mark.parametrize("epsilon", [float("inf"), "oo", "inf", "Infinity", Decimal("inf")])
    def test_without_bound_nothing_was_protected(self, epsilon: object) -> None:
        assert spend_event(epsilon=epsilon) == NonPrivateDpEvent()
        assert spend_event(rho=epsilon) == NonPrivateDpEvent()

    @pytest.mark.parametrize("delta", [1, 1.0, "2"])
    def test_a_delta_of_one_protects_nobody(self, delta: object) -> None:
        assert spend_event(epsilon=1, delta=delta) == NonPrivateDpEvent()
        assert spend_event(rho=1, delta=delta) == NonPrivateDpEvent()

    @pytest.mark.parametrize("epsilon", [-1, -0.0, float("nan"), True, "much", "1/0", "", [1], "1/-2"])
    def test_what_means_nothing_is_refused(self, epsilon: object) -> None:
        with pytest.raises(InvalidInput):
            spend_event(epsilon=epsilon)

    def test_one_of_epsilon_and_rho_is_needed(self) -> None:
        with pytest.raises(InvalidInput):
            spend_event()
        with pytest.raises(InvalidInput):
            spend_event(epsilon=1, rho=1)

    @given(st.fractions(0, 50), st.fractions(0, Fraction(1, 2)))
    def test_events_are_never_below_and_can_be_stored(self, amount: Fraction, delta: Fraction) -> None:
        pure, concentrated = spend_event(epsilon=amount, delta=delta), spend_event(rho=amount, delta=delta)
        assert (cost_of(pure).epsilon or 0) >= amount
        assert (cost_of(concentrated).rho or 0) >= amount
        for event in (pure, concentrated):
            assert cost_of(event).delta >= delta
            assert event_from_json(event_to_json(event)) == event


class TestSmartNoise:
    def test_single_spends_are_added_here(self) -> None:
        cost = cost_of(smartnoise_event([(0.1, 0.0)] * 3 + [(0.5, 1e-6), [0.5, None]]))
        assert (cost.epsilon, cost.delta) == (Fraction(13, 10), Fraction(1, 10**6))

    def test_the_total_of_the_odometer_is_not_read(self) -> None:
        assert cost_of(smartnoise_event(Odometer([(0.05, 0.05)] * 10))).delta == Fraction(1, 2)

    def test_the_odometer_of_equal_spends_counts_them(self) -> None:
        class Equal:
            k = 50
            privacy = Budget(epsilon=0.1, delta=0.01)

        cost = cost_of(smartnoise_event(Equal()))
        assert (cost.epsilon, cost.delta) == (5, Fraction(1, 2))

    def test_nothing_was_spent(self) -> None:
        assert cost_of(smartnoise_event([])).epsilon == 0

    @pytest.mark.parametrize("spends", [5, [5], [(1, 2, 3)], "ab", [("x", 0)], None])
    def test_what_is_no_list_of_spends_is_refused(self, spends: object) -> None:
        with pytest.raises(InvalidInput):
            smartnoise_event(spends)


class TestOpenDp:
    @pytest.mark.parametrize(
        ("loss", "measure", "event"),
        [
            (0.5, "MaxDivergence", approximate("0.5")),
            (0.5, "MaxDivergence(f64)", approximate("0.5")),
            (0.5, "ZeroConcentratedDivergence", ZCDpEvent(Fraction(1, 2))),
            ((0.5, 1e-6), "FixedSmoothedMaxDivergence", approximate("0.5", "0.000001")),
            ((0.5, 1e-6), "Approximate(MaxDivergence)", approximate("0.5", "0.000001")),
            ((0.5, 0.0), "Approximate<ZeroConcentratedDivergence<f64>>", ZCDpEvent(Fraction(1, 2))),
        ],
    )
    def test_a_loss_is_read_by_its_measure(self, loss: object, measure: str, event: DpEvent) -> None:
        assert opendp_event(loss, measure) == event

    def test_an_approximate_concentrated_loss_keeps_both_parts(self) -> None:
        cost = cost_of(opendp_event((0.5, 1e-6), "Approximate(ZeroConcentratedDivergence)"))
        assert (cost.rho, cost.delta, cost.epsilon) == (Fraction(1, 2), Fraction(1, 10**6), None)

    @pytest.mark.parametrize(
        "measure", ["SmoothedMaxDivergence", "RenyiDivergence", "", "Approximate(RenyiDivergence)"]
    )
    def test_other_measures_are_refused_with_advice(self, measure: str) -> None:
        with pytest.raises(InvalidInput, match="cannot be charged: "):
            opendp_event(0.5, measure)

    def test_a_pair_where_a_number_belongs_is_refused(self) -> None:
        with pytest.raises(InvalidInput):
            opendp_event((0.5, 1e-6), "MaxDivergence")
        with pytest.raises(InvalidInput):
            opendp_event(0.5, "FixedSmoothedMaxDivergence")


class TestTumult:
    def test_the_difference_of_two_budgets_is_exact(self) -> None:
        assert tumult_event(Budget(epsilon=1), Budget(epsilon=Fraction(7, 10))) == approximate("0.3")
        assert tumult_event({"epsilon": "1", "delta": "1e-6"}, {"epsilon": "1/2", "delta": "5e-7"}) == approximate(
            "0.5", "5e-7"
        )

    def test_rho_stays_rho(self) -> None:
        assert tumult_event(Budget(rho=2), Budget(rho="3/2")) == ZCDpEvent(Fraction(1, 2))

    def test_what_was_spent_may_be_given_alone(self) -> None:
        assert tumult_event(Budget(epsilon=0.25, delta=0)) == approximate("0.25")

    def test_what_is_taken_from_infinity_is_not_known(self) -> None:
        assert tumult_event(Budget(epsilon=float("inf")), Budget(epsilon=float("inf"))) == NonPrivateDpEvent()
        assert tumult_event(Budget(epsilon=float("inf")), Budget(epsilon=3)) == NonPrivateDpEvent()

    @pytest.mark.parametrize(
        ("initial", "remaining"),
        [
            (Budget(epsilon=1), Budget(epsilon=2)),
            (Budget(epsilon=1), Budget(epsilon=float("inf"))),
            (Budget(epsilon=1), Budget(rho=0.5)),
            (Budget(), None),
            (Budget(epsilon=1, rho=1), None),
            (5, None),
        ],
    )
    def test_what_does_not_belong_together_is_refused(self, initial: object, remaining: object) -> None:
        with pytest.raises(InvalidInput):
            tumult_event(initial, remaining)


class TestExports:
    @pytest.mark.parametrize(
        ("tool", "written", "epsilon"),
        [
            ("smartnoise-sql", '{"steps": [[0.1, 0], [0.2, null]]}', "0.3"),
            ("opendp", '{"loss": 0.5, "measure": "MaxDivergence"}', "0.5"),
            ("tumult", '{"initial": {"epsilon": "1"}, "remaining": {"epsilon": 0.75}}', "0.25"),
            ("tumult", '{"initial": {"epsilon": "1"}}', "1"),
            ("tumult", '{"epsilon": 1, "delta": 0}', "1"),
            ("a survey", '{"epsilon": "1/4", "delta": null}', "0.25"),
        ],
    )
    def test_a_file_of_each_tool_is_read(self, tool: str, written: str, epsilon: str) -> None:
        assert cost_of(exported_event(tool, json.loads(written))).epsilon == Fraction(epsilon)

    @pytest.mark.parametrize(
        ("tool", "document"),
        [
            ("opendp", {"steps": [[1, 0]]}),
            ("smartnoise-sql", {"steps": [[1, 0]], "spent": [1, 0]}),
            ("tumult", {"remaining": {"epsilon": 1}}),
            ("a survey", {}),
            ("a survey", {"epsilon": 1, "rho": 1}),
            ("a survey", {"eps": 1}),
        ],
    )
    def test_other_files_are_refused(self, tool: str, document: dict[str, Any]) -> None:
        with pytest.raises(InvalidInput):
            exported_event(tool, document)
