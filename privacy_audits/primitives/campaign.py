"""Draws from every primitive, compares with its exact law, and tries doubles that must be caught."""

from __future__ import annotations

import argparse
import math
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dpsynth.auditing.audit_record import CAMPAIGN_SIGNIFICANCE
from privacy_audits.primitives.sampler_tests import counted, problems, sequential, shape_p, spread, timing
from privacy_audits.primitives.samplers import Sampler, doubles, honest
from privacy_audits.recorded_result import read_counts, recorded
from privacy_audits.tried_twin import TriedTwin, found_in, slipped

FOLDER = Path(__file__).parent
EACH = CAMPAIGN_SIGNIFICANCE / (2 * len(honest()))
"""Counts and the sequential test of each primitive."""
DRAWS, SMOKE_DRAWS = 100_000_000, 50_000
DUE = {
    "noise halved": "noise is",
    "nine tenths of the noise": "noise is",
    "xor in a noise scale": "noise is",
    "Laplace noise of floating-point numbers": "no whole numbers",
    "Laplace noise of another scale": "noise is",
    "coins with 1.05 of their probability": "the shape is another",
    "a choice with twice its epsilon": "the shape is another",
}
"""Of each double: words of what must be found."""


def everything(draws: int) -> dict[str, Any]:
    """Return all counts of the campaign; primitives that cost more are drawn from less."""
    rng = np.random.default_rng()
    found = []
    for sampler in honest():
        verdict, pairs = sequential(sampler, significance=EACH, rng=rng)
        counts = counted(sampler, max(draws // sampler.cost, 3_000), rng=rng)
        found.append(
            {**counts, "sequential": verdict, "pairs": pairs, "timing": timing(sampler, min(3000, draws // 500))}
        )
    caught = []
    for name, sampler in doubles():
        verdict, pairs = sequential(sampler, significance=EACH, rng=rng)
        seen = counted(sampler, 60_000 if sampler.cost < 100 else 6_000, rng=rng)
        caught.append({"name": name, "counts": seen, "sequential": verdict, "pairs": pairs})
    return {"primitives": found, "doubles": caught}


def tried(counts: dict[str, Any]) -> list[TriedTwin]:
    """Return what follows from the draws of each double; nothing from one that was not drawn from."""
    drawn = {double["name"]: double for double in counts["doubles"]}
    return [
        TriedTwin(name, (DUE[name],), found_in(drawn[name], partial(_judged, sampler)) if name in drawn else ())
        for name, sampler in doubles()
    ]


def _judged(sampler: Sampler, counts: dict[str, Any]) -> tuple[str, ...]:
    return problems(sampler, counts, EACH)


def summary() -> str:
    """Return the text of summary.md, from the recorded counts alone."""
    counts = read_counts(FOLDER, "primitives")
    if counts is None:
        return "# Primitives: summary\n\nNothing is recorded.\n"
    lines = [
        "# Primitives: summary",
        "",
        "Made from `results/` by `python -m privacy_audits.primitives.campaign --summary`.",
        "",
        "Noise is the standard deviation of the draws over that of the exact law. What 1,000 draws of that law show",
        "lies, 95 times in 100, in the interval beside them, which its own fourth moment gives: 4.4 % either way for",
        "Gaussian noise, and more for laws with longer tails. None of these nine numbers decides anything: all draws",
        "together do.",
        "",
        "| primitive | draws in each world | noise | of the first 1,000 | 95 % of such | shape, p | right order "
        "| allowed | stops after | time against size, 95 % | verdict |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    timed = []
    for sampler, found in zip(honest(), counts["primitives"], strict=True):
        draws, took = found["draws"], found["timing"]
        ratio, early = (
            math.sqrt(found[key] / n / sampler.variance) for key, n in (("squares", draws), ("first_squares", 1000))
        )
        bad = problems(sampler, found, EACH) or found["sequential"] == "refuted"
        timed += [sampler.name] if took["low"] > 0 or took["high"] < 0 else []
        low, high = spread(sampler, 1000)
        lines.append(
            f"| {sampler.name} | {draws:,} | {ratio:.5f} | {early:.3f} | {low:.3f} to {high:.3f} "
            f"| {shape_p(sampler, found):.3f} "
            f"| {found['right'] / draws:.5f} | {sampler.order:.5f} | {found['pairs']:,} "
            f"| {took['low']:.3f} to {took['high']:.3f} | {'**refuted**' if bad else 'holds'} |"
        )
    lines += [
        "",
        f"By intervals that each miss once in twenty times, time goes with size for: {', '.join(timed) or 'none'}.",
        "A correlation of r explains r squared of how times differ, at .05 a quarter of a percent. Who can time single",
        "draws of the curator may learn that much of noise, and that is outside of the claim.",
        "",
        "| known-bad twin | caught by | sequential test |",
        "|---|---|---|",
    ]
    later = {double["name"]: f"{double['sequential']} after {double['pairs']:,}" for double in counts["doubles"]}
    for twin in tried(counts):
        seen = "; ".join(twin.found) if twin.caught else "**not by what is due**"
        lines.append(f"| {twin.name} | {seen} | {later.get(twin.name, 'not tried')} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Do what the command line asks for; the exit code is 1 where something honest fails or a twin passes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help=f"{SMOKE_DRAWS:,} draws; nothing is recorded")
    parser.add_argument("--summary", action="store_true", help="rewrite summary.md from the recorded results")
    parser.add_argument("--draws", type=int, default=DRAWS, help="of each primitive that draws from a table")
    given = parser.parse_args()
    if given.smoke:
        sys.exit(1 if _said(everything(SMOKE_DRAWS)) else 0)
    if not given.summary:
        with recorded(FOLDER, "primitives") as counts:
            counts.update(everything(given.draws))
    (FOLDER / "summary.md").write_text(summary(), encoding="utf-8")
    sys.exit(1 if _said(read_counts(FOLDER, "primitives") or {"primitives": [], "doubles": []}) else 0)


def _said(counts: dict[str, Any]) -> bool:
    """Say what failed, and return whether something did."""
    broken = refuted(counts)
    missed = slipped(tried(counts))
    sys.stdout.write(f"refuted: {', '.join(broken) or 'none'}; not caught: {', '.join(missed) or 'none'}\n")
    return bool(broken or missed)


def refuted(counts: dict[str, Any]) -> list[str]:
    """Return the names of the primitives whose counts refute their law."""
    return [
        found["name"]
        for sampler, found in zip(honest(), counts["primitives"], strict=False)
        if problems(sampler, found, EACH) or found["sequential"] == "refuted"
    ]


if __name__ == "__main__":
    main()
