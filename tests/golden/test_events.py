"""The text of every kind of event is pinned for ever: a ledger of today has to mean the same in ten years.

Lines are added to `events.jsonl`; none is ever changed or taken out.
"""

from __future__ import annotations

import dataclasses
import json
import warnings
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import pytest

from dpsynth.accounting import events
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DiscreteGaussianDpEvent,
    DiscreteLaplaceDpEvent,
    DpEvent,
    ExponentialDpEvent,
    GaussianCoverDpEvent,
    GaussianDpEvent,
    GdpEvent,
    LaplaceDpEvent,
    NonPrivateDpEvent,
    NoOpDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
    ZCDpEvent,
    event_from_json,
    event_to_json,
)
from dpsynth.ledger.chain import canonical_json

STEPS = SelfComposedDpEvent(PoissonSampledDpEvent(0.01, GaussianDpEvent(1.0)), 1000)
MEANING: list[DpEvent] = [
    GaussianDpEvent(1.5),
    LaplaceDpEvent(10.0),
    DiscreteGaussianDpEvent(Fraction(51, 2), 4),
    DiscreteLaplaceDpEvent(Fraction(10), 1),
    ExponentialDpEvent(Fraction(1, 10)),
    ZCDpEvent(Fraction(1, 1000)),
    GdpEvent(Fraction(1, 16)),
    ApproximateDpEvent(Decimal("0.10"), Decimal("1E-7")),
    GaussianCoverDpEvent(STEPS, Decimal("1E-6"), Fraction("0.2123848")),
    PoissonSampledDpEvent(1e-05, LaplaceDpEvent(1e-9)),
    SelfComposedDpEvent(NoOpDpEvent(), 3),
    ComposedDpEvent((GaussianDpEvent(1e12), ComposedDpEvent(()))),
    NoOpDpEvent(),
    NonPrivateDpEvent(),
]
LINES = Path(__file__).with_name("events.jsonl").read_text(encoding="utf-8").splitlines()

THEIRS = {"SelfComposedDpEvent", "ComposedDpEvent", "PoissonSampledDpEvent", "GaussianDpEvent", "LaplaceDpEvent"}
THEIRS |= {"ZCDpEvent", "NoOpDpEvent", "NonPrivateDpEvent"}
"""Kinds that dp_accounting has, too; ours are the others."""


def test_every_kind_is_pinned() -> None:
    assert {type(event) for event in MEANING} == set(get_args(DpEvent))
    assert len(LINES) >= len(MEANING)


@pytest.mark.parametrize(("event", "line"), list(zip(MEANING, LINES, strict=False)), ids=lambda part: str(part)[:40])
def test_an_event_is_written_in_exactly_this_way_and_read_as_exactly_this(event: DpEvent, line: str) -> None:
    assert canonical_json(event_to_json(event)) == line
    assert event_from_json(json.loads(line)) == event


def test_kinds_that_both_have_hold_the_same_parameters() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other: Any = pytest.importorskip("dp_accounting")
    for name in THEIRS:
        ours = [field.name for field in dataclasses.fields(getattr(events, name))]
        fields = [field.name for field in getattr(other, name).__attrs_attrs__]
        assert ours == fields[: len(ours)], name  # ZCDp has a second one there, which is 0 unless it is given
    assert {kind.__name__ for kind in get_args(DpEvent) if hasattr(other, kind.__name__)} == THEIRS
