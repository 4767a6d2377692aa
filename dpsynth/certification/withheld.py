"""A release that was refused, kept whole in the internal folder: a person may still decide, without paying again.

What is kept is public in the sense of the labels: a synthetic table and its certificate. It is withheld because its
verdict does not allow export, not because it holds rows.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rfc8785

from dpsynth.accounting.events import JsonValue
from dpsynth.certification import layout
from dpsynth.certification.certificate import Certificate, Override
from dpsynth.certification.document import OverrideSection
from dpsynth.certification.facts import note_of_withheld
from dpsynth.errors import BundleError, SchemaError
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable

_CODES = "codes.npz"
_TABLE = "table.json"


@dataclass(frozen=True, slots=True)
class WithheldRelease:
    """The parts of a release that was refused.

    Attributes:
        table: the judged table.
        certificate: with the verdict that refused it.
        ledger_extract: the ledger's lines that the certificate is about.
    """

    table: SyntheticTable
    certificate: Certificate
    ledger_extract: tuple[dict[str, JsonValue], ...]

    @property
    def note(self) -> str:
        """The ledger note that binds what is withheld, so that nobody can edit it before it is let go."""
        return note_of_withheld(self.certificate.verdict.value, self._digest)

    @property
    def notes(self) -> frozenset[str]:
        """That note, and how it was written before it named the verdict."""
        return frozenset({self.note, f"withheld, certificate {self._digest}"})

    @property
    def _digest(self) -> str:
        return hashlib.sha256(self.certificate.to_json()).hexdigest()

    def overridden(self, override: Override) -> Certificate:
        """Return the certificate with the decision of a person on it; its verdict stays what it was."""
        decision = OverrideSection(by=override.by, reason=override.reason)
        return Certificate(self.certificate.document.model_copy(update={"override": decision}))


def advice_on_withheld(internal_folder: Path) -> str:
    """Return what a person can do after a refusal."""
    return (
        "The charge stays in the ledger; running again is charged again. What was made is withheld in "
        f"{internal_folder}, with the internal audit. A named person may let it go without a new charge:\n"
        f"  dpsynth override {internal_folder} --by NAME --reason WHY --out FOLDER"
    )


def withhold(folder: Path, release: WithheldRelease) -> None:
    """Write a refused release into the new folder `folder`, in a form that is no release folder.

    Raises:
        BundleError: it cannot be written.
    """
    table = release.table
    described = {"spread_seed": table.spread_seed, "provenance": dict(table.provenance)}
    try:
        folder.mkdir(parents=True, mode=0o700)
        np.savez_compressed(folder / _CODES, codes=table.codes)
        (folder / _TABLE).write_text(json.dumps(described, indent=1), encoding="utf-8")
        (folder / layout.SCHEMA).write_text(table.schema.to_yaml(), encoding="utf-8")
        (folder / layout.CERTIFICATE).write_bytes(release.certificate.to_json())
        (folder / layout.LEDGER).write_bytes(b"".join(rfc8785.dumps(line) + b"\n" for line in release.ledger_extract))
    except OSError as fault:
        raise BundleError(f"the withheld release cannot be kept in {folder}: {fault.strerror or fault}") from fault


def read_withheld(folder: Path) -> WithheldRelease:
    """Return the release that `withhold` kept in `folder`.

    Raises:
        BundleError: there is none, or it is damaged.
    """
    try:
        schema = Schema.from_yaml(folder / layout.SCHEMA)
        described = json.loads((folder / _TABLE).read_text(encoding="utf-8"))
        with np.load(folder / _CODES, allow_pickle=False) as kept:
            codes = kept["codes"]
        certificate = Certificate.from_json((folder / layout.CERTIFICATE).read_bytes())
        lines = (folder / layout.LEDGER).read_text(encoding="utf-8").splitlines()
        return WithheldRelease(
            table=SyntheticTable(
                schema=schema,
                codes=codes,
                spread_seed=int(described["spread_seed"]),
                provenance=described["provenance"],
            ),
            certificate=certificate,
            ledger_extract=tuple(json.loads(line) for line in lines),
        )
    except (OSError, ValueError, KeyError, TypeError, SchemaError) as fault:
        raise BundleError(f"{folder} holds no withheld release, or a damaged one") from fault
