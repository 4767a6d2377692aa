"""Words that people give to the ledger: one line each, and never too long."""

from __future__ import annotations

from dpsynth.errors import InvalidInput
from dpsynth.ledger.statement import BudgetPolicy

LONGEST = 500


def words_of(what: str, text: str, *, empty: bool = False) -> str:
    """Return `text` where the ledger takes it as the name of a `what`.

    Raises:
        InvalidInput: it is no text of one line, is too long, or is empty where it must not be.
    """
    if not isinstance(text, str) or not text.isprintable() or len(text) > LONGEST or not (text.strip() or empty):
        raise InvalidInput(f"the name of a {what} in the ledger is one line of 1 to {LONGEST} printable characters")
    return text


def policy_named(name: BudgetPolicy | str) -> BudgetPolicy:
    """Return the policy of that name.

    Raises:
        InvalidInput: there is none.
    """
    try:
        return BudgetPolicy(name)
    except ValueError:
        raise InvalidInput(f"a budget has the policy {' or '.join(BudgetPolicy)}, not '{name}'") from None
