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
from typing import Any

from dpsynth.auditing.audit_record import AuditRecord
from dpsynth.certification.implementation_audits import AuditResult
from privacy_audits.one_run.campaign import EACH
from privacy_audits.one_run.pipeline import OneRun
from privacy_audits.primitives.campaign import refuted
from privacy_audits.worst_case_game.campaign import problems as judged

FOLDER = Path(__file__).parent
REGISTER = Path(str(resources.files("dpsynth.certification").joinpath("implementation_audits.json")))
_LAYERS = {"L1": "noise", "L2": "game"}


def lines() -> Iterator[AuditResult]:
    """Return the lines that the recorded results make, campaign by campaign."""
    yield from _replayed()
    yield from _played()
    yield from _drawn()
    yield from _run_once()


def _replayed() -> Iterator[AuditResult]:
    """Return a line of L0 for every generator of the registry that was replayed."""
    content = _recorded("replay")
    if content is None:
        return
    for name in content.get("generators", {}):
        subject = content["counts"]["subjects"].get(name)
        if subject is None:
            continue
        honest = not subject["differences"] and all(moved <= 1 for moved in subject["furthest"].values())
        yield _line(content, "replay", name, "L0", honest=honest)


def _played() -> Iterator[AuditResult]:
    """Return the lines of the worst-case game: its noise is L1, its games are L2."""
    for file in sorted((FOLDER / "worst_case_game" / "results").glob("*.json")):
        content = json.loads(file.read_text(encoding="utf-8"))
        if "counts" not in content:
            continue
        record = AuditRecord.from_json(content["counts"])
        for layer, about in _LAYERS.items():
            problems = [problem for problem in judged(record) if ("noise" in problem) == (about == "noise")]
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


def _drawn() -> Iterator[AuditResult]:
    """Return the line of L3: primitives belong to every generator."""
    content = _recorded("primitives")
    if content is None:
        return
    yield _line(content, "primitives", "all", "L3", honest=not refuted(content["counts"]))


def _run_once() -> Iterator[AuditResult]:
    """Return a line of L4 for every generator that was run once."""
    content = _recorded("one_run")
    if content is None:
        return
    runs = [OneRun(**plain) for plain in content["counts"]["runs"]]
    for name in dict.fromkeys(run.generator for run in runs):
        honest = not any(run.problems(EACH) for run in runs if run.generator == name)
        yield _line(content, "one_run", name, "L4", honest=honest)


def _recorded(campaign: str) -> dict[str, Any] | None:
    file = FOLDER / campaign / "results" / f"{campaign}.json"
    content: dict[str, Any] | None = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    return content


def _line(content: dict[str, Any], campaign: str, name: str, layer: str, *, honest: bool) -> AuditResult:
    return AuditResult(
        id=f"{campaign.replace('_', '-')}-{name}-{content['commit'][:12]}",
        campaign=campaign,
        generator=name,
        layer=layer,
        software_version=content["version"],
        source_sha256=content["generators"][name],
        result="PASS" if honest else "FAIL",
        date=content["date"],
        file=f"{campaign}/results/{campaign}.json",
    )


def text() -> str:
    """Return the register as JSON."""
    return json.dumps({"format": 1, "results": [asdict(line) for line in lines()]}, indent=2) + "\n"


if __name__ == "__main__":
    REGISTER.write_text(text(), encoding="utf-8")
