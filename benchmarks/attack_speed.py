"""Seconds that attacks take, beside the measures of other packages that come nearest to them, on the same tables.

Run from the root of the project: `python -m benchmarks.attack_speed [--rows N] [--peers FOLDER] [--json FILE]`, or with
`--tier` for the time and memory of the whole fast tier on 20,000 rows. Peers run in environments of their own, one
after the other, in one process and thread each.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.attack_tables import AttackTable, Codes, attack_table
from benchmarks.peers.environments import ATTACKING_PEERS, HERE, default_folder, python_of
from benchmarks.surroundings import source_version, surroundings
from dpsynth.attacks.leaky_twins import row_swap
from dpsynth.attacks.records import Records
from dpsynth.attacks.registry import ATTACKS
from dpsynth.attacks.suite import run_suite

TIER_ROWS = 20_000


def attacked(table: AttackTable, rows: tuple[Codes, ...], attacks: tuple[str, ...]) -> dict[str, float]:
    """Return the seconds that some attacks take on members, controls, synthetic and reference rows."""
    schema = table.schema
    records = [Records.from_codes(codes, schema) for codes in rows]
    names = [column.name for column in schema.columns]
    processor, wall = time.process_time(), time.perf_counter()
    run_suite(*records, rng=np.random.default_rng(1), names=names, attacks=attacks)
    return {"cpu_seconds": time.process_time() - processor, "seconds": time.perf_counter() - wall}


def side_by_side(rows: int, folder: Path) -> dict[str, object]:
    """Return what every peer's measures and our nearest attacks take on the same rows of Adult."""
    table = attack_table("adult")
    members, controls, reference, fresh = table.parts(rows, seed=1)
    released = row_swap(
        np.concatenate([members[: rows // 2], fresh[rows // 2 :]]), share=0.2, rng=np.random.default_rng(2)
    )
    names = [column.name for column in table.schema.columns]
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as place:
        for name, codes in (("members", members), ("controls", controls), ("synthetic", released)):
            content = {column: codes[:, at].tolist() for at, column in enumerate(names)}
            (Path(place) / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        ordered = [column.name for column in table.schema.columns if column.is_ordered]
        (Path(place) / "ordered.json").write_text(json.dumps(ordered), encoding="utf-8")
        attacked(table, (members[:100], controls[:100], released[:100], reference[:100]), tuple(ATTACKS))  # imports
        for peer in ATTACKING_PEERS:
            command = [str(python_of(peer, folder)), str(HERE / peer.runner), place]
            one_thread = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
            ran = subprocess.run(command, env={**os.environ, **one_thread}, capture_output=True, text=True, check=True)  # noqa: S603
            theirs = json.loads(ran.stdout.splitlines()[-1])
            for measure, attack in peer.algorithms.items():
                ours = attacked(table, (members, controls, released, reference), (attack,))
                found[f"{peer.name} {peer.version}: {measure}"] = {
                    "theirs": theirs[measure],
                    "ours": ours,
                    "attack": attack,
                    "ratio": theirs[measure]["cpu_seconds"] / ours["cpu_seconds"],
                }
    return {"rows": rows, "columns": len(names), "measures": found}


def tier() -> dict[str, object]:
    """Return time and memory of all attacks on 20,000 targets, as many reference and synthetic rows, of 15 columns.

    The table has fewer rows than that; some of those that are swapped to make the synthetic ones are in the reference.
    """
    table = attack_table("adult-weighted")
    half = TIER_ROWS // 2
    order = np.random.default_rng(1).permutation(len(table.codes))
    members, controls = (table.codes[order[at : at + half]] for at in (0, half))
    reference = table.codes[order[TIER_ROWS : 2 * TIER_ROWS]]
    released = row_swap(table.codes[order[-TIER_ROWS:]], share=0.2, rng=np.random.default_rng(2))
    taken = attacked(table, (members, controls, released, reference), tuple(ATTACKS))
    return {
        "members": len(members),
        "controls": len(controls),
        "synthetic": len(released),
        "reference": len(reference),
        "columns": members.shape[1],
        **taken,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Measure, print, and write a file if one is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attack_speed", description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--tier", action="store_true", help="the whole fast tier instead")
    parser.add_argument("--peers", type=Path, default=default_folder(), help="where environments of peers are made")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    measured = tier() if given.tier else side_by_side(given.rows, given.peers)
    content = {"version": source_version(), "surroundings": surroundings(), **measured}
    text = json.dumps(content, indent=1) + "\n"
    sys.stdout.write(text)
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
