"""Whether targeted shadow models find the noisy copies of a few isolated people, on Adult and at the size of a report.

Run from the root of the project: `python -m benchmarks.attack_targeted [--rows N] [--smoke] [--json FILE]`. The
pipeline returns honest rows of which one in a hundred is a noisy copy of one of the most isolated training rows. It
runs 1,000 times without a target and 1,000 times with each; no run sees a row of the honest ones. The attack is asked
whether anything at all can be seen.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

import numpy as np

from benchmarks.attack_corpus import FEW_NOISY_OUTLIERS
from benchmarks.attack_tables import ATTACK_TABLES, attack_table
from benchmarks.surroundings import source_version, surroundings
from dpsynth.attacks.canaries import draw_canaries
from dpsynth.attacks.leaky_twins import LEAKY_TWINS, LeakSource
from dpsynth.attacks.shadow_targets import Codes, choose_targets
from dpsynth.attacks.targeted_shadow import REPORT, SMOKE, TargetedShadow, weighed

_AUXILIARY = 3
"""Public rows per training row: each run draws its rows from them."""

_DELTA = Decimal("1e-6")


def main() -> None:
    """Attack, print what was found about each target, and write a file if one is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attack_targeted", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000, help="training rows of a run")
    parser.add_argument("--smoke", action="store_true", help="64 runs in each world in place of 1,000")
    parser.add_argument("--table", choices=ATTACK_TABLES, default="adult")
    parser.add_argument("--isolated", type=int, default=2, help="targets among the most isolated rows")
    parser.add_argument("--typical", type=int, default=1, help="ordinary targets")
    parser.add_argument("--canaries", type=int, default=1, help="targets drawn from the schema")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    table, rng = attack_table(given.table), np.random.default_rng(given.seed)
    people = rng.permutation(table.codes)
    auxiliary, honest = people[: _AUXILIARY * given.rows], people[_AUXILIARY * given.rows :]

    def leaking(rows: Codes, rng: np.random.Generator) -> Codes:
        fresh = honest[rng.choice(len(honest), size=given.rows, replace=False)]
        made = LEAKY_TWINS[FEW_NOISY_OUTLIERS].make(LeakSource(rows, fresh, table.schema), rng)
        return made.astype(np.int32)

    canaries = draw_canaries(table.schema.columns, given.canaries, rng=rng)
    targets = choose_targets(auxiliary, table.schema, canaries=canaries, isolated=given.isolated, typical=given.typical)
    repetitions = SMOKE if given.smoke else REPORT
    attack = TargetedShadow(leaking, table.schema, auxiliary, given.rows, repetitions)
    start, findings = time.process_time(), []
    for finding in attack.findings(targets, rng=rng):
        findings.append(finding)
        sys.stdout.write(f"{len(findings)} of {len(targets)} targets after {time.process_time() - start:.0f} s\n")
        sys.stdout.flush()
    results = weighed(findings, planned=len(targets), delta=_DELTA)
    for result in results:
        sys.stdout.write(result.sentence + "\n")
    if given.json is not None:
        content = {
            "version": source_version(),
            "surroundings": surroundings(),
            "table": given.table,
            "rows": given.rows,
            "repetitions": asdict(repetitions),
            "cpu_seconds": round(time.process_time() - start, 1),
            "targets": [{**asdict(result), "is_caught": bool(result.is_caught)} for result in results],
        }
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
