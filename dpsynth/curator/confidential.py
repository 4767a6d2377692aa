"""Findings about rows that carry no noise: attack scores, distances, fidelity on real data."""

from __future__ import annotations

from typing import TypeVar

from dpsynth.curator.seal import Sealed

T = TypeVar("T")


class Confidential(Sealed[T]):
    """An un-noised finding about rows; it stays in the curator's internal audit folder."""

    __slots__ = ()
