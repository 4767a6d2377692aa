"""Replays everything that answers from rows on neighbors, and twins that must be caught."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from privacy_audits.recorded_result import read_counts, recorded
from privacy_audits.replay.known_bad import Twin, twins
from privacy_audits.replay.replay import Run, replayed
from privacy_audits.replay.scenes import PEOPLE, ROWS, Scene, known_scenes, scenes
from privacy_audits.replay.subjects import subjects
from privacy_audits.tried_twin import TriedTwin, slipped

FOLDER = Path(__file__).parent
DRAWN, SMOKE_DRAWN = 40, 2


def drawn_scenes(count: int) -> list[Scene]:
    """Return so many scenes that Hypothesis draws."""
    found: list[Scene] = []

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(scenes())
    def collect(scene: Scene) -> None:
        found.append(scene)

    collect()
    return found[:count]


def audited(run: Run, tried: Sequence[Scene]) -> dict[str, Any]:
    """Return what replays of one subject count."""
    counts: dict[str, Any] = {"replays": 0, "queries": 0, "differences": []}
    furthest = {"l1": 0.0, "squared_l2": 0.0, "linf": 0.0}
    for scene, found in replayed(run, tried):
        counts["replays"] += 1
        counts["queries"] += found.queries
        counts["differences"] += [f"{scene.name}: {difference}" for difference in found.differences]
        furthest = {norm: max(furthest[norm], ratio) for norm, ratio in asdict(found.moved).items()}
    return {**counts, "furthest": {norm: round(ratio, 9) for norm, ratio in furthest.items()}}


def tried_now(twin: Twin) -> TriedTwin:
    """Return what the replay finds in a twin."""
    with twin.damage():
        ((_, found),) = replayed(twin.run, [twin.scene])
    return TriedTwin(twin.name, (twin.due,), found.differences)


def tried(counts: dict[str, Any]) -> list[TriedTwin]:
    """Return what was found in each twin; nothing in one that was not tried."""
    found = {twin["name"]: tuple(twin["found"]) for twin in counts["twins"]}
    return [TriedTwin(twin.name, (twin.due,), found.get(twin.name, ())) for twin in twins()]


def summary() -> str:
    """Return the text of summary.md, from the recorded counts alone."""
    counts = read_counts(FOLDER, "replay")
    if counts is None:
        return "# Replay: summary\n\nNothing is recorded.\n"
    lines = [
        "# Replay: summary",
        "",
        "Made from `results/` by `python -m privacy_audits.replay.campaign --summary`. *Furthest* is the largest",
        "movement of a query between neighbors over what was declared; 1 is as declared, and above is a violation.",
        "",
        "| what | replays | queries compared | furthest, L1 | squared L2 | largest entry | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in counts["subjects"].items():
        moved = " | ".join(f"{found['furthest'][norm]:.4g}" for norm in ("l1", "squared_l2", "linf"))
        verdict = "**refuted**" if found["differences"] else "holds"
        lines.append(f"| `{name}` | {found['replays']:,} | {found['queries']:,} | {moved} | {verdict} |")
    lines += ["", "| known-bad twin | as in | caught by |", "|---|---|---|"]
    like = {twin.name: twin.like for twin in twins()}
    lines += [
        f"| {twin.name} | {like[twin.name]} | {'; '.join(twin.reasons).split(' of (')[0] or '**not by what is due**'} |"
        for twin in tried(counts)
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Do what the command line asks for; the exit code is 1 where something honest differs or a twin passes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="few drawn neighbors; nothing is recorded")
    parser.add_argument("--summary", action="store_true", help="rewrite summary.md from the recorded results")
    given_ = parser.parse_args()
    if not given_.summary:
        counts = _played(SMOKE_DRAWN if given_.smoke else DRAWN, write=not given_.smoke)
        broken = [name for name, found in counts["subjects"].items() if found["differences"]]
        missed = slipped(tried(counts))
        sys.stdout.write(f"differ: {', '.join(broken) or 'none'}; not caught: {', '.join(missed) or 'none'}\n")
        if given_.smoke or broken or missed:
            sys.exit(1 if broken or missed else 0)
    (FOLDER / "summary.md").write_text(summary(), encoding="utf-8")


def _played(count: int, *, write: bool) -> dict[str, Any]:
    known = [scene for schema in (ROWS, PEOPLE) for scene in known_scenes(schema)]
    if not write:
        return _counted(known, count)
    with recorded(FOLDER, "replay") as counts:
        counts.update(_counted(known, count))
    return counts


def _counted(known: Sequence[Scene], count: int) -> dict[str, Any]:
    found = {name: audited(run, [*known, *drawn_scenes(count)]) for name, run in subjects().items()}
    bad = [{"name": twin.name, "like": twin.like, "found": list(tried_now(twin).found)} for twin in twins()]
    return {"subjects": found, "twins": bad}


if __name__ == "__main__":
    main()
