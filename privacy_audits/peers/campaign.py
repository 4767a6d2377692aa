"""Plays the black-box game with dpmm and smartnoise-synth, each in a virtual environment of its own."""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.environments import PEERS, Peer, default_folder, python_of
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.attacks.repeated_runs import PairedRuns, epsilon_lower
from dpsynth.auditing.game import PlayedGame
from dpsynth.auditing.neighbors import full_pair
from privacy_audits.recorded_result import read_counts, recorded

FOLDER = Path(__file__).parent
CLAIM = PrivacyBudget(1, "1e-2")
ROWS = 10_000
FITS = 200
TRAINING = 0.4
RUNNERS = {"dpmm": "dpmm_fits.py", "smartnoise": "smartnoise_fits.py"}
ALGORITHMS = ("dpmm-mst", "dpmm-aim", "smartnoise-mst", "smartnoise-aim", "smartnoise-mwem")


def counted(system: str, fits: int, environments: Path) -> dict[str, Any]:
    """Return what the game with one algorithm of a peer counts.

    Args:
        system: the peer's short name and its algorithm.
        fits: in each world.
        environments: where the environments of peers lie, or are made.
    """
    short, algorithm = system.split("-")
    peer = next(peer for peer in PEERS if peer.short == short)
    pair = full_pair(2, rows_per_cell=60)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        request = {
            "algorithm": algorithm,
            "epsilon": str(CLAIM.epsilon),
            "delta": str(CLAIM.delta),
            "rows": ROWS,
            "fits": fits,
            "domain": dict(zip(pair.schema.domain.names, pair.schema.domain.sizes, strict=True)),
        }
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        np.savez(folder / "worlds.npz", without=pair.codes(0), with_unit=pair.codes(1))
        _run(peer, RUNNERS[short], folder, environments)
        tables = np.load(folder / "counts.npy").astype(np.float64)
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return {"system": system, "pair": pair.name, "fits": fits, **facts, **_compared(tables)}


def _compared(tables: np.ndarray) -> dict[str, Any]:
    """Return how well the worlds are told apart by tables that were not learnt from."""
    unknown = np.zeros(tables.shape[:2])
    without, with_unit = PlayedGame(unknown, tables, np.empty(0), Fraction(0), 0, 0).black_box(training=TRAINING)
    # The threshold is fixed on one half of what is left, and the rates are counted on the other.
    half = len(without) // 2
    threshold = float(np.median(np.concatenate([without[:half], with_unit[:half]])))
    order = PairedRuns.of(without, with_unit, rng=np.random.default_rng())
    epsilon = epsilon_lower(without[half:], with_unit[half:], delta=CLAIM.delta, threshold=threshold)
    return {"pairs": order.pairs, "right": order.right, "epsilon_lower": round(epsilon, 4)}


def _run(peer: Peer, runner: str, folder: Path, environments: Path) -> None:
    settings = {"OMP_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "JAX_PLATFORMS": "cpu"}
    subprocess.run(  # noqa: S603 - runners of this project
        [str(python_of(peer, environments)), "-W", "ignore", str(FOLDER / runner), str(folder)],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, **settings, "PYTHONPATH": ""},
    )


def found() -> Iterator[dict[str, Any]]:
    """Yield what is recorded, in the order of the algorithms."""
    for system in ALGORITHMS:
        counts = read_counts(FOLDER, system)
        if counts is not None:
            yield counts


def summary() -> str:
    """Return the text of summary.md, from the recorded counts alone."""
    claimed = math.sqrt(mu_squared_from_budget(CLAIM))
    lines = [
        "# Peers: summary",
        "",
        "Made from `results/` by `python -m privacy_audits.peers.campaign --summary`. Bounds are one-sided,",
        f"95 %, from tables alone. The claim of each fit is epsilon {CLAIM.epsilon}, delta {CLAIM.delta}; a Gaussian",
        f"mechanism with that claim has mu {claimed:.3f}.",
        "",
        "| system | version | fits in each world | right order | shown mu | shown epsilon | claimed epsilon |",
        "|---|---|---|---|---|---|---|",
    ]
    for counts in found():
        order = PairedRuns(counts["pairs"], counts["right"])
        name = next(peer.name for peer in PEERS if peer.short == counts["system"].split("-")[0])
        lines.append(
            f"| {counts['system']} | {counts['versions'][name]} | {counts['fits']} | {order.right} of {order.pairs} "
            f"| {order.mu_lower():.3f} | {counts['epsilon_lower']:.2f} | {CLAIM.epsilon} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Do what the command line asks for; nothing is judged, numbers stand beside claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--summary", action="store_true", help="rewrite summary.md from the recorded results")
    parser.add_argument("--systems", nargs="+", default=list(ALGORITHMS), choices=list(ALGORITHMS))
    parser.add_argument("--fits", type=int, default=FITS, help="in each world")
    parser.add_argument("--environments", type=Path, default=default_folder(), help="where environments are made")
    given = parser.parse_args()
    for system in [] if given.summary else given.systems:
        with recorded(FOLDER, system) as counts:
            counts.update(counted(system, given.fits, given.environments))
        sys.stdout.write(f"{system}: recorded\n")
        sys.stdout.flush()
    (FOLDER / "summary.md").write_text(summary(), encoding="utf-8")


if __name__ == "__main__":
    main()
