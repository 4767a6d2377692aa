"""What may be seen of attacks while they run: a fixed number of steps, whatever the rows are.

Attacks and the libraries that they use would warn of rows, and begin phases as long as rows are many. Nothing of that
is let out, and a phase ends in the same way where something inside fails.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dpsynth.progress import phase, unreported


@contextmanager
def shown_steps(name: str, count: int) -> Iterator[Callable[[], None]]:
    """Show a phase of `count` steps; yields what ends one of them. Those that are left end with the context.

    Nothing that is warned of or begun inside is shown. Errors are raised once the phase has ended.
    """
    left, failed = count, None
    with phase(name, count) as advance:

        def step() -> None:
            nonlocal left
            left -= 1
            advance(1)

        try:
            with warnings.catch_warnings(), unreported():
                warnings.simplefilter("ignore")
                # Threads share the filters, and forests of scikit-learn set them anew in each: a warning of one thread
                # may meet what another has just reset. What gets through is not shown.
                warnings.showwarning = _not_shown
                yield step
        except Exception as fault:  # noqa: BLE001 - raised below
            failed = fault
        for _ in range(left):
            advance(1)
    if failed is not None:
        raise failed


def _not_shown(*_: object, **__: object) -> None:
    """Take the place of what prints a warning."""
