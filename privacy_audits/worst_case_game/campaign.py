"""Plays the worst-case game with every generator, and with twins that must be caught."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.auditing.audit_record import AuditRecord
from dpsynth.auditing.game import Door
from dpsynth.auditing.generator_audit import SMOKE_RUNS, audit_generator, due_pairs, due_runs
from dpsynth.generators.registry import GENERATORS, generator
from privacy_audits.known_bad import Spends, door_with_budget, noise_scaled, sensitivity_divided
from privacy_audits.package_version import version

FOLDER = Path(__file__).parent
CLAIM = PrivacyBudget(1, "1e-2")
PLAYED = tuple(entry.name for entry in GENERATORS if entry.name != "auto")
"""`auto` is one of the others."""

OF_MARGINALS = tuple(entry.name for entry in GENERATORS if entry.access == "MarginalQueries" and entry.name in PLAYED)
"""All that they ask are marginals and choices, so the likelihood ratio is of all that was answered."""

WHITE_BOX_BAR, BLACK_BOX_BAR = 0.85, 0.75


@dataclass(frozen=True)
class Twin:
    """A generator, or a door, that breaks its promise."""

    name: str
    generator: str
    damage: AbstractContextManager[Any] = field(default_factory=nullcontext)
    spent: PrivacyBudget | None = None

    def audit(self, runs: int) -> AuditRecord:
        """Return what the game counts; it must not pass."""
        maker: Any = generator(self.generator)
        door: Door | None = None
        if self.spent is not None:
            maker, door = Spends(maker, self.spent), door_with_budget(self.spent)
        with self.damage:
            return audit_generator(
                maker, CLAIM, runs=runs, rng=np.random.default_rng(), pairs=due_pairs()[:1], door=door
            )


def twins() -> tuple[Twin, ...]:
    """Return the twins of every generator that claims 1 and spends 5, and of one generator with other mistakes."""
    five = PrivacyBudget(5, "1e-2")
    return (
        *(Twin(f"{name} spends 5 and claims 1", name, spent=five) for name in OF_MARGINALS),
        Twin("half of the declared noise", "mst", noise_scaled(Fraction(1, 2))),
        Twin("nine tenths of the declared noise", "mst", noise_scaled(Fraction(9, 10))),
        Twin("sensitivity divided by 4", "all_marginals", sensitivity_divided(4)),
    )


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


def recorded() -> Iterator[AuditRecord]:
    """Return the recorded audits, in the order of the registry."""
    for name in PLAYED:
        file = FOLDER / "results" / f"{name}.json"
        if file.exists():
            yield AuditRecord.from_json(json.loads(file.read_text(encoding="utf-8"))["counts"])


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
    for record in recorded():
        for place, game in enumerate(record.games):
            white, black = game.white_box.mu_lower(), game.black_box.mu_lower()
            tight = white >= WHITE_BOX_BAR * record.claimed_mu and black >= BLACK_BOX_BAR * record.claimed_mu
            due = place == 0 and record.generator in OF_MARGINALS
            verdict = "**refuted**" if record.problems else "holds, not tight" if due and not tight else "holds"
            lines.append(
                f"| `{record.generator}` | {'ab'[place]} | {game.runs:,} | {record.claimed_mu:.3f} "
                f"| {white:.3f} | {white / record.claimed_mu:.0%} | {black:.3f} | {black / record.claimed_mu:.0%} "
                f"| {game.noise.ratio:.4f} | {verdict} |"
            )
    bad = FOLDER / "results" / "known_bad.json"
    if bad.exists():
        lines += ["", "| known-bad twin | fits each | caught |", "|---|---|---|"]
        lines += [
            f"| {twin['name']} | {twin['runs']} | {'yes' if twin['caught'] else '**no**'} |"
            for twin in json.loads(bad.read_text(encoding="utf-8"))["twins"]
        ]
    return "\n".join(lines) + "\n"


def run_campaign(names: list[str], runs: int | None) -> None:
    """Record what is not recorded yet, generator by generator, then the twins."""
    (FOLDER / "results").mkdir(exist_ok=True)
    for name in names:
        file = FOLDER / "results" / f"{name}.json"
        if file.exists():
            continue
        began = time.perf_counter()
        record = audit(name, runs or due_runs(name))
        content = {
            "id": record.audit_id,
            "version": version(),
            "seconds": round(time.perf_counter() - began),
            "counts": record.counts(),
        }
        file.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        sys.stdout.write(f"{name}: {'; '.join(record.problems) or 'nothing refutes the claim'}\n")
    (FOLDER / "summary.md").write_text(summary(), encoding="utf-8")


def run_twins(runs: int, *, write: bool) -> bool:
    """Return whether every twin was caught; say which was not."""
    found = []
    for twin in twins():
        problems = twin.audit(runs).problems
        found.append({"name": twin.name, "runs": runs, "caught": bool(problems), "problems": list(problems)})
        sys.stdout.write(f"{twin.name}: {'caught' if problems else 'NOT CAUGHT'}\n")
    if write:
        (FOLDER / "results").mkdir(exist_ok=True)
        file = FOLDER / "results" / "known_bad.json"
        file.write_text(json.dumps({"twins": found}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        (FOLDER / "summary.md").write_text(summary(), encoding="utf-8")
    return all(twin["caught"] for twin in found)


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
        broken = [
            name
            for name in names
            if audit_generator(
                generator(name),
                CLAIM,
                runs=due_runs(name, smoke=True),
                rng=np.random.default_rng(),
                pairs=due_pairs()[:1],
            ).problems
        ]
        sys.stdout.write(f"refuted: {', '.join(broken) or 'none'}\n")
        sys.exit(0 if run_twins(SMOKE_RUNS // 2, write=False) and not broken else 1)
    if not given.twins:
        run_campaign(names, given.runs)
    caught = run_twins(SMOKE_RUNS, write=True) if given.twins or names == list(PLAYED) else True
    sys.exit(0 if caught and not any(record.problems for record in recorded()) else 1)


if __name__ == "__main__":
    main()
