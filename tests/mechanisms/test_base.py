"""Sensitivities refuse what cannot be a bound, and every mechanism meets the protocol."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput
from dpsynth.mechanisms import (
    DiscreteLaplaceMechanism,
    ExponentialMechanism,
    Mechanism,
    RoundedGaussianMechanism,
    Sensitivity,
)
from dpsynth.randomness import SystemNoise


@given(st.lists(st.integers(-1000, 1000), min_size=1).filter(any))
def test_the_norms_of_any_integer_vector_are_accepted(difference: list[int]) -> None:
    Sensitivity(
        l1=sum(abs(entry) for entry in difference),
        squared_l2=sum(entry**2 for entry in difference),
        linf=max(abs(entry) for entry in difference),
    )


@pytest.mark.parametrize(
    ("l1", "squared_l2", "linf"),
    [
        (0, 1, 1),
        (1, 0, 1),
        (1, 1, 0),
        (-1, 1, 1),
        (1, 1, 2),  # no entry moves more than all together
        (3, 3, 3),  # forgot to square: 3 rows in one cell are 9
        (2, 5, 1),  # L2 is never above L1
    ],
)
def test_impossible_sensitivities_are_refused(l1: int, squared_l2: int, linf: int) -> None:
    with pytest.raises(InvalidInput):
        Sensitivity(l1, squared_l2, linf)


def test_mechanisms_meet_the_protocol() -> None:
    sensitivity, noise = Sensitivity(2, 4, 2), SystemNoise()
    adders: list[Mechanism[np.ndarray, np.ndarray]] = [
        RoundedGaussianMechanism(Fraction(9)),
        DiscreteLaplaceMechanism(Fraction(3)),
    ]
    chooser: Mechanism[np.ndarray, int] = ExponentialMechanism(Fraction(1))
    counts = np.arange(6, dtype=np.int64).reshape(2, 3)
    for mechanism in adders:
        answer = mechanism(counts, sensitivity=sensitivity, noise=noise)
        assert answer.shape == (2, 3)
        assert answer.dtype == np.int64
    assert chooser(counts[0], sensitivity=sensitivity, noise=noise) in (0, 1, 2)


def test_the_event_follows_the_query_not_the_mechanism() -> None:
    gaussian = RoundedGaussianMechanism(Fraction(9))
    assert gaussian.event(Sensitivity(2, 4, 2)).noise_multiplier == 1.5
    assert gaussian.event(Sensitivity(3, 9, 3)).noise_multiplier == 1
    laplace = DiscreteLaplaceMechanism(Fraction(3))
    assert laplace.event(Sensitivity(2, 4, 2)).sensitivity == 2
    assert laplace.event(Sensitivity(2, 4, 2)).scale == 3
    assert ExponentialMechanism(Fraction(1, 3)).event(Sensitivity(2, 4, 2)).epsilon == Fraction(1, 3)


@pytest.mark.parametrize(
    "mechanism",
    [RoundedGaussianMechanism(Fraction(9)), DiscreteLaplaceMechanism(Fraction(3)), ExponentialMechanism(Fraction(1))],
)
@pytest.mark.parametrize(
    "value", [np.array([98765.25]), np.array([98765], dtype=np.int32), np.array(["98765"]), [98765], 98765, None]
)
def test_other_than_int64_is_refused_without_naming_the_value(mechanism: object, value: object) -> None:
    with pytest.raises(InvalidInput) as refusal:
        mechanism(value, sensitivity=Sensitivity(1, 1, 1), noise=SystemNoise())  # type: ignore[operator]
    assert "98765" not in str(refusal.value)
