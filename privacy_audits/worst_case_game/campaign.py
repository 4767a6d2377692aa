"""Plays the worst-case game with every generator, and with twins that must be caught."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dpsynth.auditing.audit_record import AuditRecord
from dpsynth.auditing.generator_audit import SMOKE_RUNS, audit_generator, due_pairs, due_runs
from dpsynth.generators.registry import GENERATORS, generator
from privacy_audits.recorded_result import read_counts, recorded
from privacy_audits.tried_twin import TriedTwin, slipped
from privacy_audits.worst_case_game.known_bad import CLAIM, OF_MARGINALS, WHITE_BOX, Twin, twins

FOLDER = Path(__file__).parent
PLAYED = tuple(entry.name for entry in GENERATORS if entry.name != "auto")
"""`auto` is one of the others."""

WHITE_BOX_BAR, BLACK_BOX_BAR = 0.85, 0.75

_INSTALMENT = 2_500
"""Fits in each world that are recorded together; the black-box statistic learns anew from the first of each."""

_SLOW = ("mixture",)


def problems(record: AuditRecord) -> tuple[str, ...]:
    """Return what refutes a claim where all generators share the false alarms of the campaign."""
    return record.problems_among(len(PLAYED))


def audit(name: str, runs: int) -> AuditRecord:
    """Return what the games of one generator count: all runs in the first pair of worlds, a tenth in the others."""
    first, *others = due_pairs()
    rng = np.random.default_rng()
    tight = audit_generator(generator(name), CLAIM, runs=runs, rng=rng, pairs=(first,))
    wide = audit_generator(generator(name), CLAIM, runs=max(runs // 10, 20), rng=rng, pairs=tuple(others))
    return AuditRecord(
        tight.generator,
        tight.epsilon,
        tight.delta,
        (*tight.games, *wide.games),
        tight.software,
        tight.source_sha256,
        tight.date,
    )


def records() -> Iterator[AuditRecord]:
    """Return the recorded audits, in the order of the registry."""
    for name in PLAYED:
        counts = read_counts(FOLDER, name)
        if counts is not None:
            yield AuditRecord.from_json(counts)


def tried() -> list[TriedTwin]:
    """Return what is found in each twin, from the recorded counts; nothing in one that was not tried."""
    counts = {twin.name: read_counts(FOLDER, _place(twin)) for twin in twins()}
    found = {name: problems(AuditRecord.from_json(plain)) for name, plain in counts.items() if plain is not None}
    return [TriedTwin(twin.name, twin.due, found.get(twin.name, ())) for twin in twins()]


def summary() -> str:
    """Return the text of summary.md, from the recorded counts alone."""
    lines = [
        "# Worst-case game: summary",
        "",
        "Made from `results/` by `python -m privacy_audits.worst_case_game.campaign --summary`. Bounds are one-sided,",
        "95 %.",
        "",
        "| generator | worlds | fits each | claimed mu | white box | share | black box | share | noise | verdict |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for record in records():
        for place, game in enumerate(record.games):
            white, black = game.white_box.mu_lower(), game.black_box.mu_lower()
            tight = white >= WHITE_BOX_BAR * record.claimed_mu and black >= BLACK_BOX_BAR * record.claimed_mu
            due = place == 0 and record.generator in OF_MARGINALS
            verdict = "**refuted**" if problems(record) else "holds, not tight" if due and not tight else "holds"
            lines.append(
                f"| `{record.generator}` | {'ab'[place]} | {game.runs:,} | {record.claimed_mu:.3f} "
                f"| {white:.3f} | {white / record.claimed_mu:.0%} | {black:.3f} | {black / record.claimed_mu:.0%} "
                f"| {game.noise.ratio:.4f} | {verdict} |"
            )
    lines += ["", "| known-bad twin | fits each | caught by |", "|---|---|---|"]
    for twin, after in zip(twins(), tried(), strict=True):
        plain = read_counts(FOLDER, _place(twin))
        fits = AuditRecord.from_json(plain).games[0].runs if plain is not None else 0
        said = "; ".join(reason.partition(": ")[2] for reason in after.reasons) or "**not by what is due**"
        lines.append(f"| {twin.name} | {fits} | {said} |")
    return "\n".join(lines) + "\n"


def run_campaign(names: list[str], runs: int | None) -> None:
    """Record what is not recorded yet, generator by generator, in instalments that an interruption does not lose."""
    for name in names:
        while (left := (runs or due_runs(name)) - _runs_recorded(name)) > 0:
            before = read_counts(FOLDER, name)
            with recorded(FOLDER, name) as counts:
                record = audit(name, min(left, _INSTALMENT))
                together = record if before is None else AuditRecord.from_json(before).with_more(record)
                counts.update(together.counts())
            said = "; ".join(problems(together)) or "nothing refutes the claim"
            sys.stdout.write(f"{name}: {_runs_recorded(name)} fits in each world; {said}\n")
            sys.stdout.flush()
    (FOLDER / "summary.md").write_text(summary(), encoding="utf-8")


def _runs_recorded(name: str) -> int:
    counts = read_counts(FOLDER, name)
    return 0 if counts is None else AuditRecord.from_json(counts).games[0].runs


def run_twins() -> None:
    """Try every twin that is not recorded yet."""
    for twin in twins():
        if not (FOLDER / "results" / f"{_place(twin)}.json").exists():
            with recorded(FOLDER, _place(twin)) as counts:
                counts.update(twin.audit(_runs_of(twin)).counts())
    (FOLDER / "summary.md").write_text(summary(), encoding="utf-8")


def _place(twin: Twin) -> str:
    return f"known_bad/{twin.name.replace(' ', '_')}"


def _runs_of(twin: Twin) -> int:
    """Return how often a twin is fitted: most often where nothing but the white box is due to find it."""
    return SMOKE_RUNS if twin.due == (WHITE_BOX,) and twin.generator not in _SLOW else SMOKE_RUNS // 2


def smoke(names: list[str]) -> bool:
    """Say what a quick run finds, and return whether all is as it should be; nothing is recorded.

    `mixture`, whose fits take ten times as long, is fitted a tenth as often, and its twin is left to the record.
    """
    broken = []
    for name in names:
        runs = due_runs(name, smoke=True) // (10 if name in _SLOW else 1)
        record = audit_generator(generator(name), CLAIM, runs=runs, rng=np.random.default_rng(), pairs=due_pairs()[:1])
        broken += [name] if problems(record) else []
    quick = [twin for twin in twins() if twin.generator in names and twin.generator not in _SLOW]
    # Each as an audit of one generator would judge it: nothing honest is at stake.
    missed = slipped(TriedTwin(twin.name, twin.due, twin.audit(_runs_of(twin)).problems) for twin in quick)
    sys.stdout.write(f"refuted: {', '.join(broken) or 'none'}; not caught: {', '.join(missed) or 'none'}\n")
    return not broken and not missed


def main() -> None:
    """Do what the command line asks for; the exit code is 1 where an honest generator fails or a twin passes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--smoke", action="store_true", help=f"at most {SMOKE_RUNS} fits per world, nothing is recorded"
    )
    parser.add_argument("--summary", action="store_true", help="rewrite summary.md from the recorded results")
    parser.add_argument("--twins", action="store_true", help="only the known-bad twins")
    parser.add_argument("--generators", nargs="+", choices=list(PLAYED), help="all; of marginals only in a smoke run")
    parser.add_argument("--runs", type=int, help="fits per world, instead of what the README plans")
    given = parser.parse_args()
    names = given.generators or list(OF_MARGINALS if given.smoke else PLAYED)
    if given.summary:
        (FOLDER / "summary.md").write_text(summary(), encoding="utf-8")
        return
    if given.smoke:
        sys.exit(0 if smoke(names) else 1)
    if not given.twins:
        run_campaign(names, given.runs)
    if given.twins or names == list(PLAYED):
        run_twins()
    missed = slipped(tried())
    sys.stdout.write(f"not caught: {', '.join(missed) or 'none'}\n")
    sys.exit(1 if missed or any(problems(record) for record in records()) else 0)


if __name__ == "__main__":
    main()
