"""Conformal p-values and the list of exposed rows."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.attacks.exposed_rows import benjamini_hochberg, conformal_p_values, exposed_rows
from dpsynth.errors import InvalidInput


def test_a_p_value_is_the_share_of_controls_that_score_as_high_with_the_row_itself() -> None:
    controls = np.array([1.0, 2.0, 2.0, 3.0])
    # By hand: 5 beats all (1/5); 2 ties with two and loses to one (4/5); 0 loses to all (5/5).
    np.testing.assert_array_equal(conformal_p_values(np.array([5.0, 2.0, 0.0]), controls), [0.2, 0.8, 1.0])


def test_the_procedure_lists_up_to_the_last_value_below_its_step() -> None:
    # Benjamini and Hochberg 1995, section 3.2: fifteen p-values, four rejected at 5 %.
    p_values = np.array(
        [
            0.0001,
            0.0004,
            0.0019,
            0.0095,
            0.0201,
            0.0278,
            0.0298,
            0.0344,
            0.0459,
            0.324,
            0.4262,
            0.5719,
            0.6528,
            0.759,
            1,
        ]
    )
    np.testing.assert_array_equal(np.flatnonzero(benjamini_hochberg(p_values, rate=0.05)), [0, 1, 2, 3])
    turned = np.random.default_rng(0).permutation(15)
    np.testing.assert_array_equal(
        np.sort(turned[np.argsort(turned)][benjamini_hochberg(p_values, rate=0.05)]), [0, 1, 2, 3]
    )


def test_a_late_step_brings_earlier_ones_with_it() -> None:
    # 0.04 misses its own step of 0.025, but 0.05 keeps the last step of 0.05.
    np.testing.assert_array_equal(benjamini_hochberg(np.array([0.05, 0.04]), rate=0.05), [True, True])


def test_nobody_is_listed_without_members_or_without_enough_controls() -> None:
    assert exposed_rows("score", np.array([]), np.arange(100.0)).rows == ()
    # One row among ten, perfect score, 19 controls: its p-value is 0.05, its step 0.005.
    assert exposed_rows("score", np.array([9.0] + [0.0] * 9), np.linspace(0, 1, 19)).rows == ()


def test_positions_are_those_of_the_members_given() -> None:
    members = np.zeros(50)
    members[[3, 17, 40]] = 5.0
    assert exposed_rows("score", members, np.linspace(0, 1, 1000)).rows == (3, 17, 40)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_rate_lies_between_0_and_1(rate: float) -> None:
    with pytest.raises(InvalidInput):
        benjamini_hochberg(np.array([0.5]), rate=rate)
