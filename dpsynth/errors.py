"""The one error tree.

Every message says what was asked, what is allowed and what to do next. No message ever holds a cell value, a count or
a row: column names, schema values and budgets are public, cells are not. Each class carries the exit code that the
command line returns for it.

    DpsynthError                  2
    |-- InvalidInput              2   something public is wrong and nothing was touched
    |   |-- SchemaError           2   the schema file; every problem named at once, with line and column
    |   |-- TableError            2   the file with the rows: missing, no header, other columns than the schema
    |   `-- InvalidBudget         2   epsilon or delta is not a usable number
    |-- LedgerError               4
    |   |-- BudgetNotSet          4   the data set has no budget yet
    |   |-- BudgetExceeded        4   what was asked does not fit into what is left
    |   |-- LedgerUnavailable     4   cannot be opened or written; nothing was spent by this request
    |   `-- LedgerCorrupted       4   the chain does not verify
    |-- CertificationRefused      3   the release was made and charged, but may not leave
    |-- AccountantsDisagree       3   two accountants do not agree on the cost: no certificate
    |-- AttackFailed              3   an attack gave no usable score: nothing is known about the risk
    |-- ConstraintBroken          3   a generator made a record that the schema excludes: a fault of this software
    |-- BundleError               2   the release folder cannot be written or is not a release folder
    |-- VerificationFailed        3   a release folder is not what its certificate says
    |-- MissingExtra              2   an optional dependency is not installed
    `-- SealedError               2   private or confidential data was used outside its room
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal


class DpsynthError(Exception):
    """Root of every error that this package raises on purpose."""

    exit_code = 2


class InvalidInput(DpsynthError):
    """Something public that the caller gave is wrong; nothing was read, spent or written."""


@dataclass(frozen=True, slots=True)
class SchemaProblem:
    """One thing that is wrong with a schema; `line` and `column` count from 1 and are 0 where unknown."""

    where: str
    message: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return `line L, column C: where: message`."""
        place = f"line {self.line}, column {self.column}: " if self.line else ""
        return f"{place}{self.where}: {self.message}"


class SchemaError(InvalidInput):
    """The schema cannot be used; `problems` names everything that is wrong with it at once."""

    def __init__(self, source: str, problems: Sequence[SchemaProblem]) -> None:
        """Build the message from `source` (a file name or `<schema>`) and its problems."""
        self.source = source
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{source}: {count} problem{'s' if count != 1 else ''} in the schema"
        super().__init__("\n".join([head, *(f"  - {problem}" for problem in self.problems)]))


class TableError(InvalidInput):
    """The file with the rows cannot be used; found out from its name and header alone."""


class InvalidBudget(InvalidInput):
    """An epsilon or delta is not a usable number."""


class LedgerError(DpsynthError):
    """Root of everything that the ledger refuses."""

    exit_code = 4


class BudgetNotSet(LedgerError):
    """The data set has no budget; the message holds the command that sets one."""

    def __init__(self, dataset: str) -> None:
        """Name the data set and the command."""
        self.dataset = dataset
        super().__init__(
            f"data set '{dataset}' has no privacy budget, so nothing may be released from it. Set one, once:\n"
            f"  dpsynth ledger budget {dataset} --epsilon E --delta D"
        )


class BudgetExceeded(LedgerError):
    """A request does not fit; refused before any row was touched."""

    def __init__(
        self,
        dataset: str,
        *,
        asked: str,
        remaining: str,
        largest_epsilon: Decimal,
        delta: Decimal,
        population: str = "",
        reason: str = "",
    ) -> None:
        """`largest_epsilon` is the largest request at this `delta` that would still fit (0: none).

        `population` is the one that is short, where it is not the data set's own; `reason` says why nothing else of its
        kind fits either, where size is not the reason.
        """
        self.dataset = dataset
        self.population = population or dataset
        self.asked = asked
        self.remaining = remaining
        self.largest_epsilon = largest_epsilon
        self.delta = delta
        short = "" if self.population == dataset else f"of population '{population}' "
        advice = f"{reason[:1].upper()}{reason[1:]}." if reason else ""
        if not advice and largest_epsilon > 0:
            advice = f"The largest request that fits is epsilon {largest_epsilon} at delta {float(delta):g}."
        elif not advice:
            spent = "this data set is spent" if not short else f"population '{population}' is spent"
            advice = f"Nothing more fits: {spent}."
        super().__init__(
            f"data set '{dataset}': asked for {asked}, but {short}{remaining} is left. {advice} Nothing was spent."
        )


class LedgerUnavailable(LedgerError):
    """The ledger cannot be opened, locked or written; the request was not granted."""


class LedgerCorrupted(LedgerError):
    """The hash chain does not verify, or the file is not a ledger."""


class CertificationRefused(DpsynthError):
    """The release was charged but its verdict does not allow export."""

    exit_code = 3

    def __init__(self, verdict: str, reasons: Sequence[str], advice: str = "") -> None:
        """`reasons` are sentences made from public or charged values only; `advice` says what can be done now."""
        self.verdict = verdict
        self.reasons = tuple(reasons)
        self.advice = advice
        lines = [f"not exported, verdict {verdict}:", *(f"  - {reason}" for reason in reasons)]
        super().__init__("\n".join([*lines, advice] if advice else lines))


class AccountantsDisagree(DpsynthError):
    """Two independent accountants give costs that cannot both be right; no certificate is issued."""

    exit_code = 3


class AttackFailed(DpsynthError):
    """An attack gave scores that mean nothing, which is never a risk of zero; the suite takes it as a finding."""

    exit_code = 3


class ConstraintBroken(DpsynthError):
    """A synthetic record is one that the schema declares impossible; nothing is repaired and nothing leaves."""

    exit_code = 3


class BundleError(DpsynthError):
    """The release folder exists already, cannot be written, or is not a release folder."""


class VerificationFailed(DpsynthError):
    """A release folder is not what its certificate says; `problems` names each failed check."""

    exit_code = 3

    def __init__(self, problems: Sequence[str]) -> None:
        """Name every failed check, one sentence each."""
        self.problems = tuple(problems)
        super().__init__("\n".join(["the release does not verify:", *(f"  - {problem}" for problem in problems)]))


class MissingExtra(DpsynthError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        """Name the package and the extra that brings it."""
        super().__init__(f"this needs {package}; from a checkout of this project, run: pip install '.[{extra}]'")


class SealedError(DpsynthError):
    """Private or confidential data was copied, pickled or opened outside its room."""
