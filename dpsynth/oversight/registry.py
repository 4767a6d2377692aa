"""What the ledger knows about a data set, as an entry of the OpenDP Deployments Registry (tier 3).

The registry is a public list of uses of differential privacy. Its schema names what a deployment should say about
itself; docs/how-to/publish-to-the-registry.md lists which field comes from where. What a ledger cannot know, such as
who you are and what the table is for, is a marked blank unless it is given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from dpsynth.accounting.accountant import simple_events
from dpsynth.accounting.events import DpEvent, JsonValue
from dpsynth.certification.facts import EXPORTED
from dpsynth.errors import InvalidInput
from dpsynth.ledger import EntryKind, Ledger, LedgerEntry
from dpsynth.oversight.account import DatasetAccount, accounts
from dpsynth.oversight.amounts import written
from dpsynth.oversight.json_lines import write_lines

BLANK = "FILL_IN"
"""Stands where a person has to write."""

CURATOR_TYPES = ("Government", "Industry", "Nonprofit")
SECTORS = ("Technology", "Healthcare", "Education", "Government", "Energy", "Finance")

_COMPOSITION: Mapping[str, str] = {
    "adaptive": (
        "Sequential and fully adaptive: costs are added as exact fractions of squared mu (Gaussian differential "
        "privacy) or of pure epsilon, from the list of events, by a filter that is valid for requests that were chosen "
        "after earlier answers were seen."
    ),
    "plan": (
        "Sequential, by a list of events that was fixed in the ledger before the first answer: their total comes from "
        "privacy-loss distributions, and nothing that is not on the list is granted."
    ),
}

_NAMES: Mapping[str, str] = {
    "GaussianDpEvent": "Gaussian noise, rounded to integers, on integer counts",
    "DiscreteGaussianDpEvent": "discrete Gaussian noise on integer counts",
    "LaplaceDpEvent": "Laplace noise",
    "DiscreteLaplaceDpEvent": "discrete Laplace noise on integer counts",
    "ExponentialDpEvent": "choices by the exponential mechanism",
    "ZCDpEvent": "mechanisms stated by their zero-concentrated parameter rho",
    "GdpEvent": "mechanisms stated by their Gaussian parameter mu, among them reservations that were not settled",
    "ApproximateDpEvent": "mechanisms stated by (epsilon, delta)",
    "PoissonSampledDpEvent": "Gaussian noise on gradients of Poisson-sampled batches",
    "NonPrivateDpEvent": "an answer without protection",
}


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a ledger cannot know about a release or a series of releases; what is not given is a marked blank.

    Attributes:
        name: of the data product.
        curator: who publishes it.
        curator_type: one of `CURATOR_TYPES`.
        description: what it is.
        intended_use: what it is for.
        region: what region it describes, or whose laws apply.
        sector: one of `SECTORS`.
        author: who fills in the entry.
        units: about how many units there are, from public knowledge.
    """

    name: str = BLANK
    curator: str = BLANK
    curator_type: str = BLANK
    description: str = BLANK
    intended_use: str = BLANK
    region: str = BLANK
    sector: str = BLANK
    author: str = BLANK
    units: int | None = None

    def __post_init__(self) -> None:
        """Refuse what the registry does not list."""
        for name, value, known in (
            ("curator_type", self.curator_type, CURATOR_TYPES),
            ("sector", self.sector, SECTORS),
        ):
            if value not in {*known, BLANK}:
                raise InvalidInput(f"{name} is one of {', '.join(known)}")


def registry_entry(ledger: Ledger, dataset: str, about: Deployment | None = None) -> dict[str, JsonValue]:
    """Return the entry of everything that was released from `dataset`, in the registry's own structure.

    Raises:
        BudgetNotSet: the data set has no budget.
        InvalidInput: nothing was released from it yet.

    Privacy: holds what `json_lines` holds, in other words, and nothing else.
    """
    ledger.budget(dataset)
    entries = ledger.entries(dataset)
    account = accounts(ledger, dataset)[0]
    settled = [entry for entry in entries if entry.kind is EntryKind.SETTLE]
    if not settled:
        raise InvalidInput(f"nothing was released from data set '{dataset}' yet, so there is no deployment to publish")
    return _entry(account, entries, settled, about or Deployment())


def export_registry_entry(ledger: Ledger, dataset: str, path: Path, about: Deployment | None = None) -> int:
    """Write the entry of `dataset` to `path`, which must not exist, as YAML; return how many blanks are left.

    Raises:
        BudgetNotSet: the data set has no budget.
        InvalidInput: nothing was released from it yet.
        BundleError: the file exists already or cannot be written.
    """
    import yaml

    text = yaml.safe_dump(registry_entry(ledger, dataset, about), sort_keys=False, allow_unicode=True, width=100)
    write_lines(path, text.splitlines())
    return text.count(BLANK)


