from __future__ import annotations

from rich.console import Console
from rich.progress import Progress

from dpsynth.cli.console import _Bars
from dpsynth.progress import phase, reporting_to


def test_a_phase_inside_another_is_gone_when_it_ends_and_the_outer_one_stays() -> None:
    with Progress(console=Console(quiet=True)) as progress, reporting_to(_Bars(progress)):
        with phase("attacks", 2) as advance:
            for _ in range(2):
                with phase("measure distances", 1) as inner:
                    inner(1)
                advance(1)
        with phase("certify", 1):
            pass
    shown = [(task.description, task.completed) for task in progress.tasks if task.visible]
    assert shown == [("attacks", 2), ("certify", 1)]
