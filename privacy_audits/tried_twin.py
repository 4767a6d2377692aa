"""A known-bad twin after it was tried: which finding is due, and whether it was made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TriedTwin:
    """A twin and what was found in it.

    Attributes:
        name: the mistake.
        due: words of the findings that must be made, each of them in some sentence of `found`.
        found: what was found, in sentences.
    """

    name: str
    due: tuple[str, ...]
    found: tuple[str, ...]

    @property
    def caught(self) -> bool:
        """Whether all that is due was found: to be caught for another reason only is to slip through."""
        return bool(self.due) and all(any(words in sentence for sentence in self.found) for words in self.due)

    @property
    def reasons(self) -> tuple[str, ...]:
        """What was found of what is due; nothing where something is missing."""
        if not self.caught:
            return ()
        return tuple(dict.fromkeys(next(said for said in self.found if words in said) for words in self.due))


def found_in(twin: dict[str, Any], judge: Callable[[Any], tuple[str, ...]]) -> tuple[str, ...]:
    """Return what follows from the recorded counts of a twin; records from before these were kept hold sentences."""
    return judge(twin["counts"]) if "counts" in twin else tuple(twin["found"])


def slipped(twins: Iterable[TriedTwin]) -> list[str]:
    """Return the names of the twins that were not caught for the reason that is due."""
    return [twin.name for twin in twins if not twin.caught]
