"""Writes the register of audits that the package ships, from the recorded results: `python -m privacy_audits.register`.

A certificate cites lines of the register whose version and source digest are those that run. So a result counts until
the code that a fit can run changes, and stays in the record after that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from importlib import resources
from pathlib import Path

from dpsynth.auditing.audit_record import AuditRecord
from dpsynth.certification.implementation_audits import AuditResult

FOLDER = Path(__file__).parent
REGISTER = Path(str(resources.files("dpsynth.certification").joinpath("implementation_audits.json")))
_LAYERS = {"L1": "noise", "L2": "game"}


def lines() -> Iterator[AuditResult]:
    """Return the lines that the recorded results make, campaign by campaign."""
    yield from _replayed()
    yield from _played()


def _replayed() -> Iterator[AuditResult]:
    """Return a line of L0 for every generator of the registry that was replayed."""
    file = FOLDER / "replay" / "results" / "replay.json"
    if not file.exists():
        return
    content = json.loads(file.read_text(encoding="utf-8"))
    for name, digest in content.get("generators", {}).items():
        subject = content["counts"]["subjects"].get(name)
        if subject is None:
            continue
        honest = not subject["differences"] and all(moved <= 1 for moved in subject["furthest"].values())
        yield AuditResult(
            id=f"replay-{name}-{content['commit'][:12]}",
            campaign="replay",
            generator=name,
            layer="L0",
            software_version=content["version"],
            source_sha256=digest,
            result="PASS" if honest else "FAIL",
            date=content["date"],
            file="replay/results/replay.json",
        )


def _played() -> Iterator[AuditResult]:
    """Return the lines of the worst-case game: its noise is L1, its games are L2."""
    for file in sorted((FOLDER / "worst_case_game" / "results").glob("*.json")):
        content = json.loads(file.read_text(encoding="utf-8"))
        if "counts" not in content:
            continue
        record = AuditRecord.from_json(content["counts"])
        for layer, about in _LAYERS.items():
            problems = [problem for problem in record.problems if ("noise" in problem) == (about == "noise")]
            yield AuditResult(
                id=f"{record.audit_id}-{layer}",
                campaign="worst_case_game",
                generator=record.generator,
                layer=layer,
                software_version=content["version"],
                source_sha256=record.source_sha256,
                result="FAIL" if problems else "PASS",
                date=record.date,
                file=f"worst_case_game/results/{file.name}",
            )


def text() -> str:
    """Return the register as JSON."""
    return json.dumps({"format": 1, "results": [asdict(line) for line in lines()]}, indent=2) + "\n"


if __name__ == "__main__":
    REGISTER.write_text(text(), encoding="utf-8")
