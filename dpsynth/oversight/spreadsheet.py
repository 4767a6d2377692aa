"""A whole ledger as a CSV file, one line per entry, for people who work with spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from dpsynth.ledger import Ledger, LedgerEntry
from dpsynth.ledger.running_cost import cost_of_charges
from dpsynth.oversight.amounts import cost_to_json, written
from dpsynth.oversight.json_lines import write_lines
from dpsynth.schema.formulas import made_inert

COLUMNS = (
    "index", "time", "kind", "data_set", "release", "by", "purpose", "asked", "unit", "reservation", "certifiable",
    "charges", "mu_squared", "rho", "epsilon", "delta", "events", "budget_epsilon", "budget_delta", "event_delta",
    "filter", "software", "digest", "policy", "populations", "ticket", "legal_basis", "configuration", "fingerprint",
    "artefact", "curve", "software_sha256", "steps",
)  # fmt: skip
"""The columns of a file, in order; new ones are added at the end."""


def csv_lines(entries: Iterable[LedgerEntry]) -> Iterator[str]:
    """Return the header and one line per entry, without line breaks; formulas are made inert.

    `mu_squared`, `rho`, `epsilon` and `delta` are what the charges of the entry cost together; empty: infinite, or no
    charge. `events` holds the charges as the ledger writes them.

    Privacy: as in `json_lines`.
    """
    yield _line(COLUMNS)
    for entry in entries:
        yield _line(_cells(entry))


def export_csv(ledger: Ledger, path: Path) -> int:
    """Write the whole ledger to `path`, which must not exist; return the number of entries.

    Raises:
        BundleError: the file exists already or cannot be written.
    """
    return write_lines(path, csv_lines(ledger.entries())) - 1


def _cells(entry: LedgerEntry) -> list[str]:
    cost: dict[str, float | None] = cost_to_json(cost_of_charges(entry)) if entry.charges else {}
    amounts = [cost.get(name) for name in ("mu_squared", "rho", "epsilon", "delta")]
    budget = entry.budget
    told = (
        str(entry.index), entry.time, entry.kind.value, entry.dataset, entry.release_id, entry.actor, entry.purpose,
        entry.asked, entry.unit, "" if entry.reservation is None else str(entry.reservation),
        str(entry.certifiable).lower(), str(len(entry.charges)),
        *("" if amount is None else repr(amount) for amount in amounts),
        json.dumps(entry.content()["charges"], separators=(",", ":")) if entry.charges else "",
        "" if budget is None else written(budget.epsilon), "" if budget is None else written(budget.delta),
        "" if budget is None else written(entry.event_delta), "" if budget is None else entry.filter_kind.value,
        entry.software, entry.digest, "" if budget is None else entry.policy.value, " ".join(entry.populations),
        entry.ticket, entry.legal_basis, entry.configuration, entry.fingerprint, entry.artefact,
        "" if entry.curve is None else json.dumps(entry.every_field()["curve"], separators=(",", ":")),
        entry.software_sha256, str(entry.steps or ""),
    )  # fmt: skip
    return [made_inert(text) for text in told]


def _line(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(cells)
    return buffer.getvalue()
