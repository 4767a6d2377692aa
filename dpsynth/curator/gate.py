"""The gate: the only function that turns a private value into a public one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from dpsynth.accounting.events import DpEvent
from dpsynth.curator._sealed import Private, unseal
from dpsynth.mechanisms.base import Mechanism, Sensitivity
from dpsynth.randomness import NoiseSource

Q = TypeVar("Q")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class BoundedQuery(Generic[Q]):
    """A private value together with how far one unit can move it; built only inside the curator."""

    value: Private[Q]
    sensitivity: Sensitivity


class Payer(Protocol):
    """What pays for an answer: an allowance of squared mu, or the steps of a training."""

    def charge(self, purpose: str, event: DpEvent) -> None:
        """Book `event`, or raise `BudgetExceeded` and book nothing."""


class Gate:
    """Charges, then answers."""

    __slots__ = ("_allowance", "_noise")

    def __init__(self, allowance: Payer, noise: NoiseSource) -> None:
        """Answer from `allowance` with randomness from `noise`."""
        self._allowance = allowance
        self._noise = noise

    def release(self, mechanism: Mechanism[Q, R], query: BoundedQuery[Q], *, purpose: str) -> R:
        """Return the answer of `mechanism` to `query`.

        Raises:
            BudgetExceeded: the event does not fit into the allowance; the value was not touched.

        Privacy: charges the mechanism's event at the query's own sensitivity, then runs it at that sensitivity, so
        cost and behaviour cannot be told apart.
        """
        self._allowance.charge(purpose, mechanism.event(query.sensitivity))
        return mechanism(unseal(query.value), sensitivity=query.sensitivity, noise=self._noise)
