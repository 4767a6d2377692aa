"""Trains with and without a crafted unit, checks the books of votes, and tries twins that must be caught."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from dpsynth.accounting.events import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
from dpsynth.accounting.pld import PldAccountant
from dpsynth.auditing.audit_record import CAMPAIGN_SIGNIFICANCE
from dpsynth.curator.gradient_queries import TrainingPlan
from privacy_audits.gradient_canary.canary import EVENT_DELTA, UNITS, CanaryCounts, canary_game
from privacy_audits.gradient_canary.known_bad import DUE, TWINS, TWINS_OF_VOTES
from privacy_audits.gradient_canary.votes import VoteCounts, vote_books
from privacy_audits.recorded_result import read_counts, recorded
from privacy_audits.tried_twin import TriedTwin, found_in, slipped

FOLDER = Path(__file__).parent
EACH = CAMPAIGN_SIGNIFICANCE / 3
"""Of the campaign's false alarms: two trainings and the votes."""
DELTA = 1e-5
BAR = 0.9


def plans() -> tuple[tuple[TrainingPlan, int], ...]:
    """Return the trainings and how often each is run in either world: every unit in every batch, and half of them."""
    common: dict[str, Any] = {"clipping_norm": 1.0, "public_units": UNITS, "delta": EVENT_DELTA}
    return (
        (TrainingPlan(noise_multiplier=1.0, sampling_probability=1.0, steps=100, **common), 200),
        (TrainingPlan(noise_multiplier=0.5, sampling_probability=0.5, steps=50, **common), 400),
    )


def epsilon_of(counts: CanaryCounts, steps: int, mu: float) -> float:
    """Return epsilon of a whole training whose steps have `mu` when the unit takes part, at delta 1e-5."""
    accountant = PldAccountant()
    step = PoissonSampledDpEvent(counts.sampling_probability, GaussianDpEvent(1 / mu))
    accountant.compose(SelfComposedDpEvent(step, steps))
    return float(accountant.get_epsilon(DELTA))


def twins_counted(runs: int) -> list[dict[str, Any]]:
    """Return what is counted in each twin."""
    plan = plans()[1][0]
    found = []
    for name, damage in TWINS:
        with damage():
            found.append({"name": name, "counts": canary_game(plan, runs, rng=np.random.default_rng()).counts()})
    for name, damage in TWINS_OF_VOTES:
        with damage():
            found.append({"name": name, "counts": asdict(vote_books(1))})
    return found


def tried(counts: dict[str, Any]) -> tuple[list[TriedTwin], list[TriedTwin]]:
    """Return what follows from what was counted in each twin of trainings and of votes; nothing from one not tried."""
    found = {twin["name"]: twin for twin in counts["twins"]}

    def judged(names: Iterable[str], judge: Callable[[Any], tuple[str, ...]]) -> list[TriedTwin]:
        return [TriedTwin(name, (DUE[name],), found_in(found[name], judge) if name in found else ()) for name in names]

    return (
        judged((name for name, _ in TWINS), lambda plain: CanaryCounts.from_counts(plain).problems(EACH)),
        judged((name for name, _ in TWINS_OF_VOTES), lambda plain: VoteCounts.from_counts(plain).problems(EACH)),
    )


def refuted(counts: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return what refutes the claims of trainings and of votes, in sentences."""
    trained = [problem for plain in counts["trainings"] for problem in CanaryCounts.from_counts(plain).problems(EACH)]
    return trained, [*VoteCounts.from_counts(counts["votes"]).problems(EACH)]


def counted(share: int, twin_runs: int) -> dict[str, Any]:
    """Return everything that the campaign counts, each training run one `share`-th of its times."""
    trainings = [
        canary_game(plan, max(runs // share, 2), rng=np.random.default_rng()).counts() for plan, runs in plans()
    ]
    return {
        "trainings": trainings,
        "votes": asdict(vote_books(3 if share > 1 else 20)),
        "twins": twins_counted(twin_runs),
    }


def summary() -> str:
    """Return the text of summary.md, from the recorded counts alone."""
    counts = read_counts(FOLDER, "gradient_canary")
    if counts is None:
        return "# Gradient canary: summary\n\nNothing is recorded.\n"
    lines = [
        "# Gradient canary: summary",
        "",
        "Made from `results/` by `python -m privacy_audits.gradient_canary.campaign --summary`. Bounds are one-sided,",
        "95 %; epsilon is that of the whole training at delta 1e-5.",
        "",
        "| noise multiplier | sampling | steps in each world | claimed mu | shown | share | claimed epsilon | shown "
        "| noise | participations | canary, in clipping norms | verdict |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (plan, _), plain in zip(plans(), counts["trainings"], strict=True):
        found = CanaryCounts.from_counts(plain)
        shown, claimed = found.mu_lower(), found.claimed_mu
        verdict = "**refuted**" if found.problems(EACH) else "holds" if shown >= BAR * claimed else "holds, not tight"
        taken = f"{found.participations / found.units:.3f}" if found.sampling_probability < 1 else "all"
        lines.append(
            f"| {found.noise_multiplier} | {found.sampling_probability} | {found.steps:,} | {claimed:.3f} "
            f"| {shown:.3f} | {shown / claimed:.0%} | {epsilon_of(found, plan.steps, claimed):.2f} "
            f"| {epsilon_of(found, plan.steps, shown):.2f} | {found.noise.ratio:.4f} | {taken} "
            f"| {found.longest / 2**26:.8f} | {verdict} |"
        )
    votes = VoteCounts.from_counts(counts["votes"])
    lines += [
        "",
        f"Votes: {votes.fits} fits of `pategan`, {votes.labels:,} noisy votes, noise {votes.noise.ratio:.4f} of what",
        f"is declared. Squared mu computed from what left the gate, in fractions, differs from the charge by at most "
        f"{votes.furthest_from_charge:.1e}",
        "(each answer is rounded up by at most 1e-12); epsilon by moments is"
        f" {votes.largest_moment:.9f} of the accountant's."
        f" Verdict: {'**refuted**' if votes.problems(EACH) else 'holds'}.",
        "",
        "| known-bad twin | caught by |",
        "|---|---|",
        *(
            f"| {twin.name} | {'; '.join(twin.reasons) or '**not by what is due**'} |"
            for some in tried(counts)
            for twin in some
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Do what the command line asks for; the exit code is 1 where something honest fails or a twin passes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="an eightieth of the runs; nothing is recorded")
    parser.add_argument("--summary", action="store_true", help="rewrite summary.md from the recorded results")
    given = parser.parse_args()
    if given.smoke:
        sys.exit(1 if _said(counted(80, 6)) else 0)
    if not given.summary:
        with recorded(FOLDER, "gradient_canary") as counts:
            counts.update(counted(1, 6))
    (FOLDER / "summary.md").write_text(summary(), encoding="utf-8")
    sys.exit(1 if _said(read_counts(FOLDER, "gradient_canary") or {}) else 0)


def _said(counts: dict[str, Any]) -> bool:
    """Say what failed, and return whether something did."""
    if not counts:
        sys.stdout.write("nothing is recorded\n")
        return True
    broken = [problem for some in refuted(counts) for problem in some]
    missed = [name for some in tried(counts) for name in slipped(some)]
    sys.stdout.write(f"refuted: {'; '.join(broken) or 'nothing'}; not caught: {', '.join(missed) or 'none'}\n")
    return bool(broken or missed)


if __name__ == "__main__":
    main()
