"""`dpsynth ledger export` and `dpsynth ledger audit`: a ledger as a file, and what an auditor finds in it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli.console import OUT, print_error, print_json
from dpsynth.cli.places import open_ledger
from dpsynth.errors import InvalidInput, VerificationFailed
from dpsynth.ledger import load_or_create_key
from dpsynth.oversight.audit_costs import MOST_RELEASES


class ExportFormat(StrEnum):
    """What a ledger can be written as."""

    JSON_LINES = "jsonl"
    CSV = "csv"
    REGISTRY = "registry"


def export(
    out: Annotated[Path, typer.Argument(help="File to make; must not exist.")],
    form: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            help="jsonl: the whole ledger, to be audited offline. csv: for spreadsheets. registry: one data set as an "
            "entry of the OpenDP Deployments Registry (YAML).",
        ),
    ] = ExportFormat.JSON_LINES,
    dataset: Annotated[str | None, typer.Option(help="Data set; needed for `registry` and for nothing else.")] = None,
    sign: Annotated[bool, typer.Option(help="Sign the head with the key of DPSYNTH_HOME (jsonl only).")] = False,
    product: Annotated[str | None, typer.Option(help="Registry: name of the data product.")] = None,
    curator: Annotated[str | None, typer.Option(help="Registry: who publishes it.")] = None,
    curator_type: Annotated[str | None, typer.Option(help="Registry: Government, Industry or Nonprofit.")] = None,
    description: Annotated[str | None, typer.Option(help="Registry: what the data product is.")] = None,
    intended_use: Annotated[str | None, typer.Option(help="Registry: what it is for.")] = None,
    region: Annotated[str | None, typer.Option(help="Registry: whose laws apply, or what it describes.")] = None,
    sector: Annotated[
        str | None,
        typer.Option(help="Registry: Technology, Healthcare, Education, Government, Energy or Finance."),
    ] = None,
    author: Annotated[str | None, typer.Option(help="Registry: who fills in the entry.")] = None,
    units: Annotated[int | None, typer.Option(min=1, help="Registry: about how many units, publicly known.")] = None,
    ledger: Annotated[
        str | None, typer.Option(help="Ledger; DPSYNTH_LEDGER or the user's own ledger if not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write the ledger to a file that others can read and audit without it."""
    if (form is ExportFormat.REGISTRY) != (dataset is not None):
        raise InvalidInput("--dataset goes with --format registry: an entry of the registry is about one data set")
    if sign and form is not ExportFormat.JSON_LINES:
        raise InvalidInput("only --format jsonl can be signed")
    from dpsynth.oversight import Deployment, export_csv, export_json_lines, export_registry_entry

    with open_ledger(ledger, create=False) as books:
        if form is ExportFormat.REGISTRY and dataset is not None:
            told = {
                "name": product, "curator": curator, "curator_type": curator_type, "description": description,
                "intended_use": intended_use, "region": region, "sector": sector, "author": author,
            }  # fmt: skip
            about = Deployment(units=units, **{key: value for key, value in told.items() if value is not None})
            blanks = export_registry_entry(books, dataset, out, about)
            said, facts = f"one entry, {blanks} blanks to fill in", {"data_set": dataset, "blanks": blanks}
        else:
            key = load_or_create_key() if sign else None
            csv = form is ExportFormat.CSV
            count = export_csv(books, out) if csv else export_json_lines(books, out, key=key)
            signed = "" if key is None else f", signed by key {key.key_id[:16]}"
            said, facts = f"{count:,} entries{signed}", {"entries": count, "signed_by": key and key.key_id}
    if as_json:
        print_json({"file": str(out), "format": form.value, **facts})
    else:
        OUT.print(f"{out}: {said}", markup=False)


def audit(
    file: Annotated[Path, typer.Argument(help="Exported ledger, JSON lines.")],
    public_key: Annotated[
        Path | None, typer.Option(help="Public key (PEM) that has to have signed the head, got from elsewhere.")
    ] = None,
    head: Annotated[str | None, typer.Option(help="Head that is known from elsewhere, as INDEX:DIGEST.")] = None,
    artefacts: Annotated[
        list[Path] | None, typer.Option(help="Release folder, or a folder that holds some; repeat it.")
    ] = None,
    release_key: Annotated[
        Path | None, typer.Option(help="Public key (PEM) of whoever signs releases; --public-key if not given.")
    ] = None,
    releases: Annotated[
        int, typer.Option(min=0, help="How many releases to compute one by one; totals always are.")
    ] = MOST_RELEASES,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check an exported ledger offline and compute every epsilon again; says what is wrong and where."""
    from dpsynth.oversight import audit_ledger

    found = audit_ledger(
        file,
        public_key=public_key,
        expected_head=None if head is None else _known_head(head),
        artefacts=artefacts or (),
        release_key=release_key,
        most_releases=releases,
    )
    if as_json:
        print_json(found.to_json())
    else:
        OUT.print(found)
    if not found.ok:
        count = len(found.problems)
        print_error(f"the ledger does not pass the audit: {count} problem{'' if count == 1 else 's'}")
        raise typer.Exit(VerificationFailed.exit_code)


def _known_head(text: str) -> tuple[int, str]:
    index, _, digest = text.partition(":")
    if not index.isascii() or not index.isdigit() or len(index) > 15 or len(digest) != 64:
        raise InvalidInput("a head is INDEX:DIGEST, as `dpsynth ledger verify` prints it, with 64 hexadecimal digits")
    return int(index), digest
