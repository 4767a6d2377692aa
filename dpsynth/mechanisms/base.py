"""What every mechanism is: one object that names its own cost and adds its own noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

from dpsynth.accounting.events import DpEvent
from dpsynth.errors import InvalidInput
from dpsynth.randomness import NoiseSource

Query_contra = TypeVar("Query_contra", contravariant=True)
Answer_co = TypeVar("Answer_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How far an integer vector can move between neighbors, in three norms.

    Attributes:
        l1: largest sum of absolute differences.
        squared_l2: largest sum of squared differences; the square, so that it is an integer.
        linf: largest absolute difference of one entry.

    Raises:
        InvalidInput: when a bound is below 1, or when the three cannot all be bounds of the same query.
    """

    l1: int
    squared_l2: int
    linf: int

    def __post_init__(self) -> None:
        """Refuse bounds that contradict each other: one of them has been understated or forgotten to be squared."""
        if min(self.l1, self.squared_l2, self.linf) < 1:
            raise InvalidInput("a sensitivity is at least 1 in every norm; a query that never moves needs no noise")
        if not (self.linf <= self.l1 and self.linf**2 <= self.squared_l2 <= self.l1**2):
            raise InvalidInput(
                "sensitivities must satisfy linf <= l1 and linf**2 <= squared_l2 <= l1**2; "
                f"got l1 {self.l1}, squared_l2 {self.squared_l2}, linf {self.linf}"
            )


class Mechanism(Protocol[Query_contra, Answer_co]):
    """Adds noise to a query and says what that costs.

    The cost is computed from the sensitivity of the query that is answered, so it cannot be declared apart from it.
    """

    def event(self, sensitivity: Sensitivity) -> DpEvent:
        """Return what answering one query of this sensitivity costs."""

    def __call__(self, value: Query_contra, *, sensitivity: Sensitivity, noise: NoiseSource) -> Answer_co:
        """Return the noisy answer.

        Privacy: costs `event(sensitivity)`; the caller charges it before calling.
        """
