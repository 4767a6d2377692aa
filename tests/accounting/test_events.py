"""Events say what they mean, and the text in a ledger is the event."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given

from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DiscreteGaussianDpEvent,
    DiscreteLaplaceDpEvent,
    DpEvent,
    ExponentialDpEvent,
    GaussianDpEvent,
    LaplaceDpEvent,
    NoOpDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
    ZCDpEvent,
    event_from_json,
    event_to_json,
)
from dpsynth.errors import DpsynthError, InvalidInput, LedgerCorrupted
from tests.accounting.events_drawn import any_events


@given(any_events)
def test_an_event_survives_the_ledger(event: DpEvent) -> None:
    written = json.dumps(event_to_json(event), sort_keys=True)
    read = event_from_json(json.loads(written))
    assert read == event
    assert json.dumps(event_to_json(read), sort_keys=True) == written


def test_the_text_of_every_event_is_pinned() -> None:
    event = ComposedDpEvent(
        (
            GaussianDpEvent(1.5),
            LaplaceDpEvent(10.0),
            DiscreteGaussianDpEvent(Fraction(51, 2), 4),
            DiscreteLaplaceDpEvent(Fraction(10), 1),
            ExponentialDpEvent(Fraction(1, 10)),
            ZCDpEvent(Fraction(1, 1000)),
            ApproximateDpEvent(Decimal("0.10"), Decimal("1E-7")),
            PoissonSampledDpEvent(0.01, GaussianDpEvent(1.0)),
            SelfComposedDpEvent(NoOpDpEvent(), 3),
        )
    )
    assert event_to_json(event) == {
        "event": "Composed",
        "of": [
            {"event": "Gaussian", "noise_multiplier": "1.5"},
            {"event": "Laplace", "noise_multiplier": "10.0"},
            {"event": "DiscreteGaussian", "variance": "51/2", "squared_sensitivity": 4},
            {"event": "DiscreteLaplace", "scale": "10", "sensitivity": 1},
            {"event": "Exponential", "epsilon": "1/10"},
            {"event": "ZCDp", "rho": "1/1000"},
            {"event": "ApproximateDp", "epsilon": "0.1", "delta": "0.0000001"},
            {
                "event": "PoissonSampled",
                "sampling_probability": "0.01",
                "of": {"event": "Gaussian", "noise_multiplier": "1.0"},
            },
            {"event": "SelfComposed", "count": 3, "of": {"event": "NoOp"}},
        ],
    }


def test_equal_events_have_equal_text() -> None:
    import numpy as np

    assert event_to_json(GaussianDpEvent(1)) == event_to_json(GaussianDpEvent(np.float64(1.0)))
    assert event_to_json(ZCDpEvent(1)) == event_to_json(ZCDpEvent(Fraction(2, 2)))  # type: ignore[arg-type]


NONSENSE: list[tuple[Any, ...]] = [
    *((GaussianDpEvent, value) for value in (float("nan"), float("inf"), 0.0, -1.0, 5e-324, True, "1", None)),
    *((LaplaceDpEvent, value) for value in (float("nan"), float("inf"), 0.0, -1.0, True)),
    *((DiscreteGaussianDpEvent, value, 1) for value in (Fraction(0), Fraction(-1), 0.5, True, Fraction(10**31))),
    *((DiscreteGaussianDpEvent, Fraction(1), value) for value in (-1, 1.0, True, 10**19)),
    *((DiscreteLaplaceDpEvent, Fraction(1), value) for value in (-1, 1.0, True)),
    *((ExponentialDpEvent, value) for value in (Fraction(-1), 0.1, True)),
    *((ZCDpEvent, value) for value in (Fraction(-1), 0.1, True)),
    *((ApproximateDpEvent, value, "0") for value in ("nan", "inf", "-1", "-0.0", True)),
    *((ApproximateDpEvent, "1", value) for value in ("nan", "1", "-1", -0.0, True)),
    *((PoissonSampledDpEvent, value, NoOpDpEvent()) for value in (float("nan"), -0.1, 1.1, True)),
    *((SelfComposedDpEvent, NoOpDpEvent(), value) for value in (-1, 1.0, True)),
]


@pytest.mark.parametrize("arguments", NONSENSE, ids=lambda arguments: f"{arguments[0].__name__}{arguments[1:]}")
def test_parameters_that_mean_nothing_are_refused(arguments: tuple[Any, ...]) -> None:
    kind, *values = arguments
    with pytest.raises(InvalidInput):
        kind(*values)


CORRUPT: list[Any] = [
    *(None, [], "Gaussian", {}, {"event": "Unknown"}, {"event": "Gaussian"}, {"event": None}),
    {"event": "Gaussian", "noise_multiplier": "nan"},
    {"event": "Gaussian", "noise_multiplier": 1.0},
    {"event": "Gaussian", "noise_multiplier": "1"},
    {"event": "Gaussian", "noise_multiplier": "1.0", "discount": "all"},
    {"event": "ZCDp", "rho": "1e-999999999"},
    {"event": "ZCDp", "rho": "2/4"},
    {"event": "ZCDp", "rho": "1/0"},
    {"event": "ZCDp", "rho": "-1"},
    {"event": "ZCDp", "rho": 1},
    {"event": "ApproximateDp", "epsilon": "1E-1", "delta": "0"},
    {"event": "SelfComposed", "count": "3", "of": {"event": "NoOp"}},
    {"event": "SelfComposed", "count": True, "of": {"event": "NoOp"}},
    {"event": "SelfComposed", "count": -3, "of": {"event": "NoOp"}},
    {"event": "Composed", "of": {"event": "NoOp"}},
    {"event": "Composed", "of": [None]},
]


@pytest.mark.parametrize("data", CORRUPT, ids=repr)
def test_whatever_this_version_would_not_write_is_corrupt(data: Any) -> None:
    with pytest.raises(LedgerCorrupted):
        event_from_json(data)


def test_endless_nesting_is_refused_without_a_crash() -> None:
    data: Any = {"event": "NoOp"}
    for _ in range(100_000):
        data = {"event": "SelfComposed", "count": 1, "of": data}
    with pytest.raises(DpsynthError):
        event_from_json(data)
