"""Categories that nobody lists in public: found once, for a charge of their own, and public from then on."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import ApproximateDpEvent, ComposedDpEvent, DpEvent, GdpEvent
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.curator.allowance import Allowance
from dpsynth.curator.fingerprint import load_or_create_fingerprint_key
from dpsynth.curator.gate import BoundedQuery, Gate
from dpsynth.curator.ingest import TableLike, check_header, read_categories, source_of
from dpsynth.errors import InvalidInput, TableError
from dpsynth.ledger import Ledger
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.partition_selection import PartitionSelection
from dpsynth.randomness import NoiseSource, SystemNoise
from dpsynth.schema.open_categories import is_open
from dpsynth.schema.schema import Schema

PURPOSE = "discover categories"
"""How the ledger names the reservation."""

MOST_CATEGORIES = 10_000


@dataclass(frozen=True, slots=True)
class Discovery:
    """Categories that stand out from the noise; everything here is public.

    Attributes:
        schema: the schema with its open columns completed; a column without any category is left out of it.
        categories: per open column the categories, the most frequent first by their noisy numbers of units.
        release_id: the name of the charge in the ledger.
        certifiable: whether the noise came from a source that can be vouched for.
    """

    schema: Schema
    categories: Mapping[str, tuple[tuple[str, int], ...]]
    release_id: str
    certifiable: bool


def discover_categories(
    data: TableLike,
    schema: Schema,
    budget: PrivacyBudget,
    *,
    ledger: Ledger,
    noise: NoiseSource | None = None,
    ticket: str = "",
    legal_basis: str = "",
) -> Discovery:
    """Return the categories of all open columns of `schema` that enough people share, and the completed schema.

    Args:
        data: a path to a CSV or Parquet file, a pandas frame or an object with an Arrow stream.
        schema: columns with `dpsynth: {categories: private}` are open.
        budget: what this may cost; half of delta is for naming what a single unit has, the rest for the noise.
        ledger: where it is charged.
        noise: source of privacy noise; the operating system's entropy if None.
        ticket: where this was decided, for the ledger.
        legal_basis: legal basis of the processing in words, for the ledger.

    Raises:
        InvalidInput: no column is open, or the budget is too small to find anything.
        BudgetNotSet: the data set has no budget.
        BudgetExceeded: it does not fit, or the data set's budget sets no delta aside for events that may fail.
        TableError: the header does not fit the schema, or the rows cannot be read.

    Privacy: at most `budget`, reserved before the first row is read. A unit counts with at most `max_rows_per_unit`
    categories in a column, and one that only it has is named with at most the booked delta.
    """
    columns = [column.name for column in schema.columns if is_open(column)]
    if not columns:
        raise InvalidInput("no column of this schema has `dpsynth: {categories: private}`: there is nothing to find")
    source = source_of(data, schema)
    check_header(source, schema)
    noise = SystemNoise() if noise is None else noise
    outright = budget.delta / 2
    mu_squared = mu_squared_from_budget(PrivacyBudget(budget.epsilon, budget.delta - outright))
    most = schema.unit.max_rows_per_unit
    sensitivity = Sensitivity(l1=most, squared_l2=most, linf=1)
    share, failing = mu_squared / len(columns), Fraction(outright) / len(columns)
    mechanism = PartitionSelection.for_cost(share, failing, sensitivity)
    whole: DpEvent = ComposedDpEvent((GdpEvent(mu_squared), ApproximateDpEvent(Decimal(0), outright)))
    ledger.require_event_delta(schema.dataset)
    certifiable = type(noise) is SystemNoise and noise.certifiable
    key = load_or_create_fingerprint_key() if ledger.durable else None
    reservation = ledger.reserve(
        schema.dataset,
        release_id=uuid.uuid4().hex,
        purpose=PURPOSE,
        event=whole,
        asked=str(budget),
        unit=schema.unit.describe(),
        certifiable=certifiable,
        ticket=ticket,
        legal_basis=legal_basis,
        configuration=schema.digest,
    )
    token = ledger.open(reservation)
    fingerprint = ""
    allowance = Allowance(schema.dataset, mu_squared, Fraction(outright))
    # Rows that cannot be read are an answer, too: until all questions are answered, everything reserved is charged.
    settled: tuple[tuple[str, DpEvent], ...] = (("ended before it was asked to", whole),)
    try:
        try:
            counted, fingerprint = read_categories(source, schema, token, noise=noise, key=key)
        except (OSError, MemoryError) as fault:
            raise TableError(
                f"{source.description}: reading failed ({type(fault).__name__}); the reservation was opened"
            ) from None
        gate = Gate(allowance, noise)
        found = {
            name: gate.release(mechanism, BoundedQuery(counted[name], sensitivity), purpose=f"name values of {name}")
            for name in columns
        }
        settled = allowance.charged
    finally:
        allowance.close()
        ledger.settle(token, settled, fingerprint=fingerprint)
    kept = {name: found[name][:MOST_CATEGORIES] for name in columns}
    completed = schema.with_categories(
        {name: [text for text, _ in named] for name, named in kept.items()},
        f"found in noisy counts by dpsynth discover, ledger entry {reservation.release_id}",
    )
    return Discovery(completed, kept, reservation.release_id, certifiable)
