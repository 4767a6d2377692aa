"""What came of checking a release folder."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VerifiedCheck:
    """One check of a release folder.

    Attributes:
        name: what was checked.
        passed: whether it holds.
        explanation: what was found, in one sentence.
    """

    name: str
    passed: bool
    explanation: str


@dataclass(frozen=True, slots=True)
class Verification:
    """All checks of a release folder, in the order in which they build on one another."""

    checks: tuple[VerifiedCheck, ...]

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    @property
    def problems(self) -> tuple[str, ...]:
        """The checks that do not hold, as sentences."""
        return tuple(f"{check.name}: {check.explanation}" for check in self.checks if not check.passed)
