"""Writes the register of audits that the package ships, from the recorded results: `python -m privacy_audits.register`.

A certificate cites lines of the register whose version and source digest are those that run. So a result counts until
the code that a fit can run changes, and stays in the record after that.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from importlib import resources
from pathlib import Path
from typing import Any

from dpsynth.auditing.audit_record import AuditRecord
from dpsynth.certification.implementation_audits import AuditResult, read_register, source_digest
from dpsynth.generators.registry import GENERATORS
from privacy_audits.gradient_canary import campaign as gradient_canary
from privacy_audits.one_run import campaign as one_run
from privacy_audits.one_run.pipeline import OneRun
from privacy_audits.package_version import version
from privacy_audits.primitives import campaign as primitives
from privacy_audits.replay import campaign as replay
from privacy_audits.tried_twin import slipped
from privacy_audits.worst_case_game import campaign as worst_case_game

FOLDER = Path(__file__).parent
REGISTER = Path(str(resources.files("dpsynth.certification").joinpath("implementation_audits.json")))


def lines() -> Iterator[AuditResult]:
    """Return the lines that the recorded results make, campaign by campaign.

    A line passes if nothing refutes what it is about, and if every known-bad twin of its campaign was caught for the
    reason that is due: a campaign that lets one slip through proves nothing about anybody.
    """
    yield from _replayed()
    yield from _played()
    yield from _drawn()
    yield from _trained()
    yield from _run_once()


def _replayed() -> Iterator[AuditResult]:
    """Return a line of L0 for every generator of the registry that was replayed."""
    content = _recorded("replay")
    if content is None:
        return
    caught = not slipped(replay.tried(content["counts"]))
    for name in content.get("generators", {}):
        subject = content["counts"]["subjects"].get(name)
        if subject is None:
            continue
        honest = not subject["differences"] and all(moved <= 1 for moved in subject["furthest"].values())
        yield _line(content, "replay", name, "L0", honest=honest and caught)


def _played() -> Iterator[AuditResult]:
    """Return the lines of the worst-case game: its noise is L1, its games are L2."""
    caught = not slipped(worst_case_game.tried())
    for name in worst_case_game.PLAYED:
        content = _recorded("worst_case_game", name)
        if content is None:
            continue
        record = AuditRecord.from_json(content["counts"])
        found = worst_case_game.problems(record)
        for layer in ("L1", "L2"):
            honest = not any(("noise" in problem) == (layer == "L1") for problem in found)
            yield AuditResult(
                id=f"{record.audit_id}-{layer}",
                campaign="worst_case_game",
                generator=record.generator,
                layer=layer,
                software_version=content["version"],
                source_sha256=record.source_sha256,
                result="PASS" if honest and caught else "FAIL",
                date=record.date,
                file=f"worst_case_game/results/{name}.json",
            )


def _drawn() -> Iterator[AuditResult]:
    """Return the line of L3: primitives belong to every generator."""
    content = _recorded("primitives")
    if content is None:
        return
    honest = not primitives.refuted(content["counts"]) and not slipped(primitives.tried(content["counts"]))
    yield _line(content, "primitives", "all", "L3", honest=honest)


def _trained() -> Iterator[AuditResult]:
    """Return the lines of the gradient canary, of noise and of games, for what trains on gradients or on votes."""
    content = _recorded("gradient_canary")
    if content is None:
        return
    found, twins = gradient_canary.refuted(content["counts"]), gradient_canary.tried(content["counts"])
    for access, broken, tried in zip(("GradientQueries", "VoteQueries"), found, twins, strict=True):
        for name in (entry.name for entry in GENERATORS if access in entry.access):
            for layer in ("L1", "L2"):
                line = _line(content, "gradient_canary", name, layer, honest=not broken and not slipped(tried))
                yield replace(line, id=f"{line.id}-{layer}")


def _run_once() -> Iterator[AuditResult]:
    """Return a line of L4 for every generator that was run once."""
    content = _recorded("one_run")
    if content is None:
        return
    runs = [OneRun(**plain) for plain in content["counts"]["runs"]]
    caught = not slipped(one_run.tried(content["counts"]))
    for name in dict.fromkeys(run.generator for run in runs):
        honest = not any(run.problems(one_run.EACH) for run in runs if run.generator == name)
        yield _line(content, "one_run", name, "L4", honest=honest and caught)


def _recorded(campaign: str, name: str = "") -> dict[str, Any] | None:
    file = FOLDER / campaign / "results" / f"{name or campaign}.json"
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


def due() -> tuple[tuple[str, str, str], ...]:
    """Return campaign, generator and layer of every line that a release should have."""
    trained = [entry.name for entry in GENERATORS if entry.access != "MarginalQueries"]
    return (
        *(("replay", entry.name, "L0") for entry in GENERATORS),
        *(("worst_case_game", name, layer) for name in worst_case_game.PLAYED for layer in ("L1", "L2")),
        ("primitives", "all", "L3"),
        *(("gradient_canary", name, layer) for name in trained for layer in ("L1", "L2")),
        *(("one_run", name, "L4") for name in one_run.AUDITED),
    )


def stale(shipped: Sequence[AuditResult]) -> list[str]:
    """Return which lines are to be made anew before a release, in sentences.

    A line is stale if a fit of its generator runs other code than it did then; no certificate cites it any more.
    """
    there = {(line.campaign, line.generator, line.layer): line for line in shipped}
    found = []
    for campaign, name, layer in due():
        line = there.get((campaign, name, layer))
        what = f"{campaign}, {name}, {layer}"
        if line is None:
            found.append(f"{what}: nothing is recorded")
        elif line.result != "PASS":
            found.append(f"{what}: {line.id} has failed")
        elif not _of_now(line):
            then, now = line.source_sha256[:12], source_digest(name)[:12]
            found.append(f"{what}: {line.id} is of {line.software_version}, {then}; what runs is {version()}, {now}")
    return found


def _of_now(line: AuditResult) -> bool:
    return (line.software_version, line.source_sha256) == (version(), source_digest(line.generator))


def main() -> None:
    """Write the register, or say which of its lines are stale; the exit code is then 1 if one is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; name stale lines, before a release")
    if not parser.parse_args().check:
        REGISTER.write_text(text(), encoding="utf-8")
        return
    found = stale(read_register(REGISTER.read_text(encoding="utf-8")))
    sys.stdout.write("".join(f"{sentence}\n" for sentence in found) or "every line is of what runs, and has passed\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
