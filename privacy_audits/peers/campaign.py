"""Plays one black-box game with dpmm and smartnoise-synth, in environments of their own, and with our generators."""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.environments import PEERS, Peer, default_folder, python_of
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.attacks.bounds import clopper_pearson
from dpsynth.attacks.repeated_runs import PairedRuns, epsilon_lower
from dpsynth.auditing.neighbors import worst_case_pair
from privacy_audits.peers.own_fits import play_own
from privacy_audits.recorded_result import read_counts, recorded

FOLDER = Path(__file__).parent
CLAIM = PrivacyBudget(1, "1e-2")
EQUAL_ROWS, UNIT_ROWS = 300, 60
ROWS = 3_000
ITERATIONS = {"mst": 100, "aim": 50}
"""Of dpmm, each time that it fits its model; its AIM does so after each answer and goes on from the last model."""
FITS = 200
RUNNERS = {"dpmm": "dpmm_fits.py", "smartnoise": "smartnoise_fits.py"}
ALGORITHMS = ("dpmm-mst-pretrained", "dpmm-aim", "smartnoise-mst", "smartnoise-aim", "smartnoise-mwem")
TWIN = "dpmm-mst-pretrained-five"
"""Known to be bad: spends an epsilon of 5 and is looked at as if it claimed 1."""

OWN = ("dpsynth-mst", "dpsynth-aim", "dpsynth-mwem")
"""In the same worlds, with the same statistic, as their counterparts."""

DEAR = ("dpmm-mst",)
"""Left out unless asked for: a fit takes a quarter of a minute."""

_SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    # Each fit compiles its noisy answers in as constants, so no compilation is ever of use again; it costs most of a
    # fit, and the compiler is asked for less of it.
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "PYTHONPATH": "",
}


def delta_of(system: str) -> Decimal:
    """Return the delta that a system claims: MWEM of smartnoise-synth takes none."""
    return Decimal(0) if system == "smartnoise-mwem" else CLAIM.delta


def right_share(epsilon: float, delta: float) -> float:
    """Return the largest share of pairs that any statistic orders right if (epsilon, delta) holds.

    It is the area under the best trade-off curve that the claim allows.

    Source: Kairouz, Oh and Viswanath 2015, theorem 2.1.
    """
    return 1 - (1 - delta) ** 2 / (1 + math.exp(epsilon))


def batch(system: str, fits: int, environments: Path) -> dict[str, Any]:
    """Return what so many more fits in each world show; fewer if somebody interrupts.

    Args:
        system: the peer's short name and its algorithm.
        fits: in each world.
        environments: where the environments of peers lie, or are made.

    Raises:
        SystemExit: interrupted before there was anything to return.
    """
    short, _, algorithm = system.partition("-")
    pair = worst_case_pair(2, rows=EQUAL_ROWS, rows_alike=UNIT_ROWS)
    if system in OWN:
        seen = play_own(algorithm, pair, CLAIM, rows=ROWS, fits=fits)
        return {"system": system, "pair": pair.name, **seen}
    peer = next(peer for peer in PEERS if peer.short == short)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        request = {
            "algorithm": algorithm,
            "epsilon": "5" if system == TWIN else str(CLAIM.epsilon),
            "delta": str(CLAIM.delta),
            "rows": ROWS,
            "iterations": ITERATIONS.get(algorithm.partition("-")[0]),
            "fits": fits,
            "domain": dict(zip(pair.schema.domain.names, pair.schema.domain.sizes, strict=True)),
        }
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        np.savez(folder / "worlds.npz", without=pair.codes(0), with_unit=pair.codes(1))
        with suppress(KeyboardInterrupt):
            _run(peer, RUNNERS[short], folder, environments)
        if not (folder / "seen.json").exists():
            raise SystemExit(f"{system}: interrupted before a pair was counted")
        seen = json.loads((folder / "seen.json").read_text(encoding="utf-8"))
    return {"system": system, "pair": pair.name, **seen}


