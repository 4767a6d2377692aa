"""Two attacks in place of the whole suite, for tests that ask where findings go and not what is found."""

from __future__ import annotations

from functools import partial

import pytest

from dpsynth.certification import audit
from dpsynth.certification.negative_control import NOT_TRIED, NegativeControls

ATTACKS = ("exact-match", "nearest-neighbour", "quasi-identifier-match")
"""The last one tests nothing unless columns are declared."""


def _nothing_planted(*rows: object, **named: object) -> NegativeControls:
    return NOT_TRIED


def shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let internal audits run two attacks and plant no leaks."""
    monkeypatch.setattr(audit, "attack_release", partial(audit.attack_release, attacks=ATTACKS))
    monkeypatch.setattr(audit, "controls_among_people", _nothing_planted)
