from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.certification.document import CanariesSection
from dpsynth.report.trade_off import largest_true_positives, trade_off_picture, trade_off_table

EPSILONS = st.floats(0.01, 12)
DELTAS = st.floats(0, 0.1)
RATES = st.floats(0, 1)


def test_known_points_of_the_curve() -> None:
    # At epsilon 1 and delta 0: e * 1 % = 2.718 %; the two lines meet at 1 / (1 + e).
    assert largest_true_positives(0.01, 1, 0) == pytest.approx(0.02718, abs=1e-5)
    corner = 1 / (1 + math.e)
    assert largest_true_positives(corner, 1, 0) == pytest.approx(1 - corner)
    assert largest_true_positives(0, 1, 1e-3) == pytest.approx(1e-3)


@given(RATES, EPSILONS, DELTAS)
def test_the_bound_satisfies_both_inequalities_of_the_definition(rate: float, epsilon: float, delta: float) -> None:
    allowed = largest_true_positives(rate, epsilon, delta)
    slack = 1e-9 + math.exp(epsilon) * 1e-15
    assert rate <= allowed <= 1
    assert allowed <= math.exp(epsilon) * rate + delta + slack
    assert 1 - rate <= math.exp(epsilon) * (1 - allowed) + delta + slack or allowed == rate


@given(RATES, RATES, EPSILONS, DELTAS)
def test_the_curve_rises_with_everything(one: float, other: float, epsilon: float, delta: float) -> None:
    low, high = sorted((one, other))
    slack = 1e-12
    assert largest_true_positives(low, epsilon, delta) <= largest_true_positives(high, epsilon, delta) + slack
    assert largest_true_positives(low, epsilon, delta) <= largest_true_positives(low, 2 * epsilon, delta) + slack
    assert largest_true_positives(low, epsilon, delta) <= largest_true_positives(low, epsilon, delta + 0.01) + slack


def test_the_table_holds_the_numbers_of_the_curve() -> None:
    rows = trade_off_table(1, 1e-6)
    assert [row.false_positives for row in rows] == [0.001, 0.01, 0.05, 0.1, 0.25]
    assert all(row.true_positives == largest_true_positives(row.false_positives, 1, 1e-6) for row in rows)


def section(**changes: object) -> CanariesSection:
    base: dict[str, object] = {
        "drawn": 400,
        "included": 200,
        "threshold": 0.02,
        "guesses": 45,
        "correct": 40,
        "false_positives": 5,
        "p_value": 0.001,
        "epsilon_lower": 1.5,
        "refutable_epsilon": 3.9,
        "recognised_lower": 0.15,
        "recognised_upper": 0.25,
        "excess_lower": 0.1,
        "excess_upper": 0.2,
        "verdict": "FAIL",
        "reasons": ("because",),
    }
    return CanariesSection.model_validate({**base, **changes})


@pytest.mark.parametrize("epsilon", [0.1, 1, 5, 10])
def test_the_picture_is_one_element_that_never_changes(epsilon: float) -> None:
    first = trade_off_picture(epsilon, 1e-6, section())
    assert trade_off_picture(epsilon, 1e-6, section()) == first
    element = ElementTree.fromstring(first)
    assert element.tag == "svg"
    assert element.get("role") == "img"
    assert "#0" not in first
    assert f"the most that epsilon {epsilon:g} allows" in first
    assert "epsilon 1.50, the least that the guesses allow" in first


def test_without_canaries_only_the_claim_is_drawn() -> None:
    picture = trade_off_picture(1, 1e-6, section(drawn=0, included=0, guesses=0, correct=0, epsilon_lower=0.0))
    assert "planted rows" not in picture
    assert "least that the guesses" not in picture
    assert "blind guessing" in picture