def together(before: dict[str, Any] | None, more: dict[str, Any]) -> dict[str, Any]:
    """Return the counts of two batches as one.

    Raises:
        SystemExit: they are not of the same game with the same versions.
    """
    if before is None:
        return more
    if any(before[key] != more[key] for key in ("system", "pair", "versions")):
        raise SystemExit(f"{more['system']}: another game or other versions are recorded; remove its file first")
    return {**more, **{key: before[key] + more[key] for key in ("without", "with_unit", "processor_seconds")}}


def bounds(counts: dict[str, Any]) -> tuple[PairedRuns, float]:
    """Return the order of the pairs, ties as wrong ones, and what epsilon exceeds with probability 95 %."""
    without, with_unit = (np.array(counts[world], dtype=np.float64) for world in ("without", "with_unit"))
    order = PairedRuns(without.size, int((with_unit > without).sum()))
    # The threshold is fixed on the first fifth, and the rates are counted on the rest.
    fifth = max(1, without.size // 5)
    threshold = float(np.median(np.concatenate([without[:fifth], with_unit[:fifth]])))
    epsilon = epsilon_lower(without[fifth:], with_unit[fifth:], delta=delta_of(counts["system"]), threshold=threshold)
    return order, epsilon


def _run(peer: Peer, runner: str, folder: Path, environments: Path) -> None:
    subprocess.run(  # noqa: S603 - runners of this project
        [str(python_of(peer, environments)), "-W", "ignore", str(FOLDER / runner), str(folder)],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, **_SETTINGS},
    )


def found() -> Iterator[dict[str, Any]]:
    """Yield what is recorded, in the order of the algorithms."""
    for system in (*OWN, *ALGORITHMS, *DEAR, TWIN):
        counts = read_counts(FOLDER, system)
        if counts is not None:
            yield counts


def summary() -> str:
    """Return the text of summary.md, from the recorded counts alone."""
    claimed = math.sqrt(mu_squared_from_budget(CLAIM))
    lines = [
        "# Peers: summary",
        "",
        "Made from `results/` by `python -m privacy_audits.peers.campaign --summary`. Bounds are one-sided, 95 %, from",
        "tables alone. `allowed` is the share of pairs in right order that nothing passes for which the claim holds; a",
        f"Gaussian mechanism with epsilon {CLAIM.epsilon}, delta {CLAIM.delta} has mu {claimed:.3f}.",
        "",
        "| system | version | claim | fits per world | right order | at least | allowed | shown mu | shown epsilon |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for counts in found():
        system, delta = counts["system"], delta_of(counts["system"])
        order, epsilon = bounds(counts)
        short = system.partition("-")[0]
        name = next((peer.name for peer in PEERS if peer.short == short), short)
        least = clopper_pearson(order.right, order.pairs, confidence=0.95).lower
        lines.append(
            f"| {system} | {counts['versions'][name]} | ({CLAIM.epsilon}, {delta}) | {order.pairs} "
            f"| {order.right / order.pairs:.1%} | {least:.1%} | {right_share(float(CLAIM.epsilon), float(delta)):.1%} "
            f"| {order.mu_lower():.3f} | {epsilon:.2f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Do what the command line asks for; nothing is judged, numbers stand beside claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--summary", action="store_true", help="rewrite summary.md from the recorded results")
    parser.add_argument(
        "--systems", nargs="+", default=[*OWN, *ALGORITHMS, TWIN], choices=[*OWN, *ALGORITHMS, *DEAR, TWIN]
    )
    parser.add_argument("--fits", type=int, default=FITS, help="in each world; what is recorded already counts")
    parser.add_argument("--environments", type=Path, default=default_folder(), help="where environments are made")
    given = parser.parse_args()
    for system in [] if given.summary else given.systems:
        before = read_counts(FOLDER, system)
        done = len(before["without"]) if before else 0
        if done >= given.fits:
            continue
        with recorded(FOLDER, system) as counts:
            counts.update(together(before, batch(system, given.fits - done, given.environments)))
        sys.stdout.write(f"{system}: {len(counts['without'])} fits in each world recorded\n")
        sys.stdout.flush()
        if len(counts["without"]) < given.fits:
            break
    (FOLDER / "summary.md").write_text(summary(), encoding="utf-8")


if __name__ == "__main__":
    main()
