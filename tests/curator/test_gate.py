"""The gate charges before it answers, at the query's own sensitivity."""

from __future__ import annotations

import os
import sys
import threading
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from dpsynth.accounting.events import DpEvent, GdpEvent, NonPrivateDpEvent, ZCDpEvent
from dpsynth.curator._sealed import Private
from dpsynth.curator.allowance import Allowance
from dpsynth.curator.gate import BoundedQuery, Gate
from dpsynth.errors import BudgetExceeded
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.rounded_gaussian import RoundedGaussianMechanism
from dpsynth.randomness import NoiseSource, SeededNoise

ONE = Sensitivity(l1=1, squared_l2=1, linf=1)


class Spy:
    """A mechanism that records when it is run and at which sensitivity."""

    def __init__(self, allowance: Allowance, event: DpEvent) -> None:
        self.allowance = allowance
        self._event = event
        self.charged_when_run: int | None = None
        self.sensitivity: Sensitivity | None = None

    def event(self, sensitivity: Sensitivity) -> DpEvent:
        return self._event

    def __call__(self, value: NDArray[np.int64], *, sensitivity: Sensitivity, noise: NoiseSource) -> NDArray[np.int64]:
        self.charged_when_run = len(self.allowance.charged)
        self.sensitivity = sensitivity
        return value


def test_charges_before_the_mechanism_runs() -> None:
    allowance = Allowance("clinic", Fraction(1))
    spy = Spy(allowance, GdpEvent(Fraction(1, 2)))
    query = BoundedQuery(Private(np.arange(3)), Sensitivity(l1=3, squared_l2=9, linf=3))
    Gate(allowance, SeededNoise(0)).release(spy, query, purpose="look")
    assert spy.charged_when_run == 1
    assert spy.sensitivity == query.sensitivity
    assert allowance.charged == (("look", GdpEvent(Fraction(1, 2))),)


@pytest.mark.parametrize("event", [GdpEvent(Fraction(2)), NonPrivateDpEvent(), ZCDpEvent(Fraction(1, 10))])
def test_refuses_without_running_what_does_not_fit(event: DpEvent) -> None:
    allowance = Allowance("clinic", Fraction(1))
    spy = Spy(allowance, event)
    with pytest.raises(BudgetExceeded):
        Gate(allowance, SeededNoise(0)).release(spy, BoundedQuery(Private(np.arange(3)), ONE), purpose="look")
    assert spy.charged_when_run is None
    assert allowance.charged == ()


def test_a_closed_allowance_answers_nothing() -> None:
    allowance = Allowance("clinic", Fraction(1))
    allowance.close()
    with pytest.raises(BudgetExceeded):
        allowance.charge("late", GdpEvent(Fraction(1, 10)))


def test_exact_sums_fill_an_allowance_to_the_last_part() -> None:
    allowance = Allowance("clinic", Fraction(3, 10))
    for _ in range(3):
        allowance.charge("tenth", GdpEvent(Fraction(1, 10)))
    assert allowance.remaining_mu_squared == 0
    with pytest.raises(BudgetExceeded):
        allowance.charge("more", GdpEvent(Fraction(1, 10**9)))


def test_noise_follows_the_querys_sensitivity() -> None:
    """The same cost at three times the sensitivity must give three times the noise, not a cheaper event."""
    spreads = []
    for rows in (1, 3):
        sensitivity = Sensitivity(l1=rows, squared_l2=rows * rows, linf=rows)
        mechanism = RoundedGaussianMechanism.for_mu_squared(Fraction(1, 100), sensitivity)
        allowance = Allowance("clinic", Fraction(1))
        query = BoundedQuery(Private(np.zeros(20_000, dtype=np.int64)), sensitivity)
        spreads.append(Gate(allowance, SeededNoise(7)).release(mechanism, query, purpose="zeros").std())
        assert allowance.remaining_mu_squared >= Fraction(99, 100)
    # The standard error of a standard deviation from 20,000 cells is 0.5 %.
    assert 9.6 < spreads[0] < 10.4
    assert 2.85 < spreads[1] / spreads[0] < 3.15


def test_a_forked_copy_of_an_allowance_answers_nothing() -> None:
    """The ledger of the parent would never hear of it."""
    allowance = Allowance("clinic", Fraction(1))
    child = os.fork()
    if child == 0:
        try:
            allowance.charge("in the child", GdpEvent(Fraction(1, 2)))
        except BudgetExceeded:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    allowance.charge("in the parent", GdpEvent(Fraction(1)))


def test_threads_share_one_allowance() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(50):
            allowance = Allowance("clinic", Fraction(1))
            granted: list[int] = []

            def ask(allowance: Allowance = allowance, granted: list[int] = granted) -> None:
                try:
                    allowance.charge("all of it", GdpEvent(Fraction(1)))
                except BudgetExceeded:
                    return
                granted.append(1)

            threads = [threading.Thread(target=ask) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(granted) == 1
    finally:
        sys.setswitchinterval(interval)
