"""Writes the register of audits that the package ships, from the recorded results: `python -m privacy_audits.register`.

A certificate cites lines of the register whose version and source digest are those that run. So a result counts until
the code that a fit can run changes, and stays in the record after that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata, resources
from pathlib import Path

from dpsynth.auditing.audit_record import AuditRecord
from dpsynth.certification.implementation_audits import AuditResult

FOLDER = Path(__file__).parent
REGISTER = Path(str(resources.files("dpsynth.certification").joinpath("implementation_audits.json")))
_LAYERS = {"L1": "noise", "L2": "game"}


def version() -> str:
    """Return the version of the package as its project file says, installed or not."""
    try:
        return metadata.version("dpsynth")
    except metadata.PackageNotFoundError:
        import tomllib

        project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["version"])


def lines() -> Iterator[AuditResult]:
    """Return the lines that the recorded results of the worst-case game make: its noise is L1, its games are L2."""
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
