"""What is seen of attacks while they run: nothing that they warn of, in whichever thread, and the same steps always."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from dpsynth.attacks.shown_steps import shown_steps


def warn_after_a_reset(_: int) -> None:
    """Do as a library that sets the filters anew in each of its threads, and is interrupted between two lines."""
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.warn("column 3 is constant", UserWarning, stacklevel=1)


def test_no_warning_is_seen_although_threads_reset_the_filters() -> None:
    with warnings.catch_warnings(record=True) as seen, ThreadPoolExecutor(4) as pool:
        with shown_steps("attacks", 1):
            list(pool.map(warn_after_a_reset, range(40)))
        assert seen == []
        list(pool.map(warn_after_a_reset, range(40)))
    assert len(seen) > 20, "this scene shows no warning that could be hidden"


def test_afterwards_warnings_are_shown_as_before() -> None:
    before = warnings.showwarning, list(warnings.filters)
    with shown_steps("attacks", 1):
        assert warnings.showwarning is not before[0]
    assert (warnings.showwarning, list(warnings.filters)) == before


def test_a_fault_is_raised_once_the_phase_has_ended() -> None:
    with pytest.raises(ValueError, match="inside"), shown_steps("attacks", 3):
        raise ValueError("inside")