def _entry(
    account: DatasetAccount, entries: Sequence[LedgerEntry], settled: Sequence[LedgerEntry], about: Deployment
) -> dict[str, JsonValue]:
    exported = {
        entry.release_id: entry.time for entry in entries if entry.kind is EntryKind.NOTE and entry.purpose == EXPORTED
    }
    first = min(exported.values(), default=settled[0].time)
    name = about.name if about.name != BLANK else f"Synthetic data from {account.data_set}"
    pure = account.budget_delta == "0"
    parameters: dict[str, JsonValue] = {"epsilon": float(account.budget_epsilon or 0)}
    if not pure:
        parameters["delta"] = float(account.budget_delta or 0)
    loss: dict[str, JsonValue] = {
        "privacy_unit": account.protects or BLANK,
        "privacy_unit_details": (
            "Two tables are neighbors when one is the other without, or with, everything that belongs to one privacy "
            f"unit ({account.protects or 'as the schema declares it'}). The number of rows is private."
        ),
        "privacy_parameters": parameters,
        "privacy_parameters_details": (
            f"The parameters bound everything that is ever released from this data set ({account.budget}). Of it, "
            f"{account.spent} is spent by {len(settled)} trainings, which keeps epsilon "
            f"{account.spent_epsilon or 'unbounded'} at the same delta. Left: {account.left}."
        ),
    }
    if about.units is not None:
        loss["number_of_privacy_units"] = about.units
    return {
        "url_slug": _slug(f"{name} {first[:4]}"),
        "deployment": {
            "basic": {
                "name": name,
                "data_curators": [{"data_curator_name": about.curator, "data_curator_type": about.curator_type}],
                "description": about.description,
                "intended_use": about.intended_use,
                "data_product_type": "Synthetic data",
                "data_product_region": about.region,
                "data_product_sector": about.sector,
                "publication_date": first[:10],
            },
            "dp_variant": {
                "variant_name": "Pure DP" if pure else "Approximate DP",
                "data_domain": (
                    "All tables with the columns, categories, bounds and bins of the public schema; cells outside it "
                    "count as missing or outside."
                ),
                "unprotected_quantities": (
                    "The schema, the parameters, and that and when each release was made; nothing that is computed "
                    "from rows."
                ),
            },
            "privacy_loss": loss,
            "deployment_model": {
                "model_name": "Central",
                "trust_assumptions": (
                    "Whoever operates the machine that holds the rows is trusted; recipients are not trusted with "
                    "anything, and may combine the releases with whatever they know."
                ),
                "actors": BLANK,
                "release_type": "One release" if len(exported) == 1 else "Many releases",
                "release_type_details": (
                    "One budget for the whole life of the data set, fixed before the first release and never raised; "
                    "what does not fit is refused before a row is read."
                ),
                "data_source_type": "Static",
                "access_type": "Non-interactive",
            },
            "implementation": _implementation(account.policy, settled),
            "administrative": {"status": "Draft", "registry_authors": [about.author], "tier": 3},
        },
    }


def _implementation(policy: str, settled: Sequence[LedgerEntry]) -> dict[str, JsonValue]:
    software = ", ".join(sorted({entry.software for entry in settled}))
    return {
        "preprocessing_and_hyperparameter_tuning": (
            "Bounds, categories and bins come from public knowledge, or from noisy counts that were charged to the "
            f"same budget. Every training was charged, whether or not anything was published: {len(settled)} in all."
        ),
        "mechanisms": (
            f"{_mechanisms(settled)}. Noise is drawn on integers from the operating system's entropy, without a seed. "
            f"Software: {software}."
        ),
        "composition": (
            f"{_COMPOSITION[policy]} Each certificate was checked by a Renyi and a privacy-loss-distribution "
            "accountant as well."
        ),
        "post_processing": (
            "Models are fitted to noisy counts, and synthetic rows are sampled from the models; nothing else touches "
            "the rows."
        ),
        "justification": BLANK,
    }


def _mechanisms(settled: Iterable[LedgerEntry]) -> str:
    counts: Counter[str] = Counter()
    for entry in settled:
        for charge in entry.charges:
            counts.update(_kinds(charge.event))
    parts = [f"{written(Decimal(count))} x {_NAMES.get(kind, kind)}" for kind, count in counts.most_common()]
    return "; ".join(parts) or "No question was asked"


def _kinds(event: DpEvent) -> Counter[str]:
    try:
        found = simple_events(event)
    except InvalidInput:
        return Counter({type(event).__name__: 1})
    kinds: Counter[str] = Counter()
    for part, count in found.items():
        kinds[type(part).__name__] += count
    return kinds


def _slug(text: str) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in text.lower()).split())
